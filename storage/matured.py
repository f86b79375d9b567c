"""Decisions with what came of them: the ledger joined with rewards, and with whom chance went by."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, and_, func, literal, null, select

from storage.identity_tables import assignments
from storage.policy_tables import rewards
from storage.tables import decisions

_ROWS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class MaturedDecision:
    """A decision of which nothing can change any more; ``position`` is that of its reward.

    ``unit`` is whom chance went by: the visitor's assignment id, else the visitor. ``confidence`` is None in what was
    kept before it was kept too.
    """

    position: int
    decision_id: str
    session_id: str
    unit: str
    at_us: int
    stage: str | None
    risk: float
    blockers: Sequence[Mapping[str, Any]]
    confidence: Mapping[str, float] | None
    propensities: Mapping[str, float]
    chosen: str | None
    holdout: bool
    policy_version: str
    converted: bool
    value: float | None


def all_matured(connection: Connection, journey: str) -> Iterator[MaturedDecision]:
    """Stream every decision that has a reward, in no order; all of them may not fit into memory."""
    return _stream(connection, _matured(journey))


def matured_after(connection: Connection, journey: str, position: int, most: int) -> list[MaturedDecision]:
    """Return the decisions whose rewards come after a position, at most so many, in the order of the rewards.

    A decision that has been erased takes no part: its reward goes with it.
    """
    ordered = _matured(journey).where(rewards.c.position > position).order_by(rewards.c.position).limit(most)
    return list(_stream(connection, ordered))


def latest_choices(connection: Connection, journey: str, most: int) -> list[MaturedDecision]:
    """Return the latest decisions at which there was a choice, at most so many, whose outcome is not known yet.

    They stand as without a goal, and their position is 0.
    """
    mine = (decisions.c.journey == journey, decisions.c.due_us.is_not(None), decisions.c.drawn.is_not(None))
    query = (
        _columns(literal(0), decisions.c.visitor_id, literal(False), null())
        .where(*mine)
        .order_by(decisions.c.due_us.desc())
        .limit(most)
    )
    return list(_stream(connection, query))


def _columns(position: Any, unit: Any, converted: Any, value: Any) -> Select[Any]:
    """Return the selection of what a :class:`MaturedDecision` is made of, in its order."""
    return select(
        position,
        decisions.c.decision_id,
        decisions.c.session_id,
        unit,
        decisions.c.at_us,
        decisions.c.stage,
        decisions.c.risk,
        decisions.c.blockers,
        decisions.c.confidence,
        decisions.c.propensities,
        decisions.c.chosen,
        decisions.c.holdout,
        decisions.c.policy_version,
        converted,
        value,
    )


def _stream(connection: Connection, query: Select[Any]) -> Iterator[MaturedDecision]:
    for row in connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query):
        yield _decoded(row)


def _matured(journey: str) -> Select[Any]:
    mine = and_(assignments.c.journey == decisions.c.journey, assignments.c.visitor_id == decisions.c.visitor_id)
    unit = func.coalesce(assignments.c.assignment_id, decisions.c.visitor_id)
    return (
        _columns(rewards.c.position, unit, rewards.c.converted, rewards.c.value)
        .select_from(
            rewards.join(
                decisions,
                and_(decisions.c.decision_id == rewards.c.decision_id, decisions.c.journey == rewards.c.journey),
            ).outerjoin(assignments, mine)
        )
        .where(rewards.c.journey == journey)
    )


def _decoded(row: Row[Any]) -> MaturedDecision:
    values = list(row)
    for place in (7, 8, 9):
        values[place] = None if values[place] is None else msgspec.json.decode(values[place])
    return MaturedDecision(*values)
