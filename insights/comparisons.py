"""Whether two groups differ by more than chance, and what many such questions at once make of the answers.

A p-value is how often chance alone would make two groups differ as much as these, or more, did they not differ.
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from statistics import NormalDist

import numpy as np

from insights.intervals import freedom
from insights.sums import Sums

FEWEST_EXPECTED = 5.0
"""With fewer people expected in one of the four cells, a test of shares is exact (Cochran 1954, Biometrics 10)."""


class Correction(StrEnum):
    """How p-values of many comparisons are made larger, so that chance does not fill the list of findings."""

    DISCOVERY = "discovery"
    """Of what is called different, at most the level's share is chance in the mean: Benjamini and Hochberg 1995."""
    EVERY = "every"
    """That chance makes even one of all comparisons look different is as improbable as the level: Holm 1979."""
    NONE = "none"
    """As if there were one comparison."""


def p_of_shares(
    hits: int, count: int, other_hits: int, other_count: int, *, designs: tuple[float, float] = (1.0, 1.0)
) -> float | None:
    """Return the two-sided p-value of two equal shares; None where a group is empty.

    Pearson's chi-squared test without correction, divided by design effects as Rao and Scott 1981 do (JASA 76), and
    Fisher's exact test where it would be far off.
    """
    if count == 0 or other_count == 0:
        return None
    total, both = count + other_count, hits + other_hits
    if both in (0, total):
        return 1.0
    if min(both, total - both) * min(count, other_count) / total < FEWEST_EXPECTED:
        from scipy import stats

        return float(stats.fisher_exact([[hits, count - hits], [other_hits, other_count - other_hits]]).pvalue)
    share = both / total
    error = math.sqrt(share * (1 - share) * (designs[0] / count + designs[1] / other_count))
    return 2 * NormalDist().cdf(-abs(hits / count - other_hits / other_count) / error)


def p_of_means(one: Sums, other: Sums) -> float | None:
    """Return the two-sided p-value of two equal means (Welch 1947, Biometrika 34); None with fewer than two people."""
    if min(one.people, other.people) < 2:
        return None
    error = math.sqrt(one.variance_of_mean + other.variance_of_mean)
    if not error:
        return None
    from scipy import special

    return 2 * float(special.stdtr(freedom(one, other), -abs(one.mean - other.mean) / error))


def adjust(p_values: Sequence[float | None], correction: Correction) -> list[float | None]:
    """Return the p-values as they are after the correction, each in its place; what is None stays None, uncounted.

    Benjamini and Hochberg 1995, Journal of the Royal Statistical Society B 57; Holm 1979, Scandinavian Journal of
    Statistics 6. Adjusted values keep the order of the p-values and are never smaller.
    """
    places = [place for place, p_value in enumerate(p_values) if p_value is not None]
    if correction is Correction.NONE or not places:
        return list(p_values)
    known = np.array([p_values[place] for place in places], np.float64)
    order = np.argsort(known, kind="stable")
    count = len(known)
    if correction is Correction.DISCOVERY:
        raised = known[order] * count / np.arange(1, count + 1)
        ordered = np.minimum.accumulate(raised[::-1])[::-1]
    else:
        ordered = np.maximum.accumulate(known[order] * np.arange(count, 0, -1))
    adjusted: list[float | None] = [None] * len(p_values)
    for place, value in zip(order.tolist(), np.minimum(ordered, 1.0).tolist(), strict=True):
        adjusted[places[place]] = value
    return adjusted
