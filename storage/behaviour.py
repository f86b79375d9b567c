"""What people did, as experiments ask for it: goals, sessions, what was recommended to them and what they dismissed.

People are units: whatever chance went by, with all visitors that brought the same assignment id along.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, func, select

from features.table import CONTEXT_COLUMNS
from storage.identity_tables import assignments
from storage.ledger import Outcome
from storage.tables import decisions, events, outcomes

_VISITORS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Goal:
    """An event of the goal."""

    unit: str
    event_id: str
    session_id: str
    at_us: int
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recommended:
    """An intervention that was recommended, and when it was dismissed, None where it was not."""

    unit: str
    decision_id: str
    session_id: str
    at_us: int
    name: str
    dismissed_us: int | None


@dataclass(frozen=True, slots=True)
class Began:
    """A session and its first moment."""

    unit: str
    session_id: str
    at_us: int


class Behaviour:
    """What the people of one journey did; ``visitors`` maps visitors to their units."""

    def __init__(self, connection: Connection, journey: str, visitors: Mapping[str, str]) -> None:
        self.visitors = visitors
        self._connection = connection
        self._journey = journey

    def goals(self, names: Iterable[str]) -> Iterator[Goal]:
        """Yield the events of the goal, in no order."""
        query = select(
            events.c.visitor_id, events.c.event_id, events.c.session_id, events.c.occurred_at_us, events.c.properties
        ).where(events.c.journey == self._journey, events.c.name.in_(list(names)))
        for row in self._of_visitors(query, events.c.visitor_id):
            properties = msgspec.json.decode(row.properties)
            yield Goal(self.visitors[row.visitor_id], row.event_id, row.session_id, row.occurred_at_us, properties)

    def recommended(self) -> Iterator[Recommended]:
        """Yield what was recommended, in no order."""
        dismissed = outcomes.c.outcome == Outcome.DISMISSED.value
        query = (
            select(
                decisions.c.visitor_id,
                decisions.c.decision_id,
                decisions.c.session_id,
                decisions.c.at_us,
                decisions.c.chosen,
                outcomes.c.at_us.label("dismissed_us"),
            )
            .select_from(decisions.outerjoin(outcomes, (outcomes.c.decision_id == decisions.c.decision_id) & dismissed))
            .where(decisions.c.journey == self._journey, decisions.c.chosen.is_not(None))
        )
        for row in self._of_visitors(query, decisions.c.visitor_id):
            unit = self.visitors[row.visitor_id]
            yield Recommended(unit, row.decision_id, row.session_id, row.at_us, row.chosen, row.dismissed_us)

    def began(self) -> Iterator[Began]:
        """Yield the sessions, in no order."""
        query = (
            select(events.c.visitor_id, events.c.session_id, func.min(events.c.occurred_at_us).label("at_us"))
            .where(events.c.journey == self._journey)
            .group_by(events.c.visitor_id, events.c.session_id)
        )
        for row in self._of_visitors(query, events.c.visitor_id):
            yield Began(self.visitors[row.visitor_id], row.session_id, row.at_us)

    def _of_visitors(self, query: Select[Any], column: Any) -> Iterator[Row[Any]]:
        for some in _batches(self.visitors):
            yield from self._connection.execute(query.where(column.in_(some)))


def visitors_of(connection: Connection, journey: str, units: Mapping[str, str]) -> dict[str, str]:
    """Return the units of these visitors, and of all others who brought one of the units' ids along."""
    wanted = set(units.values())
    query = select(assignments.c.visitor_id, assignments.c.assignment_id).where(assignments.c.journey == journey)
    kept = {row.visitor_id: row.assignment_id for row in connection.execute(query) if row.assignment_id in wanted}
    return {**units, **kept}


def risks_of(connection: Connection, decision_ids: Iterable[str]) -> dict[str, float]:
    """Return the risk at each decision that is still kept."""
    found: dict[str, float] = {}
    for some in _batches(decision_ids):
        query = select(decisions.c.decision_id, decisions.c.risk).where(decisions.c.decision_id.in_(some))
        found |= {row.decision_id: row.risk for row in connection.execute(query)}
    return found


def cohorts_of(
    connection: Connection, journey: str, session_ids: Iterable[str], names: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Return each session's first known value of columns and properties, as text."""
    columns = [name for name in names if name in CONTEXT_COLUMNS]
    found: dict[str, dict[str, str]] = {}
    for some in _batches(session_ids):
        query = (
            select(events.c.session_id, events.c.properties, *(events.c[name] for name in columns))
            .where(events.c.journey == journey, events.c.session_id.in_(some))
            .order_by(events.c.occurred_at_us, events.c.event_id)
        )
        for row in connection.execute(query):
            mine = found.setdefault(row.session_id, {})
            if len(mine) == len(names):
                continue
            values = row._mapping
            properties = msgspec.json.decode(row.properties)
            for name in names:
                value = values[name] if name in columns else properties.get(name)
                if value is not None:
                    mine.setdefault(name, str(value))
    return found


def _batches(names: Iterable[str]) -> Iterator[list[str]]:
    every = sorted(names)
    return (every[place : place + _VISITORS_AT_ONCE] for place in range(0, len(every), _VISITORS_AT_ONCE))
