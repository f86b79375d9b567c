"""Sessions that are open, and how the others ended; what the sweeper keeps."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Connection, Engine, Select, case, cast, delete, func, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from storage.database import insert_if_absent
from storage.running_tables import open_sessions, session_ends
from storage.tables import events


class SessionOutcome(StrEnum):
    """How a session can end; censored is a silence that the journey takes for no abandonment."""

    GOAL = "goal"
    ABANDONED = "abandoned"
    COMPETING = "competing"
    CENSORED = "censored"


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """How a session ended: ``last_at_us`` is its last sign of life, ``risk`` that at the last event.

    ``risk`` is None where a declared end has come: no model has learnt from what follows one.
    """

    session_id: str
    visitor_id: str
    user_id: str | None
    outcome: SessionOutcome
    stage: str | None
    last_at_us: int
    closed_us: int
    risk: float | None


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session whose end is not known, and the latest of its events that the sweeper has seen."""

    session_id: str
    visitor_id: str
    last_at_us: int


class SessionEnds:
    """Open and ended sessions of one journey. Methods that write, and those of a turn, take the caller's connection."""

    def __init__(self, engine: Engine, journey: str) -> None:
        self.journey = journey
        self._engine = engine
        # Not every driver counts the rows of such an insert; what it returns tells.
        self._insert_end = insert_if_absent(engine, session_ends).returning(session_ends.c.session_id)

    def note(self, connection: Connection, after: int, up_to: int) -> int:
        """Note whose sessions the events at these positions belong to; return how many had been closed before.

        The end of such a session is not known any more: it goes, and comes back as the next turn finds it.
        """
        mine = (events.c.journey == self.journey, events.c.position > after, events.c.position <= up_to)
        touched = select(events.c.session_id).where(*mine)
        reopened = connection.execute(
            delete(session_ends).where(
                session_ends.c.journey == self.journey, session_ends.c.session_id.in_(touched.distinct())
            )
        ).rowcount
        latest = (
            select(
                events.c.journey,
                events.c.session_id,
                func.min(events.c.visitor_id),
                func.max(events.c.occurred_at_us),
            )
            # SQLite would take the ON of a conflict for that of a join, were there no WHERE.
            .where(true(), *mine)
            .group_by(events.c.journey, events.c.session_id)
        )
        connection.execute(self._upsert(latest))
        return reopened

    def next_position(self, connection: Connection, after: int, up_to: int, most: int) -> int:
        """Return up to which position at most so many rows of the log lie after ``after``; ``after`` for none."""
        page = (
            select(events.c.position)
            .where(events.c.position > after, events.c.position <= up_to)
            .order_by(events.c.position)
            .limit(most)
            .subquery()
        )
        return int(connection.execute(select(func.max(page.c.position))).scalar() or after)

    def silent(self, connection: Connection, since_us: int, most: int) -> list[OpenSession]:
        """Return open sessions with no event after a moment as far as noted, the longest silent first."""
        query = (
            select(open_sessions.c.session_id, open_sessions.c.visitor_id, open_sessions.c.last_at_us)
            .where(open_sessions.c.journey == self.journey, open_sessions.c.last_at_us <= since_us)
            .order_by(open_sessions.c.last_at_us)
            .limit(most)
        )
        return [OpenSession(*row) for row in connection.execute(query)]

    def position_of(self, connection: Connection, visitor_id: str) -> int | None:
        """Return the position of a visitor's latest event to arrive; None where there is none."""
        query = select(func.max(events.c.position)).where(
            events.c.journey == self.journey, events.c.visitor_id == visitor_id
        )
        return connection.execute(query).scalar()

    def close(self, connection: Connection, end: SessionEnd) -> bool:
        """Keep how a session ended and return True; False where that is known already."""
        row = asdict(end) | {"journey": self.journey, "outcome": end.outcome.value}
        is_new = connection.execute(self._insert_end, row).first() is not None
        self.drop(connection, end.session_id)
        return is_new

    def hold(self, connection: Connection, session_id: str, last_at_us: int) -> None:
        """Keep a session open: its latest event is at another moment than noted."""
        mine = (open_sessions.c.journey == self.journey, open_sessions.c.session_id == session_id)
        connection.execute(update(open_sessions).where(*mine).values(last_at_us=last_at_us))

    def drop(self, connection: Connection, session_id: str) -> None:
        """Wait for a session no longer."""
        mine = (open_sessions.c.journey == self.journey, open_sessions.c.session_id == session_id)
        connection.execute(delete(open_sessions).where(*mine))

    def end_of(self, session_id: str) -> SessionEnd | None:
        """Return how a session ended; None while that is not known."""
        with self._engine.connect() as connection:
            return self.known_end(connection, session_id)

    def known_end(self, connection: Connection, session_id: str) -> SessionEnd | None:
        """Return how a session ended, as the transaction of ``connection`` sees it."""
        found = self._ends(connection, session_ends.c.session_id == session_id)
        return found[0] if found else None

    def all_ends(self) -> list[SessionEnd]:
        """Return how all sessions ended, by the order in which that was noticed."""
        with self._engine.connect() as connection:
            return self._ends(connection, true())

    def waiting(self) -> tuple[int, int | None]:
        """Return how many sessions are open as far as noted, and the moment of the longest silent one's last event."""
        query = select(func.count(), func.min(open_sessions.c.last_at_us)).where(
            open_sessions.c.journey == self.journey
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).one()
        return int(row[0]), row[1]

    def erase_visitor(self, connection: Connection, visitor_id: str) -> dict[str, int]:
        """Delete what is known of a visitor's open sessions and ends; return how many ends."""
        theirs = (open_sessions.c.journey == self.journey, open_sessions.c.visitor_id == visitor_id)
        connection.execute(delete(open_sessions).where(*theirs))
        ended = (session_ends.c.journey == self.journey, session_ends.c.visitor_id == visitor_id)
        return {"session_ends": connection.execute(delete(session_ends).where(*ended)).rowcount}

    def _ends(self, connection: Connection, condition: Any) -> list[SessionEnd]:
        query = select(session_ends).where(session_ends.c.journey == self.journey, condition)
        rows = connection.execute(query.order_by(session_ends.c.closed_us, session_ends.c.session_id)).mappings()
        return [
            SessionEnd(
                **{name: value for name, value in row.items() if name not in ("journey", "outcome")},
                outcome=SessionOutcome(row["outcome"]),
            )
            for row in rows
        ]

    def _upsert(self, latest: Select[Any]) -> Any:
        columns = ("journey", "session_id", "visitor_id", "last_at_us")
        if self._engine.dialect.name == "postgresql":
            adding: Any = postgresql.insert(open_sessions).from_select(columns, latest)
        else:
            adding = sqlite.insert(open_sessions).from_select(columns, latest)
        added, noted = adding.excluded.last_at_us, open_sessions.c.last_at_us
        later = case((added > noted, added), else_=noted)
        return adding.on_conflict_do_update(index_elements=("journey", "session_id"), set_={"last_at_us": later})


