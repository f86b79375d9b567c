"""How sessions end, as known when the log ends."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.events import US_PER_SECOND, Cutoffs, EncodedLog, FloatArray, IntArray
from features.plan import Plan
from journeys.journey import Journey
from storage.session_ends import SessionOutcome

MATURE_SHARE = 0.95
"""A session is matured when it began so long ago that this share of the sessions had ended by then."""


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


def name_outcomes(plan: Plan, log: EncodedLog, journey: Journey, ends: SessionEnds) -> list[SessionOutcome]:
    """Return each session's outcome by its name, which tells the goal from a competing end."""
    goal, competing = (first_event(plan, log, names) for names in (journey.ends.goal, journey.ends.competing))
    names = []
    for outcome, is_goal in zip(ends.outcome, goal < competing, strict=True):
        if np.isnan(outcome):
            names.append(SessionOutcome.CENSORED)
        elif outcome == 1:
            names.append(SessionOutcome.ABANDONED)
        else:
            names.append(SessionOutcome.GOAL if is_goal else SessionOutcome.COMPETING)
    return names


def time_to_end_us(log: EncodedLog, ends: SessionEnds) -> IntArray:
    """Return how long it took from a session's first event until its end was known, for those whose end is known."""
    known = ~np.isnan(ends.outcome)
    lasted_us: IntArray = ends.end_us[known] - log.at_us[log.starts[:-1]][known]
    return lasted_us


def first_event(plan: Plan, log: EncodedLog, names: tuple[str, ...]) -> IntArray:
    """Return the index of each session's first event of these names, (S,); beyond all events where it has none."""
    wanted: NDArray[np.bool_] = np.isin(log.codes, [plan.codes[name] for name in names])
    places = np.append(np.flatnonzero(wanted), log.event_count)
    found = places[np.searchsorted(places, log.starts[:-1])]
    return np.where(found < log.starts[1:], found, log.event_count).astype(np.int64)


def label_leaving(
    ends: SessionEnds, cutoffs: Cutoffs, within_seconds: float, silence_seconds: float, known_until_us: int
) -> FloatArray:
    """Return whether the visitor acts for the last time by ``within_seconds`` after each cutoff, and abandons (R,).

    1 where they do; 0 where they act later, or reach the goal or a competing end at any time; NaN where nobody could
    know at ``known_until_us``: ``silence_seconds`` of silence have to pass before an exit counts as one (0 where only
    declared ends do). Whether a row is known depends on its moment alone, never on what happened, so leaving out the
    rest favours no outcome.
    """
    until_us = cutoffs.at_us + int(within_seconds * US_PER_SECOND)
    known = until_us + int(silence_seconds * US_PER_SECOND) <= known_until_us
    left = (ends.outcome[cutoffs.session] == 1) & (ends.left_us[cutoffs.session] <= until_us)
    labels: FloatArray = np.where(known, left.astype(np.float64), np.nan)
    return labels


def silence_seconds(journey: Journey) -> float:
    """Return how long a silence has to last before an exit is known."""
    return journey.session_timeout_seconds if journey.ends.silence_abandons else 0.0
