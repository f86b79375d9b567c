"""How sessions end, as known when the log ends."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.events import US_PER_SECOND, EncodedLog, FloatArray, IntArray
from features.plan import Plan
from journeys.journey import Journey


@dataclass(frozen=True, slots=True)
class SessionEnds:
    """How each session (S,) ended."""

    outcome: FloatArray
    """1 abandoned, 0 goal or competing end, NaN censored: still open when the log ends."""
    end_us: IntArray
    """When the outcome was known; for silence, the latest event plus the timeout; for censored ones, the log's end."""
    usable: IntArray
    """How many of the session's events come before the first that ends it or gives the end away."""
    left_us: IntArray
    """When an abandoned session gave its last sign of life: its declared end, or the event before the silence."""


def find_ends(plan: Plan, log: EncodedLog, journey: Journey, log_end_us: int) -> SessionEnds:
    """Return how each session ended, as known when the log ends."""
    ends = journey.ends
    outcome = np.full(log.session_count, np.nan)
    end_us = np.full(log.session_count, log_end_us, np.int64)
    abandoned = first_event(plan, log, ends.abandoned)
    finished = first_event(plan, log, (*ends.goal, *ends.competing))
    last = log.starts[1:] - 1
    declared = np.minimum(abandoned, finished)
    has_end = declared <= last
    outcome[has_end] = (abandoned < finished)[has_end]
    end_us[has_end] = log.at_us[declared[has_end]]
    left_us = end_us.copy()
    if ends.silence_abandons:
        silent_us = log.at_us[last] + int(journey.session_timeout_seconds * US_PER_SECOND)
        silent = ~has_end & (silent_us <= log_end_us)
        outcome[silent] = 1.0
        end_us[silent] = silent_us[silent]
        left_us[silent] = log.at_us[last][silent]
    closing = np.minimum(first_event(plan, log, ends.all_names), log.starts[1:])
    return SessionEnds(outcome, end_us, closing - log.starts[:-1], left_us)


def first_event(plan: Plan, log: EncodedLog, names: tuple[str, ...]) -> IntArray:
    """Return the index of each session's first event of these names, (S,); beyond all events where it has none."""
    wanted: NDArray[np.bool_] = np.isin(log.codes, [plan.codes[name] for name in names])
    places = np.append(np.flatnonzero(wanted), log.event_count)
    found = places[np.searchsorted(places, log.starts[:-1])]
    return np.where(found < log.starts[1:], found, log.event_count).astype(np.int64)
