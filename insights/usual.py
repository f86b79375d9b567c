"""What a day's counts usually are, and how surprising a day is: robust limits that one bad day cannot stretch.

A count is compared with what is expected of the day by Anscombe's transform, ``2 (sqrt(x + 3/8) - sqrt(e + 3/8))``,
which has a standard deviation near 1 for Poisson counts of any size. Days of the same kind differ by more than that, so
the spread is the largest of 2 (a visitor's events come together), of five per cent of the expected count, and of 1.4826
times the median absolute residual of the days before, of which there have to be seven. A limit is a quantile of
Student's t with one degree of freedom less than there are days, for a probability that is shared by all that is watched
(Bonferroni).

F. J. Anscombe, Biometrika 35 (1948), 246-254; P. J. Rousseeuw and C. Croux, JASA 88 (1993), 1273-1283.
"""

import numpy as np

from features.events import FloatArray, IntArray

WINDOW_DAYS = 56
"""So many days before a day say what is usual."""
LEAST_DAYS = 7
LEAST_SAME_WEEKDAYS = 2
LEAST_DEVIATION, LEAST_SPREAD = 2.0, 0.05
"""Days differ by so many Poisson deviations, and by so much of their count, even where the history does not show it."""
FALSE_ALARMS_PER_DAY = 1 / 56
"""What chance may raise over all that is watched, one every eight weeks."""
_NORMAL_PER_MAD = 1.4826


def weekday_usual(counts: FloatArray, weekdays: IntArray) -> FloatArray:
    """Return for each day the median of the other days before the last that have its weekday, (C, D).

    The last column is the day to be judged: it is no part of any median, and NaN where fewer than two such days exist.
    For the days before one is enough; that makes them differ more, and limits wider.
    """
    history = len(weekdays) - 1
    usual = np.full(counts.shape, np.nan)
    for day in range(len(weekdays)):
        alike = np.flatnonzero(weekdays[:history] == weekdays[day])
        alike = alike[alike != day]
        if len(alike) >= (LEAST_SAME_WEEKDAYS if day == history else 1):
            usual[:, day] = np.median(counts[:, alike], axis=1)
    return usual


def usual_share(bad: FloatArray, rows: FloatArray) -> FloatArray:
    """Return the median of the daily shares before the last day, (C,); NaN where fewer than seven days have rows."""
    shares = np.full(bad.shape, np.nan)
    np.divide(bad, rows, out=shares, where=rows > 0)
    past = shares[:, :-1]
    known = np.isfinite(past).sum(axis=1) >= LEAST_DAYS
    usual = np.full(len(bad), np.nan)
    usual[known] = np.nanmedian(past[known], axis=1)
    return usual


def spread_of(counts: FloatArray, expected: FloatArray, share: FloatArray | float = 0.0) -> FloatArray:
    """Return the standard deviation of the last day's residual, (C,); NaN where fewer than seven days before tell.

    Of counts that are a usual ``share`` of known rows, the binomial deviation is the least, ``sqrt(1 - share)`` times
    Poisson's.
    """
    residuals = np.abs(residuals_of(counts[:, :-1], expected[:, :-1]))
    told = np.full(len(counts), np.nan)
    known = np.isfinite(residuals).sum(axis=1) >= LEAST_DAYS
    told[known] = _NORMAL_PER_MAD * np.nanmedian(residuals[known], axis=1)
    least = np.maximum(LEAST_DEVIATION * np.sqrt(np.maximum(1 - share, 0.01)), LEAST_SPREAD * np.sqrt(expected[:, -1]))
    return np.asarray(np.maximum(told, least))


def residuals_of(counts: FloatArray, expected: FloatArray) -> FloatArray:
    """Return Anscombe's residuals of counts."""
    return np.asarray(2 * (np.sqrt(counts + 0.375) - np.sqrt(expected + 0.375)))


def limit_of(days: int, watched: int) -> float:
    """Return how many spreads a count may be off, one-sided, with ``days`` of history and so many counts watched."""
    from scipy.stats import t

    return float(t.isf(FALSE_ALARMS_PER_DAY / max(watched, 1), max(days - 1, 3)))


def bounds_of(expected: FloatArray, spread: FloatArray, limit: float) -> tuple[FloatArray, FloatArray]:
    """Return the counts below and above which a residual exceeds the limit."""
    middle, half = np.sqrt(expected + 0.375), limit * spread / 2
    low = np.maximum(np.maximum(middle - half, 0.0) ** 2 - 0.375, 0.0)
    return low, (middle + half) ** 2 - 0.375
