"""Decisions of which it is not known yet what came of them, by the moment at which that is worth a look."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, bindparam, func, select, update

from storage.database import insert_if_absent
from storage.ledger import Outcome, RecordedOutcome
from storage.policy_tables import rewards
from storage.reward_store import Reward
from storage.running_tables import open_sessions
from storage.tables import decisions, events, outcomes


@dataclass(frozen=True, slots=True)
class DueDecision:
    """A decision without a reward, and the interventions among which it was made."""

    decision_id: str
    session_id: str
    visitor_id: str
    at_us: int
    eligible: Sequence[str]


@dataclass(frozen=True, slots=True)
class ReachedGoal:
    """An event of the goal: whose it was, when, and its properties."""

    visitor_id: str
    session_id: str
    at_us: int
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many decisions wait for their rewards, when the oldest was made, and when the first was due for a look."""

    decisions: int
    oldest_us: int | None
    due_us: int | None


class DueDecisions:
    """The decisions of one journey that wait for their rewards. All methods take a connection."""

    def __init__(self, engine: Engine, journey: str) -> None:
        self.journey = journey
        self._insert = insert_if_absent(engine, rewards)
        self._waiting = (decisions.c.journey == journey, decisions.c.due_us.is_not(None))
        self._postpone = (
            update(decisions)
            .where(decisions.c.decision_id == bindparam("of"), *self._waiting)
            .values(due_us=bindparam("until_us"))
        )

    def due(self, connection: Connection, now_us: int, most: int) -> list[DueDecision]:
        """Return decisions that are worth a look by now, at most so many, the longest due first."""
        query = self._read(decisions.c.due_us <= now_us).order_by(decisions.c.due_us).limit(most)
        return [_due(row) for row in connection.execute(query)]

    def of_session(self, connection: Connection, session_id: str) -> list[DueDecision]:
        """Return all waiting decisions of a session, due or not, the oldest first."""
        query = self._read(decisions.c.session_id == session_id).order_by(decisions.c.at_us, decisions.c.decision_id)
        return [_due(row) for row in connection.execute(query)]

    def outcomes(self, connection: Connection, decision_ids: Iterable[str]) -> dict[str, list[RecordedOutcome]]:
        """Return what was reported of decisions."""
        found: dict[str, list[RecordedOutcome]] = {}
        query = select(outcomes).where(outcomes.c.decision_id.in_(list(decision_ids)))
        for row in connection.execute(query):
            one = RecordedOutcome(row.decision_id, Outcome(row.outcome), row.at_us, row.value)
            found.setdefault(one.decision_id, []).append(one)
        return found

    def goals_of_session(self, connection: Connection, session_id: str, names: Iterable[str]) -> list[ReachedGoal]:
        """Return the events of the goal in a session, the earliest first."""
        return self._goals(connection, names, events.c.session_id == session_id)

    def goals_of_visitors(
        self, connection: Connection, visitor_ids: Iterable[str], names: Iterable[str], after_us: int, up_to_us: int
    ) -> list[ReachedGoal]:
        """Return the events of the goal of visitors within a stretch of time, the earliest first."""
        within = (events.c.occurred_at_us > after_us, events.c.occurred_at_us <= up_to_us)
        return self._goals(connection, names, events.c.visitor_id.in_(list(visitor_ids)), *within)

    def first_event_us(self, connection: Connection, session_id: str) -> int | None:
        """Return the moment of a session's first event; None where the log does not have the session."""
        query = select(func.min(events.c.occurred_at_us)).where(
            events.c.journey == self.journey, events.c.session_id == session_id
        )
        return connection.execute(query).scalar()

    def last_event_us(self, connection: Connection, session_id: str) -> int | None:
        """Return the moment of an open session's latest event, as far as noted; None where it is not open."""
        query = select(open_sessions.c.last_at_us).where(
            open_sessions.c.journey == self.journey, open_sessions.c.session_id == session_id
        )
        return connection.execute(query).scalar()

    def reward(self, connection: Connection, found: Sequence[Reward]) -> int:
        """Keep rewards of decisions that still wait for them; return how many those were.

        What has been erased meanwhile, or rewarded by another process, stays as it is.
        """
        ids = [one.decision_id for one in found]
        query = select(decisions.c.decision_id).where(decisions.c.decision_id.in_(ids), *self._waiting)
        waiting = set(connection.execute(query).scalars())
        rows = [
            {
                "journey": self.journey,
                "decision_id": one.decision_id,
                "visitor_id": one.visitor_id,
                "converted": one.converted,
                "value": one.value,
                "matured_us": one.matured_us,
            }
            for one in found
            if one.decision_id in waiting
        ]
        if rows:
            connection.execute(self._insert, rows)
            self.postpone(connection, dict.fromkeys(waiting))
        return len(rows)

    def postpone(self, connection: Connection, until_us: Mapping[str, int | None]) -> None:
        """Look at decisions again at a moment; never, where None."""
        if until_us:
            connection.execute(self._postpone, [{"of": one, "until_us": due} for one, due in until_us.items()])

    def waiting(self, connection: Connection) -> Waiting:
        """Return how many decisions wait, and for how long."""
        query = select(func.count(), func.min(decisions.c.at_us), func.min(decisions.c.due_us)).where(*self._waiting)
        return Waiting(*connection.execute(query).one())

    def _read(self, condition: Any) -> Any:
        return select(
            decisions.c.decision_id,
            decisions.c.session_id,
            decisions.c.visitor_id,
            decisions.c.at_us,
            decisions.c.eligible,
        ).where(*self._waiting, condition)

    def _goals(self, connection: Connection, names: Iterable[str], *conditions: Any) -> list[ReachedGoal]:
        query = select(events.c.visitor_id, events.c.session_id, events.c.occurred_at_us, events.c.properties).where(
            events.c.journey == self.journey, events.c.name.in_(list(names)), *conditions
        )
        found = [ReachedGoal(*row[:3], msgspec.json.decode(row[3])) for row in connection.execute(query)]
        return sorted(found, key=lambda goal: goal.at_us)


def _due(row: Any) -> DueDecision:
    return DueDecision(row.decision_id, row.session_id, row.visitor_id, row.at_us, msgspec.json.decode(row.eligible))
