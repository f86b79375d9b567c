"""The randomised comparison that the ledger holds: visitors who are held out by chance, against all others."""

from sqlalchemy import Engine, and_, case, func, select

from storage.ledger import Outcome
from storage.records import HoldoutCounts
from storage.tables import decisions, outcomes

_BEFORE_THE_HOLDOUT = ("ended", "low_risk", "no_blocker")
"""Reasons that are found before it is asked whether a visitor is held out, so that both sides have them alike."""


def count_holdout(engine: Engine, journey: str) -> HoldoutCounts | None:
    """Return the comparison; None before a decision has come as far as the holdout.

    A visitor counts from the first such decision on, whatever was shown then or later: the sides differ by chance and
    by being held out alone. The goal is reached where one of the visitor's decisions from then on has the outcome
    "converted".
    """
    asked = (
        select(
            decisions.c.visitor_id,
            func.min(decisions.c.at_us).label("first_us"),
            func.max(case((decisions.c.holdout, 1), else_=0)).label("held_out"),
        )
        .where(decisions.c.journey == journey, decisions.c.reason.not_in(_BEFORE_THE_HOLDOUT))
        .group_by(decisions.c.visitor_id)
        .subquery()
    )
    reached = (
        select(asked.c.visitor_id)
        .join(
            decisions,
            and_(
                decisions.c.visitor_id == asked.c.visitor_id,
                decisions.c.journey == journey,
                decisions.c.at_us >= asked.c.first_us,
            ),
        )
        .join(outcomes, outcomes.c.decision_id == decisions.c.decision_id)
        .where(outcomes.c.outcome == Outcome.CONVERTED.value)
        .distinct()
        .subquery()
    )
    query = (
        select(
            asked.c.held_out,
            func.min(asked.c.first_us),
            func.count(),
            func.count(reached.c.visitor_id),
        )
        .select_from(asked.outerjoin(reached, reached.c.visitor_id == asked.c.visitor_id))
        .group_by(asked.c.held_out)
    )
    with engine.connect() as connection:
        sides = {bool(held): (first, people, goals) for held, first, people, goals in connection.execute(query)}
    if not sides:
        return None
    _, visitors, converted = sides.get(False, (0, 0, 0))
    _, held_out, held_out_converted = sides.get(True, (0, 0, 0))
    return HoldoutCounts(
        min(first for first, _, _ in sides.values()), visitors, converted, held_out, held_out_converted
    )
