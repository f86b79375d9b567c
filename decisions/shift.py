"""How far two distributions or rates lie apart, and how far chance alone would move them."""

import numpy as np
from scipy.special import chdtri, ndtri

from features.events import FloatArray

FALSE_ALARMS = 0.01
"""Probability that chance alone makes any of all comparisons of a run look moved (Bonferroni)."""
_HALF_A_ROW = 0.5
"""Added to a bin on either side, on average, so that an empty one has a logarithm."""


def psi(reference: FloatArray, observed: FloatArray, reference_rows: float, observed_rows: float) -> float:
    """Return the population stability index of two count vectors (B,), sum (q - p) ln(q / p).

    ``reference_rows`` and ``observed_rows`` say as how many independent rows the counts count.
    """
    used = (reference + observed) > 0
    p, q = reference[used] / reference.sum(), observed[used] / observed.sum()
    # Both are drawn to what they have in common: a rare bin that few rows miss is no news.
    common = (p * reference_rows + q * observed_rows) / (reference_rows + observed_rows)
    drawn = _HALF_A_ROW * len(common)
    p = (p * reference_rows + common * drawn) / (reference_rows + drawn)
    q = (q * observed_rows + common * drawn) / (observed_rows + drawn)
    return float(np.sum((q - p) * np.log(q / p)))


def expected_psi(bins: int, reference_rows: float, observed_rows: float) -> float:
    """Return the mean PSI of two samples of one distribution, (bins - 1)(1/n1 + 1/n2) (Yurdakul 2018)."""
    return (bins - 1) * (1 / reference_rows + 1 / observed_rows)


def largest_psi_by_chance(bins: int, reference_rows: float, observed_rows: float, comparisons: int) -> float:
    """Return what the PSI of two samples of one distribution exceeds with probability .01 / ``comparisons``.

    Without a shift, PSI / (1/n1 + 1/n2) is nearly chi-square with bins - 1 degrees of freedom.
    """
    quantile = float(chdtri(max(bins - 1, 1), FALSE_ALARMS / comparisons))
    return quantile * (1 / reference_rows + 1 / observed_rows)


def largest_gap_by_chance(variance: float, reference_rows: float, observed_rows: float, comparisons: int) -> float:
    """Return what the difference of two means exceeds, either way, with probability .01 / ``comparisons``."""
    quantile = -float(ndtri(FALSE_ALARMS / comparisons / 2))
    return quantile * float(np.sqrt(variance * (1 / reference_rows + 1 / observed_rows)))


def occupied(reference: FloatArray, observed: FloatArray) -> int:
    """Return how many bins hold anything on either side."""
    return int(np.count_nonzero(reference + observed))
