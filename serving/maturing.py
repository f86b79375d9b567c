"""Rewards: once nothing can change any more, what came of a decision is written down, exactly once.

A decision is looked at when its time is over (``decisions.rewards``), whatever has come of it: were goals written down
at once, and their absence later, those who learn would always see too many goals.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter

from sqlalchemy import Connection

from decisions.rewards import goal_value, reward_window_seconds
from features.events import US_PER_SECOND
from serving.calibration_metrics import JudgedRisk
from serving.duty import Duty
from serving.judging import judge
from serving.persons import known_at
from serving.runtime import Runtime
from storage.due_decisions import DueDecision, ReachedGoal
from storage.ledger import Outcome, RecordedOutcome
from storage.reward_store import Reward

_DECISIONS_PER_TURN = 200
_SECONDS_PER_TURN = 0.05
_PAUSE = 4.0
"""After a turn, nothing is done for so many times as long: maturing takes a fifth of one core at most."""
_ELSEWHERE_SECONDS = 86_400.0
"""Of sessions that are not kept here, what is reported within a day counts."""
_SHOWN_EVERY_SECONDS = 10.0


@dataclass
class Looked:
    """What a look at decisions came to: rewards, and for the others the moment of the next look, None for never.

    ``judged`` are the risks of those that were rewarded, as far as the ends of their sessions are known.
    """

    rewards: list[Reward] = field(default_factory=list)
    judged: list[JudgedRisk] = field(default_factory=list)
    postponed: dict[str, int | None] = field(default_factory=dict)
    is_behind: bool = False


async def mature(duty: Duty) -> None:
    """Look for what came of decisions, a little at a time, until cancelled or the duty is another's."""
    runtime = duty.runtime
    shown = float("-inf")
    while True:
        began = perf_counter()
        looked = await mature_once(duty)
        # Whoever is behind has to show it, too.
        if began - shown > _SHOWN_EVERY_SECONDS:
            await asyncio.to_thread(_show_waiting, runtime)
            shown = began
        least = 0.0 if looked.is_behind else runtime.configuration.reward_seconds
        await asyncio.sleep(max(least, _PAUSE * (perf_counter() - began)))


async def mature_once(duty: Duty) -> Looked:
    """Do one turn. Raises LeaseLost where the duty is another's by now; what is not committed is looked at again."""
    runtime = duty.runtime
    looked = await asyncio.to_thread(look, runtime, runtime.now_us())
    if looked.rewards or looked.postponed:

        def keep(connection: Connection) -> int:
            duty.confirm(connection)
            runtime.due.postpone(connection, looked.postponed)
            return runtime.due.reward(connection, looked.rewards)

        await runtime.commit(keep)
        came = Counter("converted" if one.converted else "not_converted" for one in looked.rewards)
        came["unknown"] = sum(until_us is None for until_us in looked.postponed.values())
        for what, count in came.items():
            runtime.metrics.rewards.labels(what).inc(count)
        for one in looked.judged:
            runtime.metrics.calibration.judge(one)
    return looked


def look(runtime: Runtime, now_us: int) -> Looked:
    """Return what came of decisions that are due; for any thread, writes nothing."""
    began = perf_counter()
    looked = Looked()
    with runtime.engine.connect() as connection:
        due = runtime.due.due(connection, now_us, _DECISIONS_PER_TURN)
        windows = [_window_us(runtime, one) for one in due]
        looks = [
            # The decisions of a session become known together.
            *(partial(_look_at_session, session_id) for session_id in _sessions(due, windows)),
            *(partial(_look_at_person, one, us) for one, us in zip(due, windows, strict=True) if us is not None),
        ]
        for done, look_at in enumerate(looks, start=1):
            look_at(runtime, connection, now_us, looked)
            if perf_counter() - began > _SECONDS_PER_TURN:
                looked.is_behind = done < len(looks)
                break
        looked.is_behind |= len(due) == _DECISIONS_PER_TURN
        rewarded = {one.decision_id for one in looked.rewards}
        sessions = {one.session_id for one in due}
        looked.judged = list(judge(runtime, connection, rewarded, sessions, now_us)) if rewarded else []
    return looked


def _sessions(due: Sequence[DueDecision], windows: Sequence[int | None]) -> list[str]:
    return list(dict.fromkeys(one.session_id for one, us in zip(due, windows, strict=True) if us is None))


