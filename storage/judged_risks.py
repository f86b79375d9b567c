"""Risks that decisions were made by, session by session, for whoever compares them with what came of the sessions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from storage.tables import decisions


@dataclass(frozen=True, slots=True)
class DecidedRisk:
    """The risk that a decision was made by, whose model said it, when, and whether something was recommended."""

    decision_id: str
    at_us: int
    risk: float
    model_version: str
    shown: bool


def decided_risks(connection: Connection, journey: str, session_ids: Iterable[str]) -> Mapping[str, list[DecidedRisk]]:
    """Return the risks of all decisions of sessions, by session; none of one that had ended before it was asked for."""
    query = select(
        decisions.c.session_id,
        decisions.c.decision_id,
        decisions.c.at_us,
        decisions.c.risk,
        decisions.c.model_version,
        decisions.c.chosen.is_not(None),
    ).where(
        decisions.c.journey == journey,
        decisions.c.session_id.in_(list(session_ids)),
        # As decisions.decision.Reason.ENDED, of which this layer does not know.
        decisions.c.reason != "ended",
    )
    found: dict[str, list[DecidedRisk]] = {}
    for session_id, decision_id, at_us, risk, version, shown in connection.execute(query):
        found.setdefault(session_id, []).append(DecidedRisk(decision_id, at_us, risk, version, bool(shown)))
    return found
