"""What the event log knows of visitors: where their sessions lie, and what has come since somebody last looked."""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine, Row, Select, func, select

from features.events import Event
from storage.database import reading
from storage.event_log import EVENT_COLUMNS, event_of
from storage.tables import events

_VALUES_PER_QUERY = 500

_T = TypeVar("_T")


class Anchor(NamedTuple):
    """The latest event of a visitor that somebody has seen: its place in the log, and a digest of what it is.

    A place may be given again after an erasure. The digest is of the event's id and the moment of its arrival, which
    tells it from the same event sent anew.
    """

    position: int
    digest: int


class Span(NamedTuple):
    """A session in the log: its first and last moment in microseconds, how many events it has, and the latest place."""

    first_at_us: int
    last_at_us: int
    events: int
    position: int


@dataclass(frozen=True, slots=True)
class Tail:
    """Events of a visitor in the order of their arrival: those after an anchor, or all where ``whole``.

    ``anchor`` is the place of the latest that the log has; None for a visitor that it does not know.
    """

    events: Sequence[Event]
    anchor: Anchor | None
    whole: bool


@dataclass(frozen=True, slots=True)
class Known:
    """An event id that the log has, and whose it is."""

    session_id: str
    visitor_id: str


class VisitorLog:
    """The visitors of one journey. Methods for writers take the writer's connection, the others open their own."""

    def __init__(self, engine: Engine, journey: str) -> None:
        self.journey = journey
        self._engine = engine

    def tail(self, visitor_id: str, anchor: Anchor | None) -> Tail:
        """Return what has come since the anchor.

        Where the log does not have the event of the anchor any more, the visitor has been erased: then all events.
        """
        mine = (events.c.journey == self.journey, events.c.visitor_id == visitor_id)
        query: Select[Any] = select(*EVENT_COLUMNS, events.c.position).where(*mine).order_by(events.c.position)
        with reading(self._engine) as connection:
            if anchor is not None:
                rows = connection.execute(query.where(events.c.position >= anchor.position)).all()
                if rows and _anchor(rows[0]) == anchor:
                    return Tail([event_of(row) for row in rows[1:]], _anchor(rows[-1]), whole=False)
            rows = connection.execute(query).all()
        return Tail([event_of(row) for row in rows], _anchor(rows[-1]) if rows else None, whole=True)

    def spans(self, connection: Connection, visitor_ids: Collection[str]) -> dict[str, dict[str, Span]]:
        """Return where the sessions of each visitor lie, by their ids."""
        found: dict[str, dict[str, Span]] = {visitor_id: {} for visitor_id in visitor_ids}
        at_us, position = events.c.occurred_at_us, events.c.position
        for wanted in _portions(visitor_ids):
            query = (
                select(
                    events.c.visitor_id,
                    events.c.session_id,
                    func.min(at_us),
                    func.max(at_us),
                    func.count(),
                    func.max(position),
                )
                .where(events.c.journey == self.journey, events.c.visitor_id.in_(wanted))
                .group_by(events.c.visitor_id, events.c.session_id)
            )
            for visitor_id, session_id, *span in connection.execute(query):
                found[visitor_id][session_id] = Span(*span)
        return found

    def known(self, connection: Connection, event_ids: Collection[str]) -> dict[str, Known]:
        """Return those of the event ids that the log has."""
        found: dict[str, Known] = {}
        for wanted in _portions(event_ids):
            query = select(events.c.event_id, events.c.session_id, events.c.visitor_id).where(
                events.c.journey == self.journey, events.c.event_id.in_(wanted)
            )
            found.update({row[0]: Known(row[1], row[2]) for row in connection.execute(query)})
        return found

    def owners(self, connection: Connection, session_ids: Collection[str]) -> dict[str, str]:
        """Return whose each session is, of those that the log has."""
        found: dict[str, str] = {}
        for wanted in _portions(session_ids):
            query = (
                select(events.c.session_id, func.min(events.c.visitor_id))
                .where(events.c.journey == self.journey, events.c.session_id.in_(wanted))
                .group_by(events.c.session_id)
            )
            found.update({row[0]: row[1] for row in connection.execute(query)})
        return found

    def anchors(self, connection: Connection, event_ids: Collection[str]) -> Mapping[str, Anchor]:
        """Return where these events stand, by their ids."""
        found: dict[str, Anchor] = {}
        for wanted in _portions(event_ids):
            query: Select[Any] = select(events.c.position, events.c.event_id, events.c.received_at_us).where(
                events.c.journey == self.journey, events.c.event_id.in_(wanted)
            )
            found.update((row.event_id, _anchor(row)) for row in connection.execute(query))
        return found


def _anchor(row: Row[Any]) -> Anchor:
    told = f"{row.received_at_us} {row.event_id}".encode("utf-8", "surrogatepass")
    return Anchor(row.position, int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "little"))


def _portions(values: Collection[_T]) -> Iterator[list[_T]]:
    listed = list(values)
    for start in range(0, len(listed), _VALUES_PER_QUERY):
        yield listed[start : start + _VALUES_PER_QUERY]
