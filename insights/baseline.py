"""What a rate would be if nothing had changed: level, weekday and hour pattern, trend and how far it strays.

A cell is a stage, or a cohort at a stage. At each step ``entered`` sessions reach the stage, and ``exited`` of them are
abandoned there. The expected exit rate is ``level * weekday * hour * part of the week * trend``. Every factor is shrunk
towards one by what chance alone would make of it (DerSimonian and Laird's moment estimator of the variance between
groups, then empirical Bayes), so a pattern that is not there costs nothing. A cohort starts from its stage's pattern.

Exits stray more than binomially: sessions of one hour share an outage or a newsletter. With an intra-step correlation
``rho`` their variance is ``n p (1 - p) (1 + (n - 1) rho)``, as of a beta-binomial. ``rho`` is measured on residuals
summed over eight hours, so what carries over from step to step is in it.
"""

from dataclasses import dataclass

import numpy as np

from features.events import FloatArray, IntArray
from insights.calendar import Calendar, Step

BLOCK_STEPS = {Step.HOUR: 8, Step.DAY: 2}
"""Steps over which residuals are summed to measure how far rates stray: about what a detection takes."""
_STEEPEST = float(np.log(2))
"""A trend that few sessions seem to have is taken for at most a doubling from day to day."""
_ROUNDS = 3
_WEEKDAYS = 7
_LEAST_RATE, _MOST_RATE = 1e-4, 0.999

BoolArray = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Baseline:
    """The expected exit rates of C cells, learnt from some steps."""

    level: FloatArray
    """(C,) exits per session that reached the stage."""
    weekday: FloatArray
    """(C, 7) factors, Monday first."""
    hour: FloatArray
    """(C, 24) factors."""
    part: FloatArray
    """(C, 48) factors of the hours on working days, then of those at weekends."""
    trend: FloatArray
    """(C,) relative change a day, shrunk."""
    trend_error: FloatArray
    """(C,) its standard error, before it was shrunk."""
    middle_day: FloatArray
    """(C,) the day at which the level holds."""
    rho: FloatArray
    """(C,) correlation of exits within a step."""
    error: FloatArray
    """(C,) relative standard error of the rate of a weekday at the middle day."""
    _trend_spread: FloatArray

    def rates(self, calendar: Calendar, steps: IntArray) -> FloatArray:
        """Return the expected exit rate (C, K) of K steps."""
        raw = self.level[:, None] * _factors(self.weekday, self.hour, self.part, calendar, steps)
        days = calendar.day[steps][None, :] - self.middle_day[:, None]
        return np.clip(raw * np.exp(self.trend[:, None] * days), _LEAST_RATE, _MOST_RATE)

    def errors(self, day: int) -> FloatArray:
        """Return the relative standard error (C,) of the expected rates at a day."""
        away = (day - self.middle_day) * self._trend_spread
        return np.asarray(np.sqrt(self.error**2 + away**2))


def stray(entered: FloatArray, rho: FloatArray) -> FloatArray:
    """Return by how much the variance of exits (C, K) exceeds the binomial's."""
    return np.asarray(1.0 + np.maximum(entered - 1.0, 0.0) * rho[:, None])


