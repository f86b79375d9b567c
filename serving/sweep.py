"""The sweeper: sessions that have fallen silent are closed, how they ended is kept, and follow-ups are written."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from sqlalchemy import Connection

from features.events import US_PER_SECOND
from serving.advice import keep_decision
from serving.budget import BudgetUsedUp
from serving.closing import Closing, NotClosed, examine
from serving.duty import Duty
from serving.experiments import keep_exposures
from serving.follow_ups import Proposal, propose
from serving.runtime import Runtime
from storage.assignments import AlreadyAssigned
from storage.session_ends import SettledPositions

_EVENTS_PER_TURN = 5_000
_SESSIONS_PER_TURN = 50
_SECONDS_PER_TURN = 0.05
_PAUSE = 4.0
"""After a turn, nothing is done for so many times as long: sweeping takes a fifth of one core at most."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn came to, and whether there is more to do at once."""

    closed: Sequence[tuple[Closing, Proposal | None]]
    reopened: int
    is_behind: bool


async def sweep(duty: Duty) -> None:
    """Note new events and close silent sessions, a little at a time, until cancelled or the duty is another's."""
    runtime = duty.runtime
    settled = SettledPositions(runtime.engine)
    while True:
        began = perf_counter()
        turn = await sweep_once(duty, settled)
        await asyncio.to_thread(_show_waiting, runtime)
        took = perf_counter() - began
        least = 0.0 if turn.is_behind else runtime.configuration.sweep_seconds
        await asyncio.sleep(max(least, _PAUSE * took))


async def sweep_once(duty: Duty, settled: SettledPositions) -> Turn:
    """Do one turn: note what has come, close what is silent. Raises LeaseLost where the duty is another's by now."""
    runtime = duty.runtime
    noted_up_to, behind, reopened = await runtime.commit(lambda connection: _note(duty, settled, connection))
    now_us = runtime.now_us()
    found, more = await asyncio.to_thread(_examine_silent, runtime, now_us)
    examined = [(one, await propose(runtime, one, now_us) if isinstance(one, Closing) else None) for one in found]
    closed: list[tuple[Closing, Proposal | None]] = []
    while examined:
        written, refused = await runtime.commit(partial(_keep, duty, examined))
        closed += written
        # Others have just spent what these would take: they are decided anew as if nothing were left.
        examined = [(one, await propose(runtime, one, now_us, held_back=True)) for one in refused]
    runtime.metrics.sessions_reopened.inc(reopened)
    runtime.metrics.duties.sweep_events_behind.set(behind)
    for closing, proposal in closed:
        runtime.metrics.sessions_closed.labels(closing.end.outcome.value).inc()
        if proposal is not None:
            if not proposal.is_kept:
                runtime.assignments.learn(proposal.assignment)
            runtime.metrics.answers.count_decision(proposal.decision)
            # What is in memory does not know of this decision, which counts against caps and pauses.
            await runtime.sessions.forget(closing.end.visitor_id)
    return Turn(closed, reopened, is_behind=more or noted_up_to)


def _note(duty: Duty, settled: SettledPositions, connection: Connection) -> tuple[bool, int, int]:
    """Return whether there are more events to note, how many positions that is, and how many sessions reopened."""
    after = duty.confirm(connection)
    latest = settled.look(connection)
    ends = duty.runtime.ends
    up_to = ends.next_position(connection, after, latest, _EVENTS_PER_TURN)
    if up_to == after:
        return False, 0, 0
    reopened = ends.note(connection, after, up_to)
    duty.advance(connection, up_to)
    return up_to < latest, latest - up_to, reopened


_Examined = Closing | NotClosed


def _examine_silent(runtime: Runtime, now_us: int) -> tuple[list[_Examined], bool]:
    """Return what silent sessions come to, and whether there may be more of them."""
    began = perf_counter()
    with runtime.engine.connect() as connection:
        silent = runtime.ends.silent(connection, now_us - runtime.timeout_us, _SESSIONS_PER_TURN)
    found: list[_Examined] = []
    for one in silent:
        found.append(examine(runtime, one, now_us))
        if perf_counter() - began > _SECONDS_PER_TURN:
            break
    return found, len(found) < len(silent) or len(silent) == _SESSIONS_PER_TURN


def _keep(
    duty: Duty, examined: Sequence[tuple[_Examined, Proposal | None]], connection: Connection
) -> tuple[list[tuple[Closing, Proposal | None]], list[Closing]]:
    """Write the ends, with the decisions and messages about them; return those that are new.

    Returns also those that are not written, as the budget does not allow what was decided.
    """
    duty.confirm(connection)
    runtime, ends = duty.runtime, duty.runtime.ends
    closed: list[tuple[Closing, Proposal | None]] = []
    refused: list[Closing] = []
    for one, proposed in examined:
        proposal = proposed
        if proposal is not None and proposal.is_overtaken(connection, runtime.ledger):
            # The person has just been nudged elsewhere: the next turn decides with that.
            continue
        if proposal is not None and not proposal.is_kept:
            try:
                runtime.assignments.keep(connection, proposal.assignment)
            except AlreadyAssigned as overtaken:
                # Another process has just drawn for this visitor: the next turn decides by that.
                runtime.assignments.learn(overtaken.standing)
                continue
        if isinstance(one, NotClosed):
            if one.last_at_us is None:
                ends.drop(connection, one.session_id)
            else:
                ends.hold(connection, one.session_id, one.last_at_us)
        elif ends.position_of(connection, one.end.visitor_id) == one.position:
            # After a late event the same end may be found again, and with it the same decision.
            if proposal is not None and runtime.ledger.holds(connection, proposal.decision.decision_id):
                proposal = None
            try:
                if proposal and runtime.till and ends.known_end(connection, one.end.session_id) is None:
                    runtime.till.settle(connection, proposal.decision)
            except BudgetUsedUp:
                refused.append(one)
                continue
            if not ends.close(connection, one.end):
                continue
            if proposal is not None:
                keep_decision(connection, runtime, proposal.decision)
                keep_exposures(
                    runtime, connection, proposal.decision, proposal.assignment.assignment_id, proposal.visits
                )
                if proposal.message is not None:
                    runtime.follow_ups.add(connection, proposal.message)
            closed.append((one, proposal))
    return closed, refused


def _show_waiting(runtime: Runtime) -> None:
    count, longest_us = runtime.ends.waiting()
    overdue_us = 0 if longest_us is None else runtime.now_us() - longest_us - runtime.timeout_us
    runtime.metrics.duties.sessions_waiting.set(count)
    runtime.metrics.duties.sweep_lag_seconds.set(max(0, overdue_us) / US_PER_SECOND)
