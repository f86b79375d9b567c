"""Intervals of counted figures: shares, their differences and ratios, medians, means, and expected numbers of people.

All are two-sided and by default at 95 %. Each takes counts or sums, which a query returns, not rows. Nothing can be
said of nobody: where there is no estimate, such as a share of none, the answer is None.

Sessions of one person are alike, so that a hundred sessions of fifty people say less than those of a hundred. A
``design`` effect (Kish 1965, Survey Sampling, section 8.2) is how many times as many sessions it takes to know as much
as from independent ones; ``insights.sums`` measures it. Where it is 1 the formulas are those of the papers.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

from insights.sums import Sums

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with the ends of its interval, ``low <= value <= high``."""

    value: float
    low: float
    high: float


def estimate_share(hits: int, count: int, level: float = LEVEL, *, design: float = 1.0) -> Estimate | None:
    """Return the share of ``hits`` among ``count`` with Wilson's score interval.

    Wilson 1927, Probable inference, JASA 22, page 209; recommended by Brown, Cai and DasGupta 2001. A design effect
    divides the count (Dean and Pagano 2015, Journal of Survey Statistics and Methodology 3).
    """
    _require_part(hits, count)
    if count == 0:
        return None
    share, known = hits / count, count / design
    z_squared = normal_quantile(level) ** 2
    middle = (share + z_squared / (2 * known)) / (1 + z_squared / known)
    variance = share * (1 - share) / known + z_squared / (4 * known**2)
    half = math.sqrt(z_squared * variance) / (1 + z_squared / known)
    # At no hit, and at nothing but hits, the interval ends exactly there; rounding would miss it.
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    high = 1.0 if hits == count else min(1.0, middle + half)
    return Estimate(share, low, high)


def estimate_difference(
    hits: int,
    count: int,
    other_hits: int,
    other_count: int,
    level: float = LEVEL,
    *,
    designs: tuple[float, float] = (1.0, 1.0),
) -> Estimate | None:
    """Return the share of the first minus that of the other, with Newcombe's hybrid score interval.

    Newcombe 1998, Interval estimation for the difference between independent proportions, Statistics in Medicine 17,
    method 10: what Wilson's intervals leave on either side, added as squares do.
    """
    one = estimate_share(hits, count, level, design=designs[0])
    other = estimate_share(other_hits, other_count, level, design=designs[1])
    return subtract(one, other) if one and other else None


def subtract(one: Estimate, other: Estimate) -> Estimate:
    """Return the first minus the other, of two independent estimates: what either may lie off, added as squares do.

    Zou and Donner 2008, Construction of confidence limits about effect measures, Statistics in Medicine 27 (MOVER).
    """
    difference = one.value - other.value
    below = math.hypot(one.value - one.low, other.high - other.value)
    above = math.hypot(one.high - one.value, other.value - other.low)
    return Estimate(difference, difference - below, difference + above)


def divide(one: Estimate, other: Estimate) -> Estimate | None:
    """Return the first over the other, of two independent estimates: their logarithms subtracted.

    None where an estimate, or its lower end, is not above zero.
    """
    if min(one.low, other.low) <= 0:
        return None
    logs = (Estimate(*(math.log(end) for end in (each.value, each.low, each.high))) for each in (one, other))
    found = subtract(*logs)
    return Estimate(one.value / other.value, math.exp(found.low), math.exp(found.high))


def estimate_ratio(
    hits: int,
    count: int,
    other_hits: int,
    other_count: int,
    level: float = LEVEL,
    *,
    designs: tuple[float, float] = (1.0, 1.0),
) -> Estimate | None:
    """Return the share of the first over that of the other, with an interval; None where the other has no hits.

    Katz, Baptista, Azen and Pike 1978, Biometrics 34: the logarithm of the ratio is nearly normal. That needs hits on
    both sides, and somebody on either without one. Else it is MOVER-R, from the Wilson intervals of both shares
    (Donner and Zou 2012, Statistical Methods in Medical Research 21), which has ends there, too.
    """
    one = estimate_share(hits, count, level, design=designs[0])
    other = estimate_share(other_hits, other_count, level, design=designs[1])
    if one is None or other is None or other_hits == 0:
        return None
    ratio = one.value / other.value
    if hits == 0 or (hits == count and other_hits == other_count):
        # The upper limit of the first over the lower of the other, and the other way round, drawn in by how unlikely
        # it is that both lie at their limits at once.
        product = one.value * other.value
        low_part, high_part = one.low * (2 * one.value - one.low), one.high * (2 * one.value - one.high)
        low_of_other = other.low * (2 * other.value - other.low)
        high_of_other = other.high * (2 * other.value - other.high)
        low = (product - math.sqrt(max(0.0, product**2 - low_part * high_of_other))) / high_of_other
        high = (product + math.sqrt(max(0.0, product**2 - high_part * low_of_other))) / low_of_other
        return Estimate(ratio, min(low, ratio), max(high, ratio))
    squared = designs[0] * (1 / hits - 1 / count) + designs[1] * (1 / other_hits - 1 / other_count)
    reach = math.exp(normal_quantile(level) * math.sqrt(squared))
    return Estimate(ratio, ratio / reach, ratio * reach)


