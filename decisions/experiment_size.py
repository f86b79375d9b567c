"""How many people an experiment needs, how long that takes, and what it can detect in the time there is.

Two proportions are compared by the two-sided z-test with a pooled variance, in arms of one size. With p1 and p2 the
rates, d their difference and m their mean, each arm needs (Fleiss, Levin and Paik 2003, *Statistical Methods for Rates
and Proportions*, section 4.2, without the continuity correction)

    n = (z(1 - alpha/2) sqrt(2 m (1 - m)) + z(power) sqrt(p1 (1 - p1) + p2 (1 - p2)))^2 / d^2

which is also what R's ``power.prop.test`` solves. Means, and ratios by the delta method (Deng, Knoblich and Lu 2018),
are compared with a standard deviation s per person that is the same in both arms:

    n = 2 (z(1 - alpha/2) + z(power))^2 s^2 / d^2

With more than two arms each is compared with the first, and alpha is shared among the comparisons (Bonferroni).
"""

import math
from dataclasses import dataclass

DAYS_PER_WEEK = 7


class ExperimentError(ValueError):
    """An experiment that cannot be sized; the text says what to change."""


@dataclass(frozen=True, slots=True)
class ExperimentSize:
    """An experiment's size: people per arm and in all, and the days until that many have come.

    ``baseline`` and ``treated`` are the two rates, 0 to 1, or with a ``deviation`` the two means. ``days`` is None
    where the traffic is not known, else whole days, rounded up.
    """

    baseline: float
    treated: float
    alpha: float
    power: float
    arms: int
    per_arm: int
    visitors_per_day: float | None
    days: int | None
    deviation: float | None = None

    @property
    def total(self) -> int:
        """People in all arms together."""
        return self.per_arm * self.arms

    @property
    def weeks(self) -> int | None:
        """The days as whole weeks, rounded up, so that every weekday counts equally often."""
        return None if self.days is None else math.ceil(self.days / DAYS_PER_WEEK)


def size_experiment(
    baseline: float,
    treated: float,
    *,
    visitors_per_day: float | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
    arms: int = 2,
    deviation: float | None = None,
) -> ExperimentSize:
    """Return the size at which a change from ``baseline`` to ``treated`` is found with the wanted power.

    ``visitors_per_day`` are the people who enter the experiment each day, over all arms. With a ``deviation`` the two
    are means, or ratios of a person's sums, not rates. Raises :class:`ExperimentError`.
    """
    check_change(baseline, treated, alpha, power, arms, deviation)
    per_arm = math.ceil(_people_per_arm(baseline, treated, alpha / (arms - 1), power, deviation))
    days = days_for(per_arm * arms, visitors_per_day)
    return ExperimentSize(baseline, treated, alpha, power, arms, per_arm, visitors_per_day, days, deviation)


def power_of(
    baseline: float,
    treated: float,
    per_arm: float,
    *,
    alpha: float = 0.05,
    arms: int = 2,
    deviation: float | None = None,
) -> float:
    """Return the probability that arms of this size find the change; a verdict in the wrong direction is no find."""
    from scipy.special import ndtr

    _check(baseline, alpha, 0.5, arms, deviation)
    pooled, apart = _spreads(baseline, treated, deviation)
    found = (abs(treated - baseline) * math.sqrt(per_arm) - _z(1 - alpha / (arms - 1) / 2) * pooled) / apart
    return float(ndtr(found))


def minimum_detectable(
    baseline: float,
    *,
    visitors_per_day: float,
    days: float,
    alpha: float = 0.05,
    power: float = 0.8,
    arms: int = 2,
    deviation: float | None = None,
) -> float | None:
    """Return the least rise, absolute, that the traffic of so many days finds with the wanted power.

    None where not even a rise of the rate to 1 would be found. Raises :class:`ExperimentError`.
    """
    from scipy.optimize import brentq

    _check(baseline, alpha, power, arms, deviation)
    if not 0 < days < math.inf:
        raise ExperimentError(f"{days:g} days is no duration: give a positive number of days")
    per_arm = _traffic(visitors_per_day) * days / arms
    shared = alpha / (arms - 1)
    if deviation is not None:
        return (_z(1 - shared / 2) + _z(power)) * deviation * math.sqrt(2 / per_arm)

    def missing(rise: float) -> float:
        return _people_per_arm(baseline, baseline + rise, shared, power) - per_arm

    highest = 1 - baseline
    if missing(highest) > 0:
        return None
    # The people needed fall without bound towards no rise at all, so that the two ends have different signs.
    lowest = highest
    while missing(lowest) <= 0:
        lowest /= 2
    return float(brentq(missing, lowest, 2 * lowest, xtol=1e-12))


def check_change(
    baseline: float, treated: float, alpha: float, power: float, arms: int, deviation: float | None = None
) -> None:
    """Raise :class:`ExperimentError` where a change from one to the other is none that an experiment could find."""
    _check(baseline, alpha, power, arms, deviation)
    if deviation is None and not 0 <= treated <= 1:
        raise ExperimentError(f"the treated rate {treated:g} is no share: the change must keep it from 0 to 1")
    if treated == baseline:
        raise ExperimentError("there is no change to detect: give a treated rate other than the baseline")


def days_for(people: float, visitors_per_day: float | None) -> int | None:
    """Return the whole days until so many people have come; None where the traffic is not known."""
    return None if visitors_per_day is None else math.ceil(people / _traffic(visitors_per_day))


def _people_per_arm(
    baseline: float, treated: float, alpha: float, power: float, deviation: float | None = None
) -> float:
    pooled, apart = _spreads(baseline, treated, deviation)
    return float(((_z(1 - alpha / 2) * pooled + _z(power) * apart) / (treated - baseline)) ** 2)


def _spreads(baseline: float, treated: float, deviation: float | None) -> tuple[float, float]:
    """Return the standard deviation of the difference of two people, if the arms are alike and as they are."""
    if deviation is not None:
        return math.sqrt(2) * deviation, math.sqrt(2) * deviation
    mean = (baseline + treated) / 2
    return math.sqrt(2 * mean * (1 - mean)), math.sqrt(baseline * (1 - baseline) + treated * (1 - treated))


def _z(probability: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(probability))


def _traffic(visitors_per_day: float) -> float:
    if not 0 < visitors_per_day < math.inf:
        raise ExperimentError(f"{visitors_per_day:g} visitors a day is no traffic: give a positive number")
    return visitors_per_day


def _check(baseline: float, alpha: float, power: float, arms: int, deviation: float | None = None) -> None:
    if deviation is not None and not 0 < deviation < math.inf:
        raise ExperimentError(
            f"a deviation of {deviation:g} is none: give the standard deviation of one person, above 0"
        )
    if deviation is None and not 0 <= baseline < 1:
        raise ExperimentError(f"the baseline {baseline:g} is no rate that can rise: give a number from 0 to below 1")
    if not 0 < alpha < 1:
        raise ExperimentError(f"alpha {alpha:g} is no error rate: give a number between 0 and 1, such as 0.05")
    if not alpha < power < 1:
        raise ExperimentError(f"the power {power:g} must lie between alpha, {alpha:g}, and 1: 0.8 is usual")
    if arms < 2:
        raise ExperimentError(f"{arms} arms are no comparison: give at least 2")
