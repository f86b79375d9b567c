"""Everything that is kept about visitors, erased together; and whatever has grown too old."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

from sqlalchemy import Connection, Engine, delete, exists, func, insert, select

from storage.assignments import Assignments
from storage.event_log import EventLog
from storage.exposure_store import ExposureStore
from storage.follow_ups import FollowUps
from storage.identity_store import IdentityStore
from storage.ledger import Ledger
from storage.policy_tables import rewards
from storage.privacy_tables import erasures
from storage.reward_store import RewardStore
from storage.running_tables import follow_ups, session_ends
from storage.session_ends import SessionEnds
from storage.tables import decisions, events, outcomes, quarantine
from storage.touchpoint_store import TouchpointStore
from storage.touchpoint_tables import clicks, touchpoints


class AboutPeople(Protocol):
    """A store that can forget a visitor."""

    def erase_visitor(self, connection: Connection, visitor_id: str) -> dict[str, int]:
        """Delete a visitor's rows; return how many of each kind."""


def journeys_kept(engine: Engine) -> tuple[str, ...]:
    """Return the journeys of which the database holds events or decisions."""
    others = (decisions, quarantine, touchpoints)
    query = select(events.c.journey).union(*(select(table.c.journey) for table in others))
    with engine.connect() as connection:
        return tuple(sorted(connection.execute(query).scalars()))


def stores_about_people(engine: Engine, journey: str) -> tuple[AboutPeople, ...]:
    """Return every store that holds rows about visitors."""
    return (
        # Touchpoints first: the log says whose they are.
        TouchpointStore(engine, journey),
        Ledger(engine, journey),
        EventLog(engine, journey),
        IdentityStore(engine, journey),
        Assignments(engine, journey),
        SessionEnds(engine, journey),
        FollowUps(engine, journey),
        RewardStore(engine, journey),
        ExposureStore(engine, journey),
    )


class Erasure:
    """Forgets visitors of one journey in every store. Writing methods take the writer's connection."""

    def __init__(self, engine: Engine, journey: str, stores: Sequence[AboutPeople] = ()) -> None:
        self.journey = journey
        self._engine = engine
        # A service hands in its own stores, which have more to forget than rows.
        self._stores = stores or stores_about_people(engine, journey)

    def erase(self, connection: Connection, visitor_ids: Iterable[str], now_us: int) -> dict[str, int]:
        """Delete all rows about the visitors, tell the other processes, and return how many there were of each kind.

        ``sessions`` counts the sessions that their events belonged to.
        """
        counts = Counter[str]()
        for visitor_id in visitor_ids:
            mine = (events.c.journey == self.journey, events.c.visitor_id == visitor_id)
            sessions = select(func.count(events.c.session_id.distinct())).where(*mine)
            erased = {"sessions": connection.execute(sessions).scalar_one()}
            for store in self._stores:
                erased |= store.erase_visitor(connection, visitor_id)
            connection.execute(insert(erasures), {"journey": self.journey, "visitor_id": visitor_id, "at_us": now_us})
            counts.update(erased)
        return counts

    def window(self, visitor_ids: Sequence[str]) -> tuple[int, int] | None:
        """Return the moments of the first and the last event of these visitors, or None where they have none."""
        query = select(func.min(events.c.occurred_at_us), func.max(events.c.occurred_at_us)).where(
            events.c.journey == self.journey, events.c.visitor_id.in_(visitor_ids)
        )
        with self._engine.connect() as connection:
            first_us, last_us = connection.execute(query).one()
        return None if first_us is None else (first_us, last_us)

    def erased_since(self, position: int) -> list[tuple[int, str]]:
        """Return the place and the visitor of every erasure after a place, the oldest first."""
        query = select(erasures.c.position, erasures.c.visitor_id).where(
            erasures.c.journey == self.journey, erasures.c.position > position
        )
        with self._engine.connect() as connection:
            return [(row.position, row.visitor_id) for row in connection.execute(query.order_by(erasures.c.position))]

    def clear_told(self, connection: Connection, before_us: int) -> int:
        """Delete the erasures of which every process has heard by now; return how many there were."""
        told = (erasures.c.journey == self.journey, erasures.c.at_us < before_us)
        return connection.execute(delete(erasures).where(*told)).rowcount

    def last_position(self) -> int:
        """Return the place of the latest erasure; 0 where there is none."""
        query = select(func.max(erasures.c.position)).where(erasures.c.journey == self.journey)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar() or 0

    def expire(self, connection: Connection, before_us: int, now_us: int, *, most: int = 5_000) -> dict[str, int]:
        """Delete what came before a moment, at most so many events, and all else of visitors who have no event left.

        Returns how many of each kind; ``events`` is 0 once nothing is left to delete.
        """
        oldest = (
            select(events.c.position, events.c.visitor_id, events.c.received_at_us)
            .where(events.c.journey == self.journey)
            .order_by(events.c.position)
            .limit(most)
        )
        rows = [row for row in connection.execute(oldest) if row.received_at_us < before_us]
        counts = Counter(events=len(rows))
        if rows:
            positions = [row.position for row in rows]
            for start in range(0, len(positions), 500):
                mine = events.c.position.in_(positions[start : start + 500])
                connection.execute(delete(events).where(mine))
        if len(rows) < most:
            # Once for all steps: none of these can be found without looking at the whole table.
            counts.update(self._expire_beside(connection, before_us))
        gone = [one for one in sorted({row.visitor_id for row in rows}) if not self._has_events(connection, one)]
        counts.update(self.erase(connection, gone, now_us))
        counts["visitors"] = len(gone)
        return counts

    def _expire_beside(self, connection: Connection, before_us: int) -> dict[str, int]:
        """Delete what came before a moment beside the events; return how many rows of each kind."""
        refused = (quarantine.c.journey == self.journey, quarantine.c.received_at_us < before_us)
        counts = {"quarantined": connection.execute(delete(quarantine).where(*refused)).rowcount}
        old = (decisions.c.journey == self.journey, decisions.c.decided_at_us < before_us)
        ids = select(decisions.c.decision_id).where(*old)
        counts["outcomes"] = connection.execute(delete(outcomes).where(outcomes.c.decision_id.in_(ids))).rowcount
        counts["decisions"] = connection.execute(delete(decisions).where(*old)).rowcount
        for kept, closed in (
            (session_ends, session_ends.c.closed_us),
            (follow_ups, follow_ups.c.created_us),
            (rewards, rewards.c.matured_us),
            (touchpoints, touchpoints.c.received_at_us),
            (clicks, clicks.c.at_us),
        ):
            past = (kept.c.journey == self.journey, closed < before_us)
            counts[kept.name] = connection.execute(delete(kept).where(*past)).rowcount
        return counts

    def _has_events(self, connection: Connection, visitor_id: str) -> bool:
        mine = exists().where(events.c.journey == self.journey, events.c.visitor_id == visitor_id)
        return bool(connection.execute(select(mine)).scalar())