def fit_baseline(
    entered: IntArray, exited: IntArray, parent: IntArray, calendar: Calendar, steps: IntArray, usable: BoolArray
) -> Baseline:
    """Return the baseline of C cells from their counts (C, T) at some steps.

    ``parent`` (C,) is the place of the cell's stage, -1 for a stage itself; ``usable`` (C, T) leaves out steps at which
    something else than the usual was going on.
    """
    n = np.where(usable[:, steps], entered[:, steps], 0).astype(np.float64)
    x = np.where(usable[:, steps], exited[:, steps], 0).astype(np.float64)
    days = calendar.day[steps].astype(np.float64)
    level = (x.sum(axis=1) + 0.5) / (n.sum(axis=1) + 1.0)
    patterns = [np.ones((len(n), count)) for count in (_WEEKDAYS, 24, 48)]
    rho = np.zeros(len(n))
    spread, unsure = np.zeros(len(n)), np.zeros((len(patterns), len(n)))
    trend, trend_error, trend_spread = np.zeros(len(n)), np.zeros(len(n)), np.zeros(len(n))
    middle = np.zeros(len(n))
    stages, cohorts = np.flatnonzero(parent < 0), np.flatnonzero(parent >= 0)
    # Stages first: their cohorts start from what was learnt of them.
    for rows in (stages, cohorts):
        if not len(rows):
            continue
        if rows is cohorts:
            patterns = [np.where((parent < 0)[:, None], own, own[parent]) for own in patterns]
        m = n[rows]
        weight = m.sum(axis=1) + 1e-9
        middle[rows] = (m * days).sum(axis=1) / weight
        away = days[None, :] - middle[rows][:, None]
        freedom = np.zeros(len(rows))
        for _ in range(_ROUNDS):
            freedom[:] = 1.0
            for which, groups in enumerate(_groups(calendar, steps)):
                expected = _expected(m, level[rows], [own[rows] for own in patterns], calendar, steps)
                expected *= np.exp(trend[rows][:, None] * away)
                factor, used, left = _shrunk(x[rows], expected, m, groups, patterns[which].shape[1], rho[rows])
                patterns[which][rows] *= factor
                freedom += used
                unsure[which, rows] = left
            expected = _expected(m, level[rows], [own[rows] for own in patterns], calendar, steps)
            slope, slope_error, kept = _slope(x[rows], expected, m, away, rho[rows])
            trend[rows] = np.clip(slope * kept, -_STEEPEST, _STEEPEST)
            trend_error[rows], trend_spread[rows] = slope_error, slope_error * kept
            freedom += kept
            expected *= np.exp(trend[rows][:, None] * away)
            scale = (x[rows].sum(axis=1) + 0.5) / (expected.sum(axis=1) + 0.5)
            level[rows] *= scale
            expected *= scale[:, None]
            own, uncertain = _correlation(x[rows], expected, m, freedom, BLOCK_STEPS[calendar.step])
            rho[rows] = _pooled(own, uncertain, None if rows is stages else rho[parent[rows]])
        # Where few came, a stretch of time may be expected to see more exits than sessions.
        rates = np.minimum(expected / np.maximum(m, 1e-9), 1.0)
        variance = (expected * (1 - rates) * stray(m, rho[rows])).sum(axis=1)
        # What is wrong about a weekday is wrong all day long; what is wrong about hours evens out.
        of_weekday = unsure[0, rows] + (0.0 if rows is stages else unsure[0, parent[rows]])
        spread[rows] = np.sqrt(variance / np.maximum(expected.sum(axis=1), 0.5) ** 2 + of_weekday)
    weekday, hour, part = patterns
    return Baseline(level, weekday, hour, part, trend, trend_error, middle, rho, spread, trend_spread)


