"""Intervals of counted figures: shares, their differences and ratios, medians, means, and expected numbers of people.

All are two-sided and by default at 95 %. Each takes counts or sums, which a query returns, not rows. Nothing can be
said of nobody: where there is no estimate, such as a share of none, the answer is None.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with the ends of its interval, ``low <= value <= high``."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Sums:
    """How many values there are, their sum, and the sum of their squares."""

    count: int
    total: float
    squares: float

    @property
    def mean(self) -> float:
        """Their mean; there has to be a value."""
        return self.total / self.count

    @property
    def variance(self) -> float:
        """Their sample variance; there have to be two."""
        return max(0.0, self.squares - self.total**2 / self.count) / (self.count - 1)


def estimate_share(hits: int, count: int, level: float = LEVEL) -> Estimate | None:
    """Return the share of ``hits`` among ``count`` with Wilson's score interval.

    Wilson 1927, Probable inference, JASA 22, page 209; recommended by Brown, Cai and DasGupta 2001.
    """
    _require_part(hits, count)
    if count == 0:
        return None
    share = hits / count
    z_squared = _normal_quantile(level) ** 2
    middle = (share + z_squared / (2 * count)) / (1 + z_squared / count)
    variance = share * (1 - share) / count + z_squared / (4 * count**2)
    half = math.sqrt(z_squared * variance) / (1 + z_squared / count)
    # At no hit, and at nothing but hits, the interval ends exactly there; rounding would miss it.
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    high = 1.0 if hits == count else min(1.0, middle + half)
    return Estimate(share, low, high)


def estimate_difference(
    hits: int, count: int, other_hits: int, other_count: int, level: float = LEVEL
) -> Estimate | None:
    """Return the share of the first minus that of the other, with Newcombe's hybrid score interval.

    Newcombe 1998, Interval estimation for the difference between independent proportions, Statistics in Medicine 17,
    method 10: what Wilson's intervals leave on either side, added as squares do.
    """
    one, other = estimate_share(hits, count, level), estimate_share(other_hits, other_count, level)
    if one is None or other is None:
        return None
    difference = one.value - other.value
    below = math.hypot(one.value - one.low, other.high - other.value)
    above = math.hypot(one.high - one.value, other.value - other.low)
    return Estimate(difference, max(-1.0, difference - below), min(1.0, difference + above))


def estimate_ratio(hits: int, count: int, other_hits: int, other_count: int, level: float = LEVEL) -> Estimate | None:
    """Return the share of the first over that of the other, with an interval; None where the other has no hits.

    Katz, Baptista, Azen and Pike 1978, Biometrics 34: the logarithm of the ratio is nearly normal. That needs hits on
    both sides, and somebody on either without one. Else it is MOVER-R, from the Wilson intervals of both shares
    (Donner and Zou 2012, Statistical Methods in Medical Research 21), which has ends there, too.
    """
    one, other = estimate_share(hits, count, level), estimate_share(other_hits, other_count, level)
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
    spread = math.sqrt(1 / hits - 1 / count + 1 / other_hits - 1 / other_count)
    reach = math.exp(_normal_quantile(level) * spread)
    return Estimate(ratio, ratio / reach, ratio * reach)


def estimate_mean(sums: Sums, level: float = LEVEL) -> Estimate | None:
    """Return the mean with Student's interval (Student 1908); None with fewer than two values.

    Of a skewed figure, such as revenue, it needs some hundred values to hold what it says.
    """
    if sums.count < 2:
        return None
    error = math.sqrt(sums.variance / sums.count)
    half = _student_quantile(level, sums.count - 1) * error
    return Estimate(sums.mean, sums.mean - half, sums.mean + half)


def estimate_mean_difference(one: Sums, other: Sums, level: float = LEVEL) -> Estimate | None:
    """Return the mean of the first minus that of the other, with Welch's interval (Welch 1947, Biometrika 34)."""
    if one.count < 2 or other.count < 2:
        return None
    parts = one.variance / one.count, other.variance / other.count
    difference = one.mean - other.mean
    if sum(parts) == 0:
        return Estimate(difference, difference, difference)
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (one.count - 1) + parts[1] ** 2 / (other.count - 1))
    half = _student_quantile(level, freedom) * math.sqrt(sum(parts))
    return Estimate(difference, difference - half, difference + half)


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


def _normal_quantile(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)


def _student_quantile(level: float, freedom: float) -> float:
    from scipy import special

    return float(special.stdtrit(freedom, (1 + level) / 2))


def _require_part(hits: int, count: int) -> None:
    if not 0 <= hits <= count:
        raise ValueError(f"{hits} of {count} is no share")
