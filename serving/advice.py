"""The risk of a session, and the advice about it: decided by the scorer, kept in the ledger, then answered."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec
from sqlalchemy import Connection

from decisions.decision import Decision, Reason, Recommendation, Score
from decisions.diagnosis import Blocker
from decisions.eligibility import Reach
from decisions.past import PastIntervention
from decisions.priced import BUDGET_USED_UP
from decisions.rewards import reward_window_seconds
from features.duration import write_duration
from features.events import US_PER_SECOND
from serving.budget import BudgetUsedUp, Taking
from serving.experiments import keep_exposures
from serving.messages import (
    BlockerAnswer,
    EvidenceAnswer,
    ExperimentAnswer,
    RecommendAnswer,
    RecommendationAnswer,
    RecommendRequest,
    ScoreAnswer,
    ScoreRequest,
)
from serving.once import made_decision_id
from serving.persons import assignment_of
from serving.repeated import AlreadyDecided, answer_again, require_first
from serving.runtime import Runtime
from serving.spans import span, tell
from serving.subject import Subject, find_subject
from serving.times import show_time
from storage.assignments import AlreadyAssigned
from storage.ledger import LedgerEntry


async def score(runtime: Runtime, request: ScoreRequest) -> ScoreAnswer:
    """Return how likely the session is to be abandoned; raises ClientError."""
    with span("session read"):
        subject = await find_subject(runtime, request)
    tell(model_version=runtime.model_version)
    return score_subject(runtime, subject)


def score_subject(runtime: Runtime, subject: Subject) -> ScoreAnswer:
    """Return how likely the session is to be abandoned."""
    found = runtime.scorer.score(subject.session, subject.earlier, subject.at_us)
    return ScoreAnswer(
        session_id=found.session_id,
        journey=found.journey,
        stage=found.stage,
        risk=found.risk,
        leaving_soon=found.leaving_soon,
        leaving_soon_within=_written(found.leaving_soon_within_seconds),
        events_seen=found.events_seen,
        model_version=found.model_version,
        scored_at=show_time(found.at_us),
    )


async def recommend(runtime: Runtime, request: RecommendRequest) -> RecommendAnswer:
    """Return what stands in the way and what to do about it, once it is in the ledger; raises ClientError.

    A request that comes again, with the same Idempotency-Key, is answered with the decision of its first attempt.
    """
    with span("session read"):
        subject = await find_subject(runtime, request)
    decision, held_back = None, False
    while decision is None:
        try:
            decision = await _advise(runtime, subject, consent=request.consent, held_back=held_back)
        except BudgetUsedUp:
            held_back = True
        except AlreadyDecided as earlier:
            tell(decision_id=earlier.entry.decision_id)
            then = replace(subject, at_us=max(earlier.entry.at_us, subject.session.first_at_us))
            return answer_again(runtime, earlier.entry, subject.kin, score_subject(runtime, then))
    runtime.metrics.answers.count_decision(decision)
    tell(
        decision_id=decision.decision_id,
        reason=str(decision.reason),
        model_version=decision.score.model_version,
        policy_version=decision.policy_version,
    )
    return describe(decision)


async def _advise(runtime: Runtime, subject: Subject, *, consent: bool, held_back: bool) -> Decision | None:
    """Return a decision, or None where it has to be made anew: somebody else has just drawn the visitor's side.

    Raises :class:`serving.budget.BudgetUsedUp` where others have just spent what it would take, and
    :class:`serving.repeated.AlreadyDecided` where an earlier attempt of the request has been decided upon.
    """
    with span("assignment"):
        assignment, is_kept = await assignment_of(runtime, subject.session)
    decision_id = made_decision_id(runtime.journey.name)
    taking = Taking(runtime.till)

    def deciding(history: Sequence[PastIntervention]) -> Decision:
        return taking.reserve(
            decide(
                runtime,
                subject,
                history,
                consent=consent,
                assignment_id=assignment.assignment_id,
                decision_id=decision_id,
                held_back=held_back,
            )
        )

    def write(connection: Connection, decision: Decision) -> None:
        require_first(connection, runtime, decision_id)
        if not is_kept:
            runtime.assignments.keep(connection, assignment)
        taking.settle(connection, decision)
        keep_decision(connection, runtime, decision)
        keep_exposures(runtime, connection, decision, assignment.assignment_id, len(subject.earlier))

    try:
        # A visitor of the body's own events may be known too, and has then been advised before.
        with taking:
            decision = await runtime.sessions.advise(subject.kin, deciding, write)
    except AlreadyAssigned as overtaken:
        runtime.assignments.learn(overtaken.standing)
        return None
    runtime.assignments.learn(assignment)
    return decision


def decide(
    runtime: Runtime,
    subject: Subject,
    history: Sequence[PastIntervention],
    *,
    consent: bool = False,
    assignment_id: str | None = None,
    reach: Reach | None = None,
    decision_id: str | None = None,
    held_back: bool = False,
) -> Decision:
    """Return the decision about a subject, given what the person was recommended before; keeps nothing.

    ``reach`` says how somebody can be reached whose session is over; the same ``decision_id`` draws the same number.
    ``held_back`` says that the budget is used up, whatever this worker knows.
    """
    scorer = replace(runtime.scorer, why_not=lambda: BUDGET_USED_UP) if held_back else runtime.scorer
    return scorer.recommend(
        subject.session,
        subject.earlier,
        subject.at_us,
        history,
        consent=consent,
        assignment_id=assignment_id,
        reach=reach,
        decision_id=decision_id,
    )


def describe(decision: Decision) -> RecommendAnswer:
    """Return a decision as it is answered."""
    found: Score = decision.score
    return RecommendAnswer(
        session_id=found.session_id,
        journey=found.journey,
        stage=found.stage,
        risk=found.risk,
        leaving_soon=found.leaving_soon,
        leaving_soon_within=_written(found.leaving_soon_within_seconds),
        events_seen=found.events_seen,
        model_version=found.model_version,
        scored_at=show_time(found.at_us),
        decision_id=decision.decision_id,
        blockers=[_blocker(blocker) for blocker in decision.blockers],
        narrative=decision.narrative,
        recommendation=_recommendation(decision.recommendation),
        reason=str(decision.reason),
        holdout=decision.holdout,
        propensity=decision.propensity,
        experiment=ExperimentAnswer(decision.met[-1].experiment, decision.met[-1].variant) if decision.met else None,
    )


def ledger_entry(decision: Decision, decided_at_us: int) -> LedgerEntry:
    """Return a decision as the ledger keeps it."""
    chosen = decision.recommendation
    return LedgerEntry(
        decision_id=decision.decision_id,
        session_id=decision.score.session_id,
        visitor_id=decision.visitor_id,
        at_us=decision.score.at_us,
        decided_at_us=decided_at_us,
        stage=decision.score.stage,
        events_seen=decision.score.events_seen,
        risk=decision.score.risk,
        blockers=msgspec.to_builtins(describe(decision).blockers),
        narrative=decision.narrative,
        eligible=decision.eligible,
        excluded=decision.excluded,
        propensities=decision.propensities,
        chosen=chosen.intervention if chosen else None,
        propensity=decision.propensity,
        expected_uplift=chosen.expected_uplift if chosen else None,
        reason=str(decision.reason),
        holdout=decision.holdout,
        experiment=decision.experiment,
        drawn=decision.drawn,
        policy_version=decision.policy_version,
        model_version=decision.score.model_version,
        variant=decision.variant,
        confidence=decision.confidence,
        withheld=decision.withheld,
    )


def keep_decision(connection: Connection, runtime: Runtime, decision: Decision) -> None:
    """Write a decision into the ledger, and when to look for what came of it."""
    window_seconds = reward_window_seconds(decision.eligible, runtime.journey.interventions)
    looked_us = None
    if decision.reason is not Reason.ENDED:
        # A session without a sign of life after this moment cannot be over sooner.
        seconds = runtime.journey.session_timeout_seconds if window_seconds is None else window_seconds
        looked_us = decision.score.at_us + round((seconds + runtime.configuration.late_seconds) * US_PER_SECOND)
    runtime.ledger.append(connection, ledger_entry(decision, runtime.now_us()), looked_us)


def _written(seconds: float | None) -> str | None:
    return None if seconds is None else write_duration(seconds)


def _blocker(blocker: Blocker) -> BlockerAnswer:
    return BlockerAnswer(
        friction=blocker.friction.name,
        problem_type=str(blocker.friction.problem_type),
        share=blocker.share,
        confidence=blocker.confidence,
        evidence=[EvidenceAnswer(one.feature, one.value, one.phrase, one.contribution) for one in blocker.evidence],
    )


def _recommendation(chosen: Recommendation | None) -> RecommendationAnswer | None:
    if chosen is None:
        return None
    return RecommendationAnswer(
        chosen.intervention, chosen.title, chosen.message, chosen.channel, chosen.expected_uplift, chosen.cost
    )