class SettledPositions:
    """Up to which position of the log all events have come that will ever stand there.

    SQLite commits one transaction after the other, so that is the latest. PostgreSQL gives positions before it
    commits: a transaction that is slow may bring an event whose position others have long passed. A position that
    was the latest one look ago counts as settled once every transaction has ended that had begun by this look.
    """

    def __init__(self, engine: Engine) -> None:
        self._is_postgresql = engine.dialect.name == "postgresql"
        self._settled = 0
        self._latest = 0
        self._waiting: tuple[int, int] | None = None

    def look(self, connection: Connection) -> int:
        """Return that position; on PostgreSQL it takes three looks until it includes what is there now."""
        latest = func.coalesce(func.max(events.c.position), 0)
        if not self._is_postgresql:
            return int(connection.execute(select(latest)).scalar_one())
        snapshot = func.pg_current_snapshot()
        oldest, newest = (cast(cast(bound(snapshot), _TEXT), BigInteger) for bound in _BOUNDS)
        position, oldest_running, newest_begun = connection.execute(select(latest, oldest, newest)).one()
        if self._waiting is not None and oldest_running >= self._waiting[1]:
            self._settled, self._waiting = self._waiting[0], None
        if self._waiting is None:
            self._waiting = (self._latest, newest_begun)
        self._latest = position
        return self._settled


_TEXT = events.c.name.type
_BOUNDS = (func.pg_snapshot_xmin, func.pg_snapshot_xmax)
