"""Encoded sessions as the rows of the tables that facts consist of."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from features.build import build, every_event, opens_visitor
from features.events import US_PER_SECOND, EncodedLog, FloatArray, IntArray
from features.plan import TREATMENT_CODE, Plan
from features.scan import prop
from features.table import CONTEXT_COLUMNS
from journeys.ends import SessionEnds, find_ends, first_event
from journeys.journey import Journey

_CHUNK_EVENTS = 200_000
_STAMP = pa.timestamp("us", tz="UTC")
_DAY_US = 86_400 * US_PER_SECOND


@dataclass(frozen=True, slots=True)
class SessionBatch:
    """Some sessions (S,) of N events with what the tables say of them; ``first`` is the key of the first session."""

    journey: Journey
    plan: Plan
    log: EncodedLog
    first: int
    ends: SessionEnds
    stage_after: IntArray
    """(N,) the furthest stage after each event, -1 before the first."""
    furthest: IntArray
    """(S,) the furthest stage before the end, -1 before the first."""
    left_us: IntArray
    """(S,) when the session ended, or was last heard of."""
    reached_goal: NDArray[np.bool_]
    """(S,)"""

    @property
    def keys(self) -> IntArray:
        """The keys of the sessions, (S,)."""
        return self.first + np.arange(self.log.session_count)

    @property
    def owner(self) -> IntArray:
        """The place of each event's session, (N,)."""
        return np.repeat(np.arange(self.log.session_count), np.diff(self.log.starts))

    @property
    def place(self) -> IntArray:
        """The number of each event within its session, from 0, (N,)."""
        return np.arange(self.log.event_count) - self.log.starts[self.owner]


def follow(journey: Journey, plan: Plan, log: EncodedLog, first: int, log_end_us: int) -> SessionBatch:
    """Return how far each session of a batch came and how it ended."""
    ends = find_ends(plan, log, journey, log_end_us)
    stage_after = _stages_after(plan, log)
    latest = log.starts[:-1] + np.maximum(ends.usable, 1) - 1
    goal = first_event(plan, log, journey.ends.goal)
    competing = first_event(plan, log, journey.ends.competing)
    left_us = np.where(ends.outcome == 1, ends.left_us, ends.end_us)
    return SessionBatch(
        journey=journey,
        plan=plan,
        log=log,
        first=first,
        ends=ends,
        stage_after=stage_after,
        furthest=np.where(ends.usable > 0, stage_after[latest], -1),
        left_us=np.where(np.isnan(ends.outcome), log.at_us[log.starts[1:] - 1], left_us),
        reached_goal=(ends.outcome == 0) & (goal < competing),
    )