def _look_at_session(session_id: str, runtime: Runtime, connection: Connection, now_us: int, looked: Looked) -> None:
    """Look at a session's decisions that count until it has ended."""
    waiting = runtime.due.of_session(connection, session_id)
    mine = [one for one in waiting if _window_us(runtime, one) is None]
    end = runtime.ends.known_end(connection, session_id)
    if end is None:
        last_at_us = runtime.due.last_event_us(connection, session_id)
        if last_at_us is None and runtime.due.first_event_us(connection, session_id) is None:
            _look_elsewhere(mine, runtime, connection, now_us, looked)
            return
        until_us = (now_us if last_at_us is None else last_at_us) + runtime.timeout_us + _late_us(runtime)
        looked.postponed |= dict.fromkeys((one.decision_id for one in mine), max(until_us, now_us + US_PER_SECOND))
        return
    if end.closed_us + _late_us(runtime) > now_us:
        looked.postponed |= dict.fromkeys((one.decision_id for one in mine), end.closed_us + _late_us(runtime))
        return
    goals = runtime.due.goals_of_session(connection, session_id, runtime.goals)
    reported = runtime.due.outcomes(connection, [one.decision_id for one in mine])
    for one in mine:
        reached = [goal for goal in goals if goal.at_us >= one.at_us]
        looked.rewards.append(_reward(runtime, one, reached, reported.get(one.decision_id, []), now_us))


def _look_elsewhere(
    mine: Sequence[DueDecision], runtime: Runtime, connection: Connection, now_us: int, looked: Looked
) -> None:
    """Look at decisions about a session that is not kept here: somebody has to say what came of them.

    Where nobody says anything it stays unknown, which is not the same as no goal.
    """
    reported = runtime.due.outcomes(connection, [one.decision_id for one in mine])
    for one in mine:
        until_us = one.at_us + round(_ELSEWHERE_SECONDS * US_PER_SECOND) + _late_us(runtime)
        said = reported.get(one.decision_id)
        if until_us > now_us:
            looked.postponed[one.decision_id] = until_us
        elif said is None:
            looked.postponed[one.decision_id] = None
        else:
            looked.rewards.append(_reward(runtime, one, [], said, now_us))


def _look_at_person(
    one: DueDecision, window_us: int, runtime: Runtime, connection: Connection, now_us: int, looked: Looked
) -> None:
    """Look at a decision that counts for a while, in whatever session of the person."""
    over_us = one.at_us + window_us
    if over_us + _late_us(runtime) > now_us:
        looked.postponed[one.decision_id] = over_us + _late_us(runtime)
        return
    known = known_at(runtime, now_us)
    first_us = runtime.due.first_event_us(connection, one.session_id)
    person = known.person(known.owner(one.visitor_id, one.session_id, one.at_us if first_us is None else first_us))
    visitors = {one.visitor_id, *person.visitors}
    goals = [
        goal
        for goal in runtime.due.goals_of_visitors(connection, visitors, runtime.goals, one.at_us, over_us)
        # A device may have more than one user.
        if goal.session_id == one.session_id or person.has(known.owner(goal.visitor_id, goal.session_id, goal.at_us))
    ]
    reported = runtime.due.outcomes(connection, [one.decision_id]).get(one.decision_id, [])
    in_time = [said for said in reported if said.at_us <= over_us]
    looked.rewards.append(_reward(runtime, one, goals, in_time, now_us))


def _reward(
    runtime: Runtime,
    one: DueDecision,
    goals: Sequence[ReachedGoal],
    reported: Sequence[RecordedOutcome],
    now_us: int,
) -> Reward:
    """Return what came of a decision; what was reported of it goes before what the goal's event says it brought."""
    said = [outcome.value for outcome in reported if outcome.outcome is Outcome.CONVERTED]
    told = [goal_value(goal.properties, runtime.journey.revenue) for goal in goals]
    value = next((value for value in (*said, *told) if value is not None), None)
    return Reward(one.decision_id, one.visitor_id, bool(said or goals), value, now_us)


def _window_us(runtime: Runtime, one: DueDecision) -> int | None:
    seconds = reward_window_seconds(one.eligible, runtime.journey.interventions)
    return None if seconds is None else round(seconds * US_PER_SECOND)


def _late_us(runtime: Runtime) -> int:
    return round(runtime.configuration.late_seconds * US_PER_SECOND)


def _show_waiting(runtime: Runtime) -> None:
    with runtime.engine.connect() as connection:
        waiting = runtime.due.waiting(connection)
    shown, now_us = runtime.metrics.duties, runtime.now_us()
    shown.decisions_waiting.set(waiting.decisions)
    shown.oldest_waiting_seconds.set(_seconds_since(waiting.oldest_us, now_us))
    shown.ledger_lag_seconds.set(_seconds_since(waiting.due_us, now_us))


def _seconds_since(moment_us: int | None, now_us: int) -> float:
    return 0.0 if moment_us is None else max(0, now_us - moment_us) / US_PER_SECOND
