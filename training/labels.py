"""Labels of cutoffs. ``label``, and ``label_leaving`` of ``journeys.ends``, alone may look past a cutoff."""

import numpy as np

from features.events import US_PER_SECOND, Cutoffs, EncodedLog, FloatArray
from journeys.ends import MATURE_SHARE, SessionEnds, time_to_end_us


def label(ends: SessionEnds, cutoffs: Cutoffs, horizon_seconds: float | None, log_end_us: int) -> FloatArray:
    """Return the label of each cutoff (R,): 1 abandoned, 0 not, NaN censored.

    With a horizon, 1 means abandoned within so many seconds after the cutoff.
    """
    outcome = ends.outcome[cutoffs.session]
    if horizon_seconds is None:
        return outcome
    until_us = cutoffs.at_us + int(horizon_seconds * US_PER_SECOND)
    within = (outcome == 1) & (ends.end_us[cutoffs.session] <= until_us)
    unknown = np.isnan(outcome) & (until_us > log_end_us)
    labels: FloatArray = np.where(unknown, np.nan, within.astype(np.float64))
    return labels


def matured_until(log: EncodedLog, ends: SessionEnds, known_us: int) -> int:
    """Return until when a session must have begun (microseconds) for its end to be known by ``known_us``.

    Later ones are left out even where their end is known: of those, the ones that end quickly would count alone, and
    a goal is known at once, but silence only when the timeout has passed.
    """
    lasted_us = time_to_end_us(log, ends)
    return known_us - int(np.quantile(lasted_us, MATURE_SHARE)) if len(lasted_us) else known_us


def settled_until(log: EncodedLog, ends: SessionEnds, known_us: int) -> int:
    """Return until when a session must have begun to have matured by ``known_us``; any time where silence ends none."""
    if not ((ends.outcome == 1) & (ends.end_us > ends.left_us)).any():
        return int(np.iinfo(np.int64).max)
    return matured_until(log, ends, known_us)
