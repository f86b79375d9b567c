"""Intervals of means over persons by empirical likelihood: few and large weights are not symmetric about their mean.

Owen 1990, Annals of Statistics 18, equation 2.2: mu is in the interval where -2 log of the largest likelihood of
weights on the persons, under which mu is the mean, is below the quantile; of F(1, n - 1) here, which is wider for few
persons (Owen 2001, Empirical Likelihood, section 3.3).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from features.events import FloatArray, IntArray

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the ends of its interval, and its standard error."""

    value: float
    low: float
    high: float
    error: float


def mean_interval(values: FloatArray, units: IntArray, level: float = LEVEL) -> Interval:
    """Return the mean of values (N,) with its interval; values of one unit are taken together.

    The mean of all decisions is a ratio where units have different numbers of them: sum Y / sum n, so that mu solves
    sum (Y - mu n) = 0.
    """
    from scipy.special import fdtri

    mean = float(values.mean())
    places = np.unique(units, return_inverse=True)[1]
    sums, counts = np.bincount(places, weights=values), np.bincount(places).astype(np.float64)
    number = len(sums)
    if number < 2:
        return Interval(mean, -math.inf, math.inf, math.inf)
    apart = sums - mean * counts
    error = math.sqrt(float((apart**2).sum()) * number / (number - 1)) / len(values)
    if error <= 1e-12 * max(1.0, abs(mean)):
        return Interval(mean, mean, mean, 0.0)
    beyond = float(fdtri(1, number - 1, level))

    def excess(mu: float) -> float:
        return _ratio(sums - mu * counts) - beyond

    ratios = sums / counts
    low = _end(excess, mean, -error, float(ratios.min()))
    high = _end(excess, mean, error, float(ratios.max()))
    return Interval(mean, low, high, error)


def _end(excess: Callable[[float], float], mean: float, step: float, hull: float) -> float:
    """Return where the excess crosses zero from the mean in the direction of ``step``; before the hull's end."""
    from scipy.optimize import brentq

    inside, outside = mean, mean + 2.0 * step
    while (beyond_hull := (outside - hull) * step >= 0) or excess(outside) < 0:
        if beyond_hull:
            outside = (inside + hull) / 2
            if abs(hull - outside) <= 1e-9 * abs(step):
                return hull
        else:
            inside, outside = outside, outside + (outside - mean)
    return float(brentq(excess, inside, outside, xtol=1e-6 * abs(step)))


def _ratio(apart: FloatArray) -> float:
    """Return 2 sum log(1 + l g), with l such that sum g / (1 + l g) = 0; infinite where all g have one sign."""
    least, most = float(apart.min()), float(apart.max())
    if least >= 0 or most <= 0:
        return math.inf
    # Every weight 1 / (n (1 + l g)) is at most 1.
    share = 1.0 - 1.0 / len(apart)
    low, high = -share / most, -share / least
    found = min(max(float(apart.sum() / (apart**2).sum()), low), high)
    for _ in range(100):
        terms = apart / (1.0 + found * apart)
        slope, value = -float((terms**2).sum()), float(terms.sum())
        low, high = (found, high) if value > 0 else (low, found)
        step = found - value / slope
        moved = step if low < step < high else (low + high) / 2
        if abs(moved - found) <= 1e-10 * abs(moved):
            break
        found = moved
    return 2.0 * float(np.log1p(found * apart).sum())
