"""Replay an encoded log through the kernel and read a row at each cutoff."""

import numpy as np
from numpy.typing import NDArray

from features import kernel
from features.events import US_PER_SECOND, Cutoffs, EncodedLog, FloatArray, IntArray
from features.person_histories import PersonHistories
from features.plan import Plan

_SESSIONS_AT_ONCE = 50_000
"""So many sessions are copied at once to be histories."""


def build(plan: Plan, log: EncodedLog, cutoffs: Cutoffs, out: FloatArray | None = None) -> FloatArray:
    """Return the features at each cutoff, (R, F); NaN means "has not happened", categories are raw keys.

    ``out``, where given, is filled and returned: fresh memory costs as much as the features. Raises ValueError for
    cutoffs out of order, outside their session, or before an event that they have seen, and for an ``out`` of another
    shape.
    """
    _check(log, cutoffs)
    shape = (len(cutoffs), len(plan.feature_names))
    rows = np.empty(shape, np.float64) if out is None else out
    if rows.shape != shape:
        raise ValueError(f"out has the shape {rows.shape}; these cutoffs and features need {shape}")
    if len(cutoffs):
        _replay(plan, log, opens_visitor(log), cutoffs, rows)
        if log.histories is not None and len(log.histories):
            entries = log.histories.entry_of(cutoffs.session, cutoffs.at_us)
            _build_persons(plan, log, log.histories, cutoffs, entries, rows)
    return rows


def _build_persons(
    plan: Plan, log: EncodedLog, histories: PersonHistories, cutoffs: Cutoffs, entries: IntArray, rows: FloatArray
) -> None:
    """Replace the rows whose history is not simply the visitor's: each is built on a copy of those it is made of.

    ``entries`` (R,) is the entry that holds for each row; -1 for none.
    """
    wanted = np.flatnonzero(entries >= 0)
    if not len(wanted):
        return
    # One group of sessions for each entry that is used: its members, then the session itself, which alone has rows.
    used, group = np.unique(entries[wanted], return_inverse=True)
    lengths = histories.starts[used + 1] - histories.starts[used] + 1
    first = 0
    while first < len(used):
        last = first + max(1, int(np.searchsorted(np.cumsum(lengths[first:]), _SESSIONS_AT_ONCE)))
        chosen = np.flatnonzero((group >= first) & (group < last))
        part = used[first:last]
        members = [histories.members[histories.starts[entry] : histories.starts[entry + 1]] for entry in part]
        own = histories.session[part]
        sessions = np.concatenate([np.append(them, one) for them, one in zip(members, own, strict=True)])
        ends = np.cumsum(lengths[first:last])
        opens = np.zeros(len(sessions), np.bool_)
        opens[np.append(0, ends[:-1])] = True
        here = wanted[chosen]
        moved = Cutoffs(ends[group[chosen] - first] - 1, cutoffs.after[here], cutoffs.at_us[here])
        order = np.argsort(moved.session, kind="stable")
        out = np.empty((len(here), rows.shape[1]), np.float64)
        _replay(plan, _sessions_of(log, sessions), opens, moved.take(order), out)
        rows[here[order]] = out
        first = last


def _replay(plan: Plan, log: EncodedLog, opens: NDArray[np.bool_], cutoffs: Cutoffs, out: FloatArray) -> None:
    kernel.replay(
        plan.arrays,
        log.at_us,
        log.codes,
        log.values,
        log.starts,
        opens,
        np.searchsorted(cutoffs.session, np.arange(log.session_count + 1)),
        cutoffs.after,
        cutoffs.at_us,
        plan.register_count,
        out,
    )


def _sessions_of(log: EncodedLog, sessions: IntArray) -> EncodedLog:
    """Return a log of these sessions, which may be there several times, in this order."""
    lengths = np.diff(log.starts)[sessions]
    starts = np.concatenate(([0], np.cumsum(lengths)))
    events = np.repeat(log.starts[sessions] - starts[:-1], lengths) + np.arange(starts[-1])
    return EncodedLog(
        session_ids=log.session_ids[sessions],
        visitor_ids=log.visitor_ids[sessions],
        user_ids=log.user_ids[sessions],
        starts=starts,
        at_us=log.at_us[events],
        codes=log.codes[events],
        values=log.values[events],
        event_ids=log.event_ids[events],
    )


def every_event(log: EncodedLog, step: int = 1) -> Cutoffs:
    """Return a cutoff right after every ``step``-th event of each session, at that event's time."""
    if step < 1:
        raise ValueError(f"every_event(..., step={step}) needs a step of at least 1")
    counts = np.diff(log.starts)
    rows_of = counts // step
    session = np.repeat(np.arange(log.session_count), rows_of)
    first_row = np.repeat(np.cumsum(rows_of) - rows_of, rows_of)
    after = (np.arange(len(session)) - first_row + 1) * step
    return Cutoffs(session, after, log.at_us[log.starts[session] + after - 1])


def silent_after(log: EncodedLog, cutoffs: Cutoffs, seconds: float, log_end_us: int) -> Cutoffs:
    """Return cutoffs taken right after an event so long a silence later, where the next event had not come by then."""
    following = log.starts[cutoffs.session] + cutoffs.after
    padded = np.append(log.at_us, log_end_us)
    next_us = np.where(
        following < log.starts[cutoffs.session + 1], padded[np.minimum(following, log.event_count)], log_end_us + 1
    )
    at_us = cutoffs.at_us + int(seconds * US_PER_SECOND)
    silent = at_us < next_us
    return Cutoffs(cutoffs.session[silent], cutoffs.after[silent], at_us[silent])


def opens_visitor(log: EncodedLog) -> NDArray[np.bool_]:
    """Return, for each session, whether it is the first of its visitor in the log, (S,)."""
    opens = np.ones(log.session_count, np.bool_)
    if log.session_count:
        opens[1:] = log.visitor_ids[1:] != log.visitor_ids[:-1]
    return opens


def _check(log: EncodedLog, cutoffs: Cutoffs) -> None:
    if not len(cutoffs):
        return
    session, after, at_us = cutoffs.session, cutoffs.after, cutoffs.at_us
    if session.min() < 0 or session.max() >= log.session_count:
        raise ValueError("a cutoff names a session that the log does not have")
    if (after < 1).any() or (after > np.diff(log.starts)[session]).any():
        raise ValueError("a cutoff counts fewer than one event, or more than its session has")
    if (at_us < log.at_us[log.starts[session] + after - 1]).any():
        raise ValueError("a cutoff lies before the last event that it has seen")
    same = session[1:] == session[:-1]
    ahead = (after[1:] > after[:-1]) | ((after[1:] == after[:-1]) & (at_us[1:] >= at_us[:-1]))
    if ((session[1:] < session[:-1]) | (same & ~ahead)).any():
        raise ValueError("cutoffs must be ordered by session, events seen and time")
