"""What is kept about people: told, added to and erased."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass

from features.events import Event, FloatArray
from features.histories import SessionsOf, person_of, rows_as_known
from features.identity import Person
from features.live import LiveSession
from insights.forget import erase_people, find_person, models_of, tidy_up
from serving.errors import ClientError
from serving.messages import (
    ErasureReceipt,
    ExperimentAnswer,
    OutcomeRequest,
    SessionAnswer,
    SessionDecision,
    SessionEndAnswer,
    SessionEvent,
    SessionFollowUp,
    Success,
)
from serving.persons import known_at
from serving.runtime import Runtime
from serving.spans import tell
from serving.subject import unknown_session
from serving.times import show_time
from serving.touched import show_touchpoint, touchpoints_of
from serving.visitor import Placed, Visitor
from storage.history import account
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
    tell(decision_id=request.decision_id, outcome=str(request.outcome))
    runtime.metrics.outcomes.labels(str(request.outcome)).inc()
    return Success()


async def describe_session(runtime: Runtime, session_id: str) -> SessionAnswer:
    """Return a session's events, the risk right after each, and its decisions; raises ClientError, 404."""
    # A long session takes a second, in which others must be answered.
    return await asyncio.to_thread(_tell, runtime, session_id)


def _tell(runtime: Runtime, session_id: str) -> SessionAnswer:
    model = runtime.model
    replayed = replay_session(runtime, session_id)
    visitor_id, events, stages = replayed.visitor_id, replayed.events, replayed.stages
    outcomes: dict[str, list[str]] = {}
    for outcome in runtime.ledger.session_outcomes(session_id):
        outcomes.setdefault(outcome.decision_id, []).append(str(outcome.outcome))
    return SessionAnswer(
        session_id=session_id,
        journey=runtime.journey.name,
        visitor_id=visitor_id,
        user_id=replayed.user_id,
        other_visitors=[one for one in replayed.person.visitors if one != visitor_id],
        stage=stages[-1],
        model_version=model.version,
        events=[
            SessionEvent(
                event.event_id, event.name, show_time(event.occurred_at_us), dict(event.properties), stage, float(risk)
            )
            for event, stage, risk in zip(events, stages, model.predict(replayed.rows), strict=True)
        ],
        decisions=[
            _decision(entry, outcomes.get(entry.decision_id, []))
            for entry in runtime.ledger.session_decisions(session_id)
            if entry.visitor_id == visitor_id
        ],
        end=_end(runtime, session_id),
        touchpoints=[
            show_touchpoint(one)
            for one in touchpoints_of(runtime, replayed.person, visitor_id, replayed.user_id, events[-1].occurred_at_us)
        ],
    )


@dataclass(frozen=True, slots=True)
class ReplayedSession:
    """A session from the log: its events (N,) in order, the rows (N, F) right after each, and the stages then.

    Each row carries what was known of its person at that moment; ``person`` is whose it is as known now.
    """

    visitor_id: str
    person: Person
    events: Sequence[Event]
    rows: FloatArray
    stages: Sequence[str | None]

    @property
    def user_id(self) -> str | None:
        """The latest known user."""
        return next((event.user_id for event in reversed(self.events) if event.user_id), None)


def replay_session(runtime: Runtime, session_id: str) -> ReplayedSession:
    """Return a session as the log has it, for any thread; raises ClientError, 404."""
    # All from the log: memory belongs to the event loop, and holds events that are still on their way.
    visitor_id = runtime.log.visitor_of_session(session_id)
    if visitor_id is None:
        raise unknown_session(session_id)
    visitor, placed = read_visitor(runtime, visitor_id)
    session = visitor.session(session_id)
    if session is None:
        raise unknown_session(session_id)
    events = sorted(
        (one.event for one in placed if one.event.session_id == session_id),
        key=lambda event: (event.occurred_at_us, event.event_id.encode()),
    )
    moments = [(number, event.occurred_at_us) for number, event in enumerate(events, start=1)]
    known = known_at(runtime, runtime.now_us())
    rows = rows_as_known(session, moments, known.book, sessions_in_log(runtime, visitor))
    person = person_of(known, session)
    return ReplayedSession(visitor_id, person, events, rows, [stage_name(runtime, row) for row in rows])


def sessions_in_log(runtime: Runtime, visitor: Visitor) -> SessionsOf:
    """Return what reads the sessions of other visitors of a person from the log, each once; for any thread."""
    visitors = {visitor.visitor_id: visitor}

    def sessions_of(visitor_id: str) -> Sequence[LiveSession]:
        if visitor_id not in visitors:
            visitors[visitor_id] = read_visitor(runtime, visitor_id)[0]
        return visitors[visitor_id].sessions

    return sessions_of


def read_visitor(runtime: Runtime, visitor_id: str) -> tuple[Visitor, Sequence[Placed]]:
    """Return a visitor as the log has it, and its events in the order of their arrival; for any thread."""
    visitor = Visitor(runtime.plan, visitor_id, runtime.timeout_us)
    return visitor, [visitor.place(event) for event in runtime.log.visitor_events(visitor_id)]


async def erase_visitor(
    runtime: Runtime, visitor_id: str, actor: str | None = None, *, person: bool = False
) -> ErasureReceipt:
    """Erase a visitor, or all visitors of a person, wherever something is kept of them, and return how much that was.

    The audit says that ``actor`` did it, or the account of the service.

    The figures of the pages were made of these events too: they go, and are made anew.
    """
    if not visitor_id:
        raise ClientError(422, "invalid_field", "Name the visitor: DELETE /v1/visitors/ID.", "visitor_id")
    meant = await asyncio.to_thread(_meant, runtime, visitor_id, person)
    home = runtime.configuration.home
    models = await asyncio.to_thread(models_of, runtime.erasure, home, meant)
    now_us = runtime.now_us()
    erased = await runtime.commit(
        lambda connection: erase_people(connection, runtime.erasure, runtime.records, meant, actor or account(), now_us)
    )
    for one in meant:
        await runtime.sessions.forget(one)
    runtime.identity.forget()
    runtime.erasures += 1
    await asyncio.to_thread(tidy_up, runtime.engine, home, runtime.journey.name)
    return ErasureReceipt(visitor_id, show_time(now_us), models=list(models), **erased)


def _meant(runtime: Runtime, said: str, person: bool) -> list[str]:
    ids = runtime.privacy.every_id(said)
    return find_person(runtime.identity, ids) if person else list(ids)


def _end(runtime: Runtime, session_id: str) -> SessionEndAnswer | None:
    end = runtime.ends.end_of(session_id)
    if end is None:
        return None
    return SessionEndAnswer(
        outcome=end.outcome,
        stage=end.stage,
        last_at=show_time(end.last_at_us),
        closed_at=show_time(end.closed_us),
        risk=end.risk,
        follow_ups=[
            SessionFollowUp(one.id, one.decision_id, one.channel, one.state, one.attempts)
            for one in runtime.follow_ups.of_session(session_id)
        ],
    )


def stage_name(runtime: Runtime, row: FloatArray) -> str | None:
    """Return the stage of a row (F,); None before the first."""
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
        policy_version=entry.policy_version,
        experiment=ExperimentAnswer(entry.experiment, entry.variant) if entry.experiment and entry.variant else None,
        outcomes=outcomes,
    )