def estimate_mean(sums: Sums, level: float = LEVEL) -> Estimate | None:
    """Return the mean of a session with Student's interval over people (Student 1908); None with fewer than two.

    Of a skewed figure, such as revenue, it needs some hundred people to hold what it says.
    """
    if sums.people < 2:
        return None
    half = _student_quantile(level, sums.people - 1) * math.sqrt(sums.variance_of_mean)
    return Estimate(sums.mean, sums.mean - half, sums.mean + half)


def estimate_mean_difference(one: Sums, other: Sums, level: float = LEVEL) -> Estimate | None:
    """Return the mean of the first minus that of the other, with Welch's interval (Welch 1947, Biometrika 34)."""
    if min(one.people, other.people) < 2:
        return None
    difference, error = one.mean - other.mean, math.sqrt(one.variance_of_mean + other.variance_of_mean)
    half = _student_quantile(level, freedom(one, other)) * error if error else 0.0
    return Estimate(difference, difference - half, difference + half)


def estimate_mean_ratio(one: Sums, other: Sums, level: float = LEVEL) -> Estimate | None:
    """Return the mean of the first over that of the other; None where a mean is not above zero.

    Hedges, Gurevitch and Curtis 1999, Ecology 80: the logarithm of the ratio is nearly normal.
    """
    if min(one.people, other.people) < 2 or min(one.mean, other.mean) <= 0:
        return None
    squared = one.variance_of_mean / one.mean**2 + other.variance_of_mean / other.mean**2
    ratio, reach = one.mean / other.mean, math.exp(normal_quantile(level) * math.sqrt(squared))
    return Estimate(ratio, ratio / reach, ratio * reach)


def freedom(one: Sums, other: Sums) -> float:
    """Return Welch's degrees of freedom of the difference of two means that are not both without variance."""
    parts = one.variance_of_mean, other.variance_of_mean
    return sum(parts) ** 2 / (parts[0] ** 2 / (one.people - 1) + parts[1] ** 2 / (other.people - 1))


def median_ranks(count: int, level: float = LEVEL) -> tuple[int, int] | None:
    """Return the ranks, from 1, of the ordered values between which the median lies; None where no two are enough.

    Thompson 1936, Annals of Mathematical Statistics 7: how many values lie below the median is binomial, whatever
    their distribution. Ranks are whole, so the interval holds the level or more.
    """
    from scipy import stats

    if count == 0:
        return None
    # A median below the value of rank r has fewer than r of the values below it: r is the most for which that is as
    # improbable as the tail.
    rank = int(stats.binom.ppf((1 - level) / 2, count, 0.5))
    return (rank, count + 1 - rank) if rank >= 1 else None


def estimate_count(expected: float, variance: float, level: float = LEVEL) -> Estimate:
    """Return how many of some people something is true of, each with a probability of their own.

    ``expected`` is the sum of the probabilities p, ``variance`` that of p (1 - p). Their number is Poisson-binomial;
    the interval is that of the binomial distribution with the same mean and variance (Ehm 1991, Statistics and
    Probability Letters 11; Peköz, Röllin, Čekanavičius and Shwartz 2009, Journal of Applied Probability 46), that of
    a Poisson distribution where all are improbable. It takes the probabilities to be right.
    """
    from scipy import stats

    if not 0 <= variance <= expected:
        raise ValueError(f"a variance of {variance} does not go with {expected} expected people")
    if variance == 0:
        return Estimate(expected, expected, expected)
    tails = (1 - level) / 2, (1 + level) / 2
    trials = math.inf if expected == variance else expected**2 / (expected - variance)
    if trials > 1e9:
        low, high = (float(stats.poisson.ppf(tail, expected)) for tail in tails)
    else:
        whole = max(round(trials), math.ceil(expected))
        low, high = (float(stats.binom.ppf(tail, whole, min(1.0, expected / whole))) for tail in tails)
    return Estimate(expected, min(low, expected), max(high, expected))


def normal_quantile(level: float) -> float:
    """Return how many standard deviations a two-sided interval of that level reaches on either side."""
    return NormalDist().inv_cdf((1 + level) / 2)


def _student_quantile(level: float, freedom: float) -> float:
    from scipy import special

    return float(special.stdtrit(freedom, (1 + level) / 2))


def _require_part(hits: int, count: int) -> None:
    if not 0 <= hits <= count:
        raise ValueError(f"{hits} of {count} is no share")
