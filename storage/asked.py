"""Decisions in which it was asked what to do about somebody: those an experiment could have been part of."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, and_, func, select

from storage.identity_tables import assignments
from storage.tables import decisions

_ROWS_AT_ONCE = 5_000
_NEVER_ASKED = ("ended", "low_risk", "no_blocker", "not_eligible")


@dataclass(frozen=True, slots=True)
class Asked:
    """One such decision; ``blocker`` is the first that was named."""

    unit: str
    visitor_id: str
    decision_id: str
    session_id: str
    at_us: int
    stage: str | None
    blocker: str | None


def asked_since(connection: Connection, journey: str, since_us: int) -> Iterator[Asked]:
    """Yield the decisions since a moment at which something could be shown, the oldest first.

    Of those who are held out too: they say how people fare of whom nobody takes care.
    """
    mine = and_(assignments.c.journey == decisions.c.journey, assignments.c.visitor_id == decisions.c.visitor_id)
    query = (
        select(
            func.coalesce(assignments.c.assignment_id, decisions.c.visitor_id).label("unit"),
            decisions.c.visitor_id,
            decisions.c.decision_id,
            decisions.c.session_id,
            decisions.c.at_us,
            decisions.c.stage,
            decisions.c.blockers,
        )
        .select_from(decisions.outerjoin(assignments, mine))
        .where(decisions.c.journey == journey, decisions.c.at_us >= since_us, decisions.c.reason.not_in(_NEVER_ASKED))
        .order_by(decisions.c.at_us, decisions.c.decision_id)
    )
    for row in connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query):
        blockers = msgspec.json.decode(row.blockers)
        first = blockers[0]["friction"] if blockers else None
        yield Asked(row.unit, row.visitor_id, row.decision_id, row.session_id, row.at_us, row.stage, first)
