"""What is kept about people: told, added to and erased."""

import math
from collections.abc import Sequence

from sqlalchemy import Connection

from features.encode import encode_event
from features.events import Event, FloatArray
from features.live import LiveSession
from serving.errors import ClientError
from serving.messages import (
    ErasureReceipt,
    OutcomeRequest,
    SessionAnswer,
    SessionDecision,
    SessionEvent,
    Success,
)
from serving.runtime import Runtime
from serving.subject import find_session
from serving.times import show_time
from storage.ledger import LedgerEntry, RecordedOutcome

_STAGE_FEATURE = "stage_index"


async def record_outcome(runtime: Runtime, request: OutcomeRequest) -> Success:
    """Keep what became of a decision; raises ClientError, 404, for an unknown decision."""
    if request.value is not None and not math.isfinite(request.value):
        raise ClientError(422, "invalid_field", "A value is a finite number.", "value")
    outcome = RecordedOutcome(request.decision_id, request.outcome, runtime.now_us(), request.value)
    if not await runtime.commit(lambda connection: runtime.ledger.record_outcome(connection, outcome)):
        raise ClientError(
            404, "unknown_decision", f"No decision {request.decision_id[:80]!r} is in the ledger.", "decision_id"
        )
    runtime.metrics.outcomes.labels(str(request.outcome)).inc()
    return Success()


def describe_session(runtime: Runtime, session_id: str) -> SessionAnswer:
    """Return a session's events, the risk right after each, and its decisions; raises ClientError, 404."""
    visitor, session = find_session(runtime, session_id)
    events = [event for event in runtime.log.session_events(session_id) if event.visitor_id == visitor.visitor_id]
    rows = _rows_after(runtime, events, visitor.others(session))
    risks = runtime.model.predict(rows)
    stages = [_stage_name(runtime, row) for row in rows]
    outcomes: dict[str, list[str]] = {}
    for outcome in runtime.ledger.session_outcomes(session_id):
        outcomes.setdefault(outcome.decision_id, []).append(str(outcome.outcome))
    return SessionAnswer(
        session_id=session_id,
        journey=runtime.journey.name,
        visitor_id=visitor.visitor_id,
        user_id=next((event.user_id for event in reversed(events) if event.user_id), None),
        stage=stages[-1] if stages else None,
        model_version=runtime.model_version,
        events=[
            SessionEvent(
                event.event_id, event.name, show_time(event.occurred_at_us), dict(event.properties), stage, float(risk)
            )
            for event, stage, risk in zip(events, stages, risks, strict=True)
        ],
        decisions=[
            _decision(entry, outcomes.get(entry.decision_id, []))
            for entry in runtime.ledger.session_decisions(session_id)
            if entry.visitor_id == visitor.visitor_id
        ],
    )


async def erase_visitor(runtime: Runtime, visitor_id: str) -> ErasureReceipt:
    """Erase a visitor from memory, log, ledger and quarantine, and return how much that was."""
    if not visitor_id:
        raise ClientError(422, "invalid_field", "Name the visitor: DELETE /v1/visitors/ID.", "visitor_id")
    sessions = len(runtime.sessions.visitor(visitor_id).session_ids)

    def erase(connection: Connection) -> dict[str, int]:
        return runtime.log.erase_visitor(connection, visitor_id) | runtime.ledger.erase_visitor(connection, visitor_id)

    erased = await runtime.commit(erase)
    runtime.sessions.forget(visitor_id)
    return ErasureReceipt(visitor_id, show_time(runtime.now_us()), sessions=sessions, **erased)


def _rows_after(runtime: Runtime, events: Sequence[Event], earlier: Sequence[LiveSession]) -> FloatArray:
    # Built from the log: memory may hold events already that are still on their way into it.
    session = LiveSession(runtime.plan, events[0].session_id or "", events[0].visitor_id)
    for event in events:
        session.append(encode_event(runtime.plan, event))
    return session.rows([(number + 1, event.occurred_at_us) for number, event in enumerate(events)], earlier)


def _stage_name(runtime: Runtime, row: FloatArray) -> str | None:
    index = row[runtime.plan.feature_names.index(_STAGE_FEATURE)]
    return None if math.isnan(index) else runtime.journey.stages[int(index)].name


def _decision(entry: LedgerEntry, outcomes: list[str]) -> SessionDecision:
    return SessionDecision(
        decision_id=entry.decision_id,
        at=show_time(entry.at_us),
        stage=entry.stage,
        risk=entry.risk,
        chosen=entry.chosen,
        reason=entry.reason,
        propensity=entry.propensity,
        holdout=entry.holdout,
        narrative=entry.narrative,
        model_version=entry.model_version,
        outcomes=outcomes,
    )
