"""The durable log of received events, in the canonical columns; training reads what serving appended."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, Engine, Row, Select, delete, func, insert, select

from features.events import Event
from features.finished import finished
from features.undoings import pack_undoings
from storage.database import reading
from storage.event_rows import events_of, insert_rows
from storage.identity_store import read_undoings
from storage.key_text import without_keys
from storage.tables import events, quarantine

CANONICAL_SCHEMA = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string()),
        pa.field("visitor_id", pa.string(), nullable=False),
        pa.field("user_id", pa.string()),
        pa.field("name", pa.string(), nullable=False),
        pa.field("occurred_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("received_at", pa.timestamp("us", tz="UTC")),
        pa.field("channel", pa.string()),
        pa.field("device", pa.string()),
        pa.field("source", pa.string()),
        pa.field("campaign", pa.string()),
        pa.field("properties", pa.string()),
    ]
)
"""The canonical columns; ``properties`` is the text of a JSON object."""

_BATCH_EVENTS = 50_000
_IDS_PER_QUERY = 500
_ENCODER = msgspec.json.Encoder()
_PAYLOAD_CHARACTERS = 2_000
EVENT_COLUMNS = (
    events.c.event_id,
    events.c.session_id,
    events.c.visitor_id,
    events.c.user_id,
    events.c.name,
    events.c.occurred_at_us,
    events.c.received_at_us,
    events.c.channel,
    events.c.device,
    events.c.source,
    events.c.campaign,
    events.c.properties,
)
"""What an event is made of again."""


class EventLog:
    """The events of one journey. Writing methods take the writer's connection, reading ones open their own."""

    def __init__(self, engine: Engine, journey: str) -> None:
        self.journey = journey
        self.engine = engine

    def append(self, connection: Connection, received: Sequence[Event]) -> frozenset[str]:
        """Insert the events that are not there yet and return the ids of those that were.

        Every event needs its ``session_id`` and ``received_at_us``. Raises ValueError where one lacks them.
        """
        rows: dict[str, tuple[object, ...]] = {}
        for event in received:
            if event.event_id not in rows:
                rows[event.event_id] = self._row(event)
        return insert_rows(connection, [*rows.values()])

    def refuse(
        self, connection: Connection, received_at_us: int, visitor_id: str | None, reason: str, payload: str
    ) -> None:
        """Keep the start of what could not be used, with the reason."""
        connection.execute(
            insert(quarantine),
            {
                "journey": self.journey,
                "received_at_us": received_at_us,
                "visitor_id": visitor_id,
                "reason": without_keys(reason),
                "payload": without_keys(payload)[:_PAYLOAD_CHARACTERS],
            },
        )

    def erase_visitor(self, connection: Connection, visitor_id: str) -> dict[str, int]:
        """Delete a visitor's events and refused events; return how many of each."""
        return {
            "events": _delete(connection, events, self.journey, visitor_id),
            "quarantined": _delete(connection, quarantine, self.journey, visitor_id),
        }

    def visitor_events(self, visitor_id: str) -> list[Event]:
        """Return all events of a visitor, in the order of their arrival."""
        return self._events(select(*EVENT_COLUMNS).where(events.c.visitor_id == visitor_id))

    def session_events(self, session_id: str) -> list[Event]:
        """Return the events of a session, in the total order ``(occurred_at, event_id)``."""
        found = self._events(select(*EVENT_COLUMNS).where(events.c.session_id == session_id))
        return sorted(found, key=lambda event: (event.occurred_at_us, event.event_id.encode()))

    def events_of_visitors(self, visitor_ids: Collection[str], most: int) -> dict[str, list[Event]] | None:
        """Return all events of many visitors, each one's in the order of arrival; unknown visitors are left out.

        None where there are more than ``most``.
        """
        found: dict[str, list[Event]] = {}
        left = most
        with reading(self.engine) as connection:
            for ids in _parts(visitor_ids):
                read = events_of(connection, self.journey, ids, left + 1)
                left -= len(read)
                if left < 0:
                    return None
                for event in map(event_of, read):
                    found.setdefault(event.visitor_id, []).append(event)
        return found

    def visitors_of_sessions(self, session_ids: Collection[str]) -> dict[str, str]:
        """Return whose sessions they are; unknown ones are left out."""
        found: dict[str, str] = {}
        with reading(self.engine) as connection:
            for ids in _parts(session_ids):
                query = select(events.c.session_id, events.c.visitor_id).distinct()
                query = query.where(events.c.journey == self.journey, events.c.session_id.in_(ids))
                found.update({row.session_id: row.visitor_id for row in connection.execute(query)})
        return found

    def visitor_of_session(self, session_id: str) -> str | None:
        """Return whose session it is, or None for an unknown one."""
        query = select(events.c.visitor_id).where(events.c.journey == self.journey, events.c.session_id == session_id)
        with reading(self.engine) as connection:
            return connection.execute(query.limit(1)).scalar()

    def last_position(self) -> int | None:
        """Return the place of the latest arrival in the database; None for a journey without events."""
        query = select(events.c.position).where(events.c.journey == self.journey).order_by(events.c.position.desc())
        with reading(self.engine) as connection:
            return connection.execute(query.limit(1)).scalar()

    def last_received_us(self) -> int | None:
        """Return when the latest arrival was received; None for a journey without events."""
        query = select(events.c.received_at_us).where(events.c.journey == self.journey)
        with reading(self.engine) as connection:
            return connection.execute(query.order_by(events.c.position.desc()).limit(1)).scalar()

    def latest_session_of_user(self, user_id: str) -> tuple[str, str] | None:
        """Return the visitor and session of a user's latest event, or None for an unknown one."""
        query = (
            select(events.c.visitor_id, events.c.session_id)
            .where(events.c.journey == self.journey, events.c.user_id == user_id)
            .order_by(events.c.occurred_at_us.desc(), events.c.position.desc())
        )
        with reading(self.engine) as connection:
            row = connection.execute(query.limit(1)).first()
        return None if row is None else (row.visitor_id, row.session_id)

    def sessions_of(self, text: str, most: int = 20) -> list[str]:
        """Return the sessions with events of this session, visitor or user id, the latest to arrive first."""
        found: dict[str, int] = {}
        with reading(self.engine) as connection:
            # One query for each index: an OR over the three would read the whole table.
            for column in (events.c.session_id, events.c.visitor_id, events.c.user_id):
                query = (
                    select(events.c.session_id, func.max(events.c.position))
                    .where(events.c.journey == self.journey, column == text)
                    .group_by(events.c.session_id)
                )
                found.update({row[0]: row[1] for row in connection.execute(query)})
        return sorted(found, key=lambda session_id: -found[session_id])[:most]

    def batches(self, batch_events: int = _BATCH_EVENTS) -> Iterator[pa.RecordBatch]:
        """Stream the whole log, as it is at the first batch, in the order of arrival, in the canonical columns."""
        # Writers take turns, so all that was committed by now stands below all that will be.
        position, last = 0, self.last_position() or 0
        query = select(*EVENT_COLUMNS, events.c.position).where(
            events.c.journey == self.journey, events.c.position <= last
        )
        with self.engine.connect() as connection:
            while True:
                page = query.where(events.c.position > position).order_by(events.c.position).limit(batch_events)
                rows = connection.execute(page).all()
                if not rows:
                    return
                position = rows[-1].position
                columns = list(zip(*rows, strict=True))[: len(EVENT_COLUMNS)]
                yield pa.record_batch(
                    [pa.array(column, field.type) for column, field in zip(columns, CANONICAL_SCHEMA, strict=True)],
                    schema=CANONICAL_SCHEMA,
                )

    def export(self, path: Path) -> int:
        """Write the log as one canonical Parquet file, which training reads, and return how many events it holds.

        What people have undone about who is who goes along, as no event tells of it.
        The file appears under its name only when it is whole.
        """
        count = 0
        with finished(path) as unfinished:
            with self.engine.connect() as connection:
                schema = CANONICAL_SCHEMA.with_metadata(pack_undoings(read_undoings(connection, self.journey)))
            with pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
                for batch in self.batches():
                    writer.write_batch(batch)
                    count += batch.num_rows
        return count

    def _events(self, query: Select[Any]) -> list[Event]:
        whole = query.where(events.c.journey == self.journey).order_by(events.c.position)
        with reading(self.engine) as connection:
            return [event_of(row) for row in connection.execute(whole)]

    def _row(self, event: Event) -> tuple[object, ...]:
        if event.session_id is None or event.received_at_us is None:
            raise ValueError(f"event {event.event_id!r} has no session or no time of arrival")
        return (
            self.journey,
            event.event_id,
            event.session_id,
            event.visitor_id,
            event.user_id,
            event.name,
            event.occurred_at_us,
            event.received_at_us,
            event.channel,
            event.device,
            event.source,
            event.campaign,
            _ENCODER.encode(event.properties).decode(),
        )


def event_of(row: Row[Any]) -> Event:
    """Return the event of a row of :data:`EVENT_COLUMNS`."""
    return Event(
        event_id=row.event_id,
        name=row.name,
        occurred_at_us=row.occurred_at_us,
        visitor_id=row.visitor_id,
        session_id=row.session_id,
        user_id=row.user_id,
        received_at_us=row.received_at_us,
        channel=row.channel,
        device=row.device,
        source=row.source,
        campaign=row.campaign,
        properties=msgspec.json.decode(row.properties),
    )


def _parts(ids: Collection[str]) -> Iterator[Sequence[str]]:
    """Yield ids in parts that one query can hold."""
    every = list(ids)
    return (every[start : start + _IDS_PER_QUERY] for start in range(0, len(every), _IDS_PER_QUERY))


def _delete(connection: Connection, table: Any, journey: str, visitor_id: str) -> int:
    where = (table.c.journey == journey, table.c.visitor_id == visitor_id)
    return connection.execute(delete(table).where(*where)).rowcount
