"""An answer that is given again: the decision that an earlier attempt of the same request has put into the ledger."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from serving.errors import ClientError
from serving.messages import BlockerAnswer, ExperimentAnswer, RecommendAnswer, RecommendationAnswer, ScoreAnswer
from serving.runtime import Runtime
from serving.times import show_time
from storage.ledger import LedgerEntry


class AlreadyDecided(Exception):
    """An earlier attempt of the request was decided upon, and ``entry`` is in the ledger."""

    def __init__(self, entry: LedgerEntry) -> None:
        super().__init__("the request was decided upon already")
        self.entry = entry


def require_first(connection: Connection, runtime: Runtime, decision_id: str | None) -> None:
    """Raise :class:`AlreadyDecided` where the ledger, as this transaction sees it, has the request's decision."""
    if decision_id is not None and (entry := runtime.ledger.find(connection, decision_id)) is not None:
        raise AlreadyDecided(entry)


def answer_again(
    runtime: Runtime, entry: LedgerEntry, visitor_ids: Sequence[str], score: ScoreAnswer
) -> RecommendAnswer:
    """Return a decision of the ledger as it was answered; ``score`` is what the session's risk is found to be now.

    What does not stand in the ledger, ``leaving_soon``, is taken from there if the same model says it of the same
    session. Raises ClientError, 422, for a decision about somebody else.
    """
    if entry.visitor_id not in visitor_ids:
        raise ClientError(
            422, "key_reused", "This Idempotency-Key was sent with a request about another visitor.", "Idempotency-Key"
        )
    same = (entry.model_version, entry.session_id) == (score.model_version, score.session_id)
    return RecommendAnswer(
        session_id=entry.session_id,
        journey=runtime.journey.name,
        stage=entry.stage,
        risk=entry.risk,
        leaving_soon=score.leaving_soon if same else None,
        leaving_soon_within=score.leaving_soon_within if same else None,
        events_seen=entry.events_seen,
        model_version=entry.model_version,
        scored_at=show_time(entry.at_us),
        decision_id=entry.decision_id,
        blockers=msgspec.convert(entry.blockers, list[BlockerAnswer]),
        narrative=entry.narrative,
        recommendation=_recommendation(runtime, entry),
        reason=entry.reason,
        holdout=entry.holdout,
        propensity=entry.propensity,
        experiment=ExperimentAnswer(entry.experiment, entry.variant) if entry.experiment and entry.variant else None,
    )


def _recommendation(runtime: Runtime, entry: LedgerEntry) -> RecommendationAnswer | None:
    if entry.chosen is None or entry.expected_uplift is None:
        return None
    # Replicas that are renewed one after the other may not yet, or no longer, declare what another has chosen.
    shown = next((one for one in runtime.journey.interventions if one.name == entry.chosen), None)
    if shown is None:
        return None
    return RecommendationAnswer(
        shown.name, shown.title, shown.message, shown.channel, entry.expected_uplift, shown.cost
    )
