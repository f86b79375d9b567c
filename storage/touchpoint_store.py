"""What happens to people outside of their sessions, in the database, and the visitors that clicks have led to."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, Engine, Row, Select, delete, func, or_, select

from features.events import Event
from features.touchpoints import CLICK, Touchpoint
from storage.database import insert_if_absent
from storage.event_log import CANONICAL_SCHEMA
from storage.tables import events
from storage.touchpoint_tables import clicks, touchpoints

_IDS_PER_QUERY = 500
_BATCH_ROWS = 50_000
_FOUND_VISITOR = func.coalesce(touchpoints.c.visitor_id, clicks.c.visitor_id)
_COLUMNS = (
    touchpoints.c.event_id,
    touchpoints.c.name,
    touchpoints.c.occurred_at_us,
    touchpoints.c.received_at_us,
    _FOUND_VISITOR.label("visitor_id"),
    touchpoints.c.user_id,
    touchpoints.c.click_id,
    touchpoints.c.channel,
    touchpoints.c.source,
    touchpoints.c.campaign,
    touchpoints.c.properties,
)


class TouchpointStore:
    """The touchpoints of one journey. Writing methods take the writer's connection, reading ones open their own.

    Whose a touchpoint is, is found when it is read: one whose click or user becomes known later joins then.
    """

    def __init__(self, engine: Engine, journey: str) -> None:
        self.journey = journey
        self._engine = engine
        self._insert = insert_if_absent(engine, touchpoints)
        self._insert_click = insert_if_absent(engine, clicks)

    def append(self, connection: Connection, received: Sequence[Touchpoint]) -> int:
        """Insert those whose ids are not there yet; return how many of the others there were."""
        new = {one.touchpoint_id: one for one in reversed(received)}
        ids = list(new)
        for start in range(0, len(ids), _IDS_PER_QUERY):
            query = select(touchpoints.c.event_id).where(
                touchpoints.c.journey == self.journey, touchpoints.c.event_id.in_(ids[start : start + _IDS_PER_QUERY])
            )
            for present in connection.execute(query).scalars():
                del new[present]
        if new:
            connection.execute(self._insert, [self._row(one) for one in reversed(new.values())])
        return len(received) - len(new)

    def learn_clicks(self, connection: Connection, received: Iterable[Event]) -> None:
        """Keep which visitor came by which click, of events that say it; the first one stays."""
        rows = [
            {"journey": self.journey, "click_id": said, "visitor_id": event.visitor_id, "at_us": event.occurred_at_us}
            for event in received
            if isinstance(said := event.properties.get(CLICK), str) and said
        ]
        if rows:
            connection.execute(self._insert_click, rows)

    def of_person(
        self, visitor_ids: Collection[str], user_ids: Collection[str], until_us: int, most: int = 200
    ) -> list[Touchpoint]:
        """Return the touchpoints of a person's visitors and users up to a moment, the latest ``most``, oldest first."""
        query = self._query().where(touchpoints.c.occurred_at_us <= until_us)
        found: dict[str, Touchpoint] = {}
        # One query for each index: an OR over the three would read the whole table.
        conditions = (
            touchpoints.c.visitor_id.in_(visitor_ids),
            touchpoints.c.user_id.in_(user_ids),
            touchpoints.c.click_id.in_(
                select(clicks.c.click_id).where(clicks.c.journey == self.journey, clicks.c.visitor_id.in_(visitor_ids))
            ),
        )
        with self._engine.connect() as connection:
            for condition in conditions:
                latest = query.where(condition).order_by(touchpoints.c.occurred_at_us.desc()).limit(most)
                found.update((row.event_id, _touchpoint(row)) for row in connection.execute(latest))
        return sorted(found.values(), key=lambda one: (one.occurred_at_us, one.touchpoint_id))[-most:]

    def count(self) -> int:
        """Return how many touchpoints there are."""
        query = select(func.count()).select_from(touchpoints).where(touchpoints.c.journey == self.journey)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def batches(self, batch_rows: int = _BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """Stream the touchpoints of which somebody is known, in the canonical columns; they are in no session."""
        known = or_(_FOUND_VISITOR.is_not(None), touchpoints.c.user_id.is_not(None))
        last = ""
        with self._engine.connect() as connection:
            while True:
                page = self._query().where(known, touchpoints.c.event_id > last)
                rows = connection.execute(page.order_by(touchpoints.c.event_id).limit(batch_rows)).all()
                if not rows:
                    return
                last = rows[-1].event_id
                yield pa.RecordBatch.from_pylist([_canonical(row) for row in rows], CANONICAL_SCHEMA)

    def export(self, path: Path) -> int:
        """Write them as one canonical Parquet file beside a log's events; return how many, and write none for none."""
        count = 0
        writer: pq.ParquetWriter | None = None
        try:
            for batch in self.batches():
                if writer is None:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    writer = pq.ParquetWriter(path, CANONICAL_SCHEMA, compression="zstd")
                writer.write_batch(batch)
                count += batch.num_rows
        finally:
            if writer is not None:
                writer.close()
        return count

    def erase_visitor(self, connection: Connection, visitor_id: str) -> dict[str, int]:
        """Delete a visitor's touchpoints and clicks, with those of users that no other visitor has been; count them.

        It has to run before the visitor's events are erased, which say whose they are.
        """
        own = (clicks.c.journey == self.journey, clicks.c.visitor_id == visitor_id)
        of_visitor = select(events.c.user_id).where(
            events.c.journey == self.journey, events.c.visitor_id == visitor_id, events.c.user_id.is_not(None)
        )
        users = set(connection.execute(of_visitor.distinct()).scalars()) | {visitor_id}
        elsewhere = select(events.c.user_id).where(
            events.c.journey == self.journey, events.c.user_id.in_(users), events.c.visitor_id != visitor_id
        )
        users -= set(connection.execute(elsewhere.distinct()).scalars())
        found = connection.execute(
            delete(touchpoints).where(
                touchpoints.c.journey == self.journey,
                or_(
                    touchpoints.c.visitor_id == visitor_id,
                    touchpoints.c.user_id.in_(users),
                    touchpoints.c.click_id.in_(select(clicks.c.click_id).where(*own)),
                ),
            )
        )
        return {"touchpoints": found.rowcount, "clicks": connection.execute(delete(clicks).where(*own)).rowcount}

    def _query(self) -> Select[Any]:
        joined = touchpoints.outerjoin(
            clicks, (clicks.c.journey == touchpoints.c.journey) & (clicks.c.click_id == touchpoints.c.click_id)
        )
        return select(*_COLUMNS).select_from(joined).where(touchpoints.c.journey == self.journey)

    def _row(self, one: Touchpoint) -> dict[str, Any]:
        return {
            "journey": self.journey,
            "event_id": one.touchpoint_id,
            "name": one.name,
            "occurred_at_us": one.occurred_at_us,
            "received_at_us": one.received_at_us,
            "visitor_id": one.visitor_id,
            "user_id": one.user_id,
            "click_id": one.click_id,
            "channel": one.channel,
            "source": one.source,
            "campaign": one.campaign,
            "properties": msgspec.json.encode(one.properties).decode(),
        }


def _touchpoint(row: Row[Any]) -> Touchpoint:
    return Touchpoint(
        touchpoint_id=row.event_id,
        name=row.name,
        occurred_at_us=row.occurred_at_us,
        received_at_us=row.received_at_us,
        visitor_id=row.visitor_id,
        user_id=row.user_id,
        click_id=row.click_id,
        channel=row.channel,
        source=row.source,
        campaign=row.campaign,
        properties=msgspec.json.decode(row.properties),
    )


def _canonical(row: Row[Any]) -> dict[str, Any]:
    return {
        "event_id": row.event_id,
        "visitor_id": row.visitor_id or row.user_id,
        "user_id": row.user_id,
        "name": row.name,
        "occurred_at": row.occurred_at_us,
        "received_at": row.received_at_us,
        "channel": row.channel,
        "source": row.source,
        "campaign": row.campaign,
        "properties": row.properties,
    }