def _groups(calendar: Calendar, steps: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    weekday, hour = calendar.weekday[steps], calendar.hour[steps]
    return weekday, hour, hour + 24 * (weekday >= 5)


def _factors(
    weekday: FloatArray, hour: FloatArray, part: FloatArray, calendar: Calendar, steps: IntArray
) -> FloatArray:
    of_weekday, of_hour, of_part = _groups(calendar, steps)
    return np.asarray(weekday[:, of_weekday] * hour[:, of_hour] * part[:, of_part])


def _expected(
    n: FloatArray, level: FloatArray, patterns: list[FloatArray], calendar: Calendar, steps: IntArray
) -> FloatArray:
    rates = level[:, None] * _factors(patterns[0], patterns[1], patterns[2], calendar, steps)
    return np.asarray(n * np.clip(rates, _LEAST_RATE, _MOST_RATE))


def _shrunk(
    x: FloatArray, expected: FloatArray, n: FloatArray, groups: IntArray, count: int, rho: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return a factor (C, G) for each group of steps, shrunk towards 1.

    Also the degrees of freedom (C,) that the factors took, and the mean variance (C,) that is left in them.
    """
    member = np.zeros((len(groups), count))
    member[np.arange(len(groups)), groups] = 1.0
    rates = expected / np.maximum(n, 1e-9)
    observed, due = x @ member, expected @ member
    variance = (expected * (1 - rates) * stray(n, rho)) @ member / np.maximum(due, 1e-9) ** 2
    weight = np.where(due > 0, 1.0 / np.maximum(variance, 1e-12), 0.0)
    present = (due > 0).sum(axis=1)
    total = np.maximum(weight.sum(axis=1), 1e-12)
    ratio = np.where(due > 0, observed / np.maximum(due, 1e-9), 1.0)
    centre = (weight * ratio).sum(axis=1) / total
    heterogeneity = (weight * (ratio - centre[:, None]) ** 2).sum(axis=1)
    scale = np.maximum(total - (weight**2).sum(axis=1) / total, 1e-12)
    between = np.maximum(heterogeneity - (present - 1), 0.0) / scale
    kept = np.where(due > 0, between[:, None] / (between[:, None] + np.maximum(variance, 1e-12)), 0.0)
    factor = 1.0 + kept * (ratio / centre[:, None].clip(1e-6) - 1.0)
    left = np.where(due > 0, kept * variance, 0.0).sum(axis=1) / np.maximum(present, 1)
    return np.maximum(factor, 0.05), kept.sum(axis=1), left


def _slope(
    x: FloatArray, expected: FloatArray, n: FloatArray, away: FloatArray, rho: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the relative change a day (C,), its standard error, and the share of it that is more than chance."""
    rates = expected / np.maximum(n, 1e-9)
    variance = expected * (1 - rates) * stray(n, rho)
    weight = np.where(variance > 0, expected**2 / np.maximum(variance, 1e-12), 0.0)
    ratio = np.where(expected > 0, x / np.maximum(expected, 1e-9), 1.0)
    total = np.maximum(weight.sum(axis=1), 1e-12)
    centre = (weight * ratio).sum(axis=1) / total
    middle = (weight * away).sum(axis=1) / total
    aside = away - middle[:, None]
    spread = np.maximum((weight * aside**2).sum(axis=1), 1e-12)
    slope = (weight * aside * (ratio - centre[:, None])).sum(axis=1) / spread
    error = 1.0 / np.sqrt(spread)
    kept = np.maximum(1.0 - (error / np.maximum(np.abs(slope), 1e-12)) ** 2, 0.0)
    return slope, error, kept


def _correlation(
    x: FloatArray, expected: FloatArray, n: FloatArray, freedom: FloatArray, steps: int
) -> tuple[FloatArray, FloatArray]:
    """Return the moment estimator of the correlation within a step (C,), from residuals of blocks, and its error."""
    blocks = x.shape[1] // steps
    if blocks < 2:
        return np.zeros(len(x)), np.full(len(x), np.inf)
    whole = blocks * steps

    def by_block(values: FloatArray) -> FloatArray:
        return np.asarray(values[:, :whole].reshape(len(values), blocks, steps).sum(axis=2))

    rates = expected / np.maximum(n, 1e-9)
    binomial = by_block(expected * (1 - rates))
    shared = by_block(expected * (1 - rates) * np.maximum(n - 1.0, 0.0))
    squares = by_block(x - expected) ** 2
    # Dividing by the binomial variance lets quiet nights count as much as busy evenings.
    heard = binomial > 0
    inverse = np.where(heard, 1.0 / np.maximum(binomial, 1e-9), 0.0)
    used = heard.sum(axis=1)
    left = np.maximum(used - np.minimum(freedom, used / 2), 1.0)
    chi_square = (squares * inverse).sum(axis=1) * used / left
    weight = np.maximum((shared * inverse).sum(axis=1), 1e-9)
    # A block's squared residual has the variance 2 in units of its own.
    error = np.sqrt(2.0 * np.maximum(used, 1)) * np.maximum(chi_square / np.maximum(used, 1), 1.0) / weight
    return np.asarray((chi_square - used) / weight), np.asarray(error)


def _pooled(own: FloatArray, error: FloatArray, prior: FloatArray | None) -> FloatArray:
    """Return correlations (C,) drawn towards each other, or towards ``prior``, and a standard error above that.

    Hours stray for reasons that stages share, and large stages measure it best. Taken too small, a correlation raises
    false alarms; taken too large, it costs little where many sessions pass.
    """
    weight = 1.0 / np.maximum(error, 1e-12) ** 2
    centre = np.full(len(own), (weight * own).sum() / weight.sum()) if prior is None else prior
    freedom = len(own) - (prior is None)
    scale = weight.sum() - (weight**2).sum() / weight.sum() if prior is None else weight.sum()
    between = max(float((weight * (own - centre) ** 2).sum()) - freedom, 0.0) / max(float(scale), 1e-12)
    kept = between / (between + error**2)
    spread = kept * error**2 + (1 - kept) ** 2 / weight.sum() * (prior is None)
    return np.asarray(np.clip(centre + kept * (own - centre) + np.sqrt(spread), 0.0, 0.5))
