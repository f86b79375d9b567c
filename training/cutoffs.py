"""Cutoffs: the moments of a session at which it is looked at."""

import numpy as np

from features.build import silent_after
from features.events import Cutoffs, EncodedLog, IntArray
from features.plan import Plan

DENSE_EVENTS = 10
"""Every one of the first so many events becomes a training row."""
SPACING = 1.25
"""Beyond them, the next row comes after so many times the events."""


def after_every_event(log: EncodedLog, usable: IntArray) -> Cutoffs:
    """Return a cutoff right after each usable event: what is evaluated."""
    session = np.repeat(np.arange(log.session_count), usable)
    first = np.repeat(np.cumsum(usable) - usable, usable)
    after = np.arange(len(session)) - first + 1
    return Cutoffs(session, after, log.at_us[log.starts[session] + after - 1])


def training_cutoffs(
    plan: Plan, log: EncodedLog, usable: IntArray, idle_ticks_seconds: tuple[float, ...], log_end_us: int
) -> Cutoffs:
    """Return the rows to learn from: early events, stage entries, log-spaced later ones, and silences after them.

    A silence is a row only where the next event had not come by then.
    """
    every = after_every_event(log, usable)
    if not len(every):
        return every
    kept = every.take(_spaced(int(every.after.max()))[every.after] | _enters_stage(plan, log, every))
    return _ordered([kept, *(silent_after(log, kept, tick, log_end_us) for tick in idle_ticks_seconds)])


def _spaced(most: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    chosen = np.zeros(most + 1, np.bool_)
    chosen[: DENSE_EVENTS + 1] = True
    place = float(DENSE_EVENTS)
    while int(place) <= most:
        chosen[int(place)] = True
        place *= SPACING
    return chosen


def _enters_stage(plan: Plan, log: EncodedLog, cutoffs: Cutoffs) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    stages = {
        plan.codes[name]: index + 1 for index, stage in enumerate(plan.table.stages) for name in stage.filter.names
    }
    entered = np.zeros(max([*plan.codes.values(), 0]) + 1, np.int64)
    for code, stage in stages.items():
        entered[code] = stage
    stage_of = entered[log.codes[log.starts[cutoffs.session] + cutoffs.after - 1]]
    # The furthest stage so far, session by session: adding a growing offset keeps one session's from the next.
    offset = cutoffs.session * (len(plan.table.stages) + 1)
    reached = np.maximum.accumulate(stage_of + offset)
    before = np.append(-1, reached[:-1])
    return np.asarray((stage_of > 0) & (reached > np.maximum(before, offset)), np.bool_)


def _ordered(parts: list[Cutoffs]) -> Cutoffs:
    session = np.concatenate([part.session for part in parts])
    after = np.concatenate([part.after for part in parts])
    at_us = np.concatenate([part.at_us for part in parts])
    order = np.lexsort((at_us, after, session))
    return Cutoffs(session[order], after[order], at_us[order])