def session_rows(batch: SessionBatch) -> dict[str, pa.Array]:
    """Return the columns of the table of sessions that need no model, (S,) each."""
    log, started_us = batch.log, batch.log.at_us[batch.log.starts[:-1]]
    local_us = started_us + _offset_us(batch.plan, started_us)
    day = local_us // _DAY_US
    abandoned = batch.ends.outcome == 1
    outcome = np.where(np.isnan(batch.ends.outcome), 3, np.where(abandoned, 1, np.where(batch.reached_goal, 0, 2)))
    kinds = np.where(opens_visitor(log), 0, 1)
    return {
        "session": pa.array(batch.keys),
        "session_id": pa.array(log.session_ids, pa.string()),
        "visitor_id": pa.array(log.visitor_ids, pa.string()),
        "user_id": pa.array(log.user_ids, pa.string()),
        "started_at": _stamps(started_us),
        "last_at": _stamps(log.at_us[log.starts[1:] - 1]),
        "local_day": pa.array(day.astype(np.int32)).cast(pa.date32()),
        "local_hour": pa.array((local_us % _DAY_US // (3_600 * US_PER_SECOND)).astype(np.int16)),
        # The first of January 1970 was a Thursday.
        "local_weekday": pa.array(((day + 3) % 7).astype(np.int16)),
        "events": pa.array(np.diff(log.starts)),
        "stage_index": pa.array(batch.furthest.astype(np.int16)),
        "stage": stage_names(batch.journey).take(pa.array(_named(batch, batch.furthest))),
        "outcome": pa.array(["goal", "abandoned", "competing", "open"]).take(pa.array(outcome)),
        "left_at": pa.array(np.where(abandoned, batch.left_us, 0), mask=~abandoned).cast(_STAMP),
        "visitor_kind": pa.array(["new", "returning"]).take(pa.array(kinds)),
        **{name: pa.array(log.context[name], pa.string()) for name in (*CONTEXT_COLUMNS, *batch.journey.cohorts)},
        "value": pa.array(_values(batch), from_pandas=True),
    }


def stage_rows(batch: SessionBatch) -> pa.Table:
    """Return a row for each stage that a session stood in before its end, or skipped on its way."""
    log, owner, place = batch.log, batch.owner, batch.place
    counted = np.flatnonzero(place < batch.ends.usable[owner])
    stage, session = batch.stage_after[counted], owner[counted]
    opens = np.ones(len(counted), np.bool_)
    opens[1:] = (session[1:] != session[:-1]) | (stage[1:] != stage[:-1])
    at = np.flatnonzero(opens)
    own = session[at]
    events = np.diff(np.append(at, len(counted)))
    entered_us = log.at_us[counted[at]]
    is_last = np.append(own[1:] != own[:-1], True) if len(own) else np.zeros(0, np.bool_)
    left_us = np.where(is_last, batch.left_us[own], np.append(entered_us[1:], 0) if len(own) else entered_us)
    before = np.where(np.append(True, own[1:] != own[:-1]), -1, np.append(-1, stage[at][:-1])) if len(own) else own
    skipped = np.maximum(stage[at] - before - 1, 0)
    rows = np.repeat(np.arange(len(at)), skipped + 1)
    # Of the rows of one entry, those before the last are the stages that were skipped.
    back = np.repeat(np.cumsum(skipped + 1), skipped + 1) - 1 - np.arange(len(rows))
    stood = back == 0
    index = stage[at][rows] - back
    exited = stood & is_last[rows] & (batch.ends.outcome[own[rows]] == 1)
    left = np.where(stood, left_us[rows], entered_us[rows])
    return pa.table(
        {
            "session": pa.array(batch.first + own[rows]),
            "stage_index": pa.array(index.astype(np.int16)),
            "stage": stage_names(batch.journey).take(pa.array(_named(batch, index))),
            "entered_at": _stamps(entered_us[rows]),
            "left_at": _stamps(left),
            "dwell_seconds": pa.array((left - entered_us[rows]) / US_PER_SECOND),
            "events": pa.array(np.where(stood, events[rows], 0)),
            "advanced": pa.array(~(is_last[rows] & stood) | batch.reached_goal[own[rows]]),
            "exited": pa.array(exited),
        }
    )


def event_rows(batch: SessionBatch) -> pa.Table:
    """Return a row for each event."""
    log, place = batch.log, batch.place
    gap = np.append(0.0, np.diff(log.at_us) / US_PER_SECOND) if log.event_count else np.zeros(0)
    return pa.table(
        {
            "session": pa.array(batch.first + batch.owner),
            "place": pa.array(place.astype(np.int32)),
            "occurred_at": _stamps(log.at_us),
            "name": event_names(batch, np.arange(log.event_count)),
            "element": pa.array(log.details["element"], pa.string()),
            "stage_index": pa.array(batch.stage_after.astype(np.int16)),
            "gap_seconds": pa.array(gap, mask=place == 0),
        }
    )


def revenue_plan(journey: Journey, plan: Plan) -> Plan:
    """Return the plan with the journey's revenue among what is read off an event; the features stay as they are."""
    if not journey.revenue or prop(journey.revenue) in plan.columns:
        return plan
    return replace(plan, columns=(*plan.columns, prop(journey.revenue)))


def stage_names(journey: Journey) -> pa.Array:
    """Return the stages' names, and null at the last place for "before the first"."""
    return pa.array([*(stage.name for stage in journey.stages), None], pa.string())


def event_names(batch: SessionBatch, events: IntArray) -> pa.Array:
    """Return the names of some events (R,), as they stand in the log."""
    codes = batch.plan.codes
    names: list[str | None] = [None] * (max(codes.values(), default=TREATMENT_CODE) + 1)
    for name, code in codes.items():
        names[code] = name
    own = pa.array(names, pa.string()).take(pa.array(batch.log.codes[events]))
    return pc.coalesce(pa.array(batch.log.details["shared_name"][events], pa.string()), own)


def _named(batch: SessionBatch, stages: IntArray) -> IntArray:
    return np.where(stages < 0, len(batch.journey.stages), stages)


def _stages_after(plan: Plan, log: EncodedLog) -> IntArray:
    """Return the furthest stage after each event (N,); sessions are read a few at a time, as rows are wide."""
    column = plan.feature_names.index("stage_index")
    found = np.empty(log.event_count, np.int64)
    first = 0
    while first < log.session_count:
        wanted = log.starts[first] + _CHUNK_EVENTS
        last = max(first + 1, int(np.searchsorted(log.starts, wanted, side="right")) - 1)
        part = _some_sessions(log, first, last)
        rows: FloatArray = build(plan, part, every_event(part))
        found[log.starts[first] : log.starts[last]] = np.nan_to_num(rows[:, column], nan=-1.0)
        first = last
    return found


def _some_sessions(log: EncodedLog, first: int, last: int) -> EncodedLog:
    begin, end = log.starts[first], log.starts[last]
    return EncodedLog(
        session_ids=log.session_ids[first:last],
        visitor_ids=log.visitor_ids[first:last],
        user_ids=log.user_ids[first:last],
        starts=log.starts[first : last + 1] - begin,
        at_us=log.at_us[begin:end],
        codes=log.codes[begin:end],
        values=log.values[begin:end],
        event_ids=log.event_ids[begin:end],
    )


def _values(batch: SessionBatch) -> FloatArray:
    """Return what each session's goal brought, (S,); NaN without a goal, or where nobody knows."""
    value = np.full(batch.log.session_count, np.nan)
    if batch.journey.revenue:
        goal = first_event(batch.plan, batch.log, batch.journey.ends.goal)
        reached = batch.reached_goal
        column = batch.plan.columns.index(prop(batch.journey.revenue))
        value[reached] = batch.log.values[goal[reached], column]
    return value


def _offset_us(plan: Plan, at_us: IntArray) -> IntArray:
    clock = plan.arrays.clock
    offset: IntArray = clock[np.maximum(np.searchsorted(clock[:, 0], at_us, side="right") - 1, 0), 1]
    return offset


def _stamps(at_us: IntArray) -> pa.Array:
    return pa.array(at_us).cast(_STAMP)
