"""The randomised comparison that the ledger holds: who is held out by chance, against all others."""

from sqlalchemy import Engine, Select, and_, case, func, select
from sqlalchemy.sql.selectable import Subquery

from storage.crossovers import on_both_sides
from storage.identity_tables import assignments
from storage.ledger import Outcome
from storage.records import HoldoutCounts
from storage.tables import decisions, outcomes

_BEFORE_THE_HOLDOUT = ("ended", "low_risk", "no_blocker")
"""Reasons that are found before it is asked whether a visitor is held out, so that both sides have them alike."""


def count_holdout(engine: Engine, journey: str, *, since_us: int = 0) -> HoldoutCounts | None:
    """Return the comparison of decisions since a moment; None before one has come as far as the holdout.

    Visitors that were drawn together, by one assignment id, count as one, from the first such decision on, whatever was
    shown then or later: the sides differ by chance and by being held out alone. The goal is reached where a decision
    from then on has the outcome "converted". Devices that stood on both sides before it was known that they are one
    user's are counted where they stand, and told as crossovers.
    """
    drawn = _drawn(journey)
    asked = (
        select(
            drawn.c.unit,
            func.min(drawn.c.at_us).label("first_us"),
            func.max(case((drawn.c.holdout, 1), else_=0)).label("held_out"),
        )
        .where(drawn.c.reason.not_in(_BEFORE_THE_HOLDOUT), drawn.c.at_us >= since_us)
        .group_by(drawn.c.unit)
        .subquery()
    )
    # Joined by unit once each: decisions joined with decisions would take the square of their number.
    last_goal = (
        select(drawn.c.unit, func.max(drawn.c.at_us).label("last_us"))
        .join(outcomes, outcomes.c.decision_id == drawn.c.decision_id)
        .where(outcomes.c.outcome == Outcome.CONVERTED.value)
        .group_by(drawn.c.unit)
        .subquery()
    )
    reached = case((last_goal.c.last_us >= asked.c.first_us, 1))
    query = (
        select(asked.c.held_out, func.min(asked.c.first_us), func.count(), func.count(reached))
        .select_from(asked.outerjoin(last_goal, last_goal.c.unit == asked.c.unit))
        .group_by(asked.c.held_out)
    )
    with engine.connect() as connection:
        sides = {bool(held): (first, people, goals) for held, first, people, goals in connection.execute(query)}
        crossovers = connection.execute(_crossovers(journey)).scalar_one()
    if not sides:
        return None
    _, visitors, converted = sides.get(False, (0, 0, 0))
    _, held_out, held_out_converted = sides.get(True, (0, 0, 0))
    first_us = min(first for first, _, _ in sides.values())
    return HoldoutCounts(first_us, visitors, converted, held_out, held_out_converted, crossovers)


def _drawn(journey: str) -> Subquery:
    """Return all decisions with the unit that chance drew: a visitor's assignment id."""
    mine = and_(assignments.c.journey == decisions.c.journey, assignments.c.visitor_id == decisions.c.visitor_id)
    return (
        select(
            func.coalesce(assignments.c.assignment_id, decisions.c.visitor_id).label("unit"),
            decisions.c.decision_id,
            decisions.c.visitor_id,
            decisions.c.at_us,
            decisions.c.holdout,
            decisions.c.reason,
        )
        .select_from(decisions.outerjoin(assignments, mine))
        .where(decisions.c.journey == journey)
        .subquery()
    )


def _crossovers(journey: str) -> Select[int]:
    """Return the query for how many users have visitors on both sides, by the links that hold."""
    drawn = _drawn(journey)
    return on_both_sides(journey, drawn.c.visitor_id, drawn.c.holdout, drawn.c.reason.not_in(_BEFORE_THE_HOLDOUT))
