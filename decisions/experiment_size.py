"""How many people an experiment needs, how long that takes, and what it can detect in the time there is.

Two proportions are compared by the two-sided z-test with a pooled variance, in arms of one size. With p1 and p2 the
rates, d their difference and m their mean, each arm needs (Fleiss, Levin and Paik 2003, *Statistical Methods for Rates
and Proportions*, section 4.2, without the continuity correction)

    n = (z(1 - alpha/2) sqrt(2 m (1 - m)) + z(power) sqrt(p1 (1 - p1) + p2 (1 - p2)))^2 / d^2

which is also what R's ``power.prop.test`` solves. With more than two arms each is compared with the first, and alpha is
shared among the comparisons (Bonferroni).
"""

import math
from dataclasses import dataclass

DAYS_PER_WEEK = 7


class ExperimentError(ValueError):
    """An experiment that cannot be sized; the text says what to change."""


@dataclass(frozen=True, slots=True)
class ExperimentSize:
    """An experiment's size: people per arm and in all, and the days until that many have come.

    ``baseline`` and ``treated`` are the two rates, 0 to 1. ``days`` is None where the traffic is not known, else whole
    days, rounded up.
    """

    baseline: float
    treated: float
    alpha: float
    power: float
    arms: int
    per_arm: int
    visitors_per_day: float | None
    days: int | None

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
) -> ExperimentSize:
    """Return the size at which a change from ``baseline`` to ``treated`` is found with the wanted power.

    ``visitors_per_day`` are the people who enter the experiment each day, over all arms. Raises
    :class:`ExperimentError`.
    """
    _check(baseline, alpha, power, arms)
    if not 0 <= treated <= 1:
        raise ExperimentError(f"the treated rate {treated:g} is no share: the change must keep it from 0 to 1")
    if treated == baseline:
        raise ExperimentError("there is no change to detect: give a treated rate other than the baseline")
    per_arm = math.ceil(_people_per_arm(baseline, treated, alpha / (arms - 1), power))
    days = None if visitors_per_day is None else math.ceil(per_arm * arms / _traffic(visitors_per_day))
    return ExperimentSize(baseline, treated, alpha, power, arms, per_arm, visitors_per_day, days)


def power_of(baseline: float, treated: float, per_arm: float, *, alpha: float = 0.05, arms: int = 2) -> float:
    """Return the probability that arms of this size find the change; a verdict in the wrong direction is no find."""
    from scipy.special import ndtr

    _check(baseline, alpha, 0.5, arms)
    mean, difference = (baseline + treated) / 2, abs(treated - baseline)
    pooled = math.sqrt(2 * mean * (1 - mean))
    apart = math.sqrt(baseline * (1 - baseline) + treated * (1 - treated))
    found = (difference * math.sqrt(per_arm) - _z(1 - alpha / (arms - 1) / 2) * pooled) / apart
    return float(ndtr(found))


def minimum_detectable(
    baseline: float,
    *,
    visitors_per_day: float,
    days: float,
    alpha: float = 0.05,
    power: float = 0.8,
    arms: int = 2,
) -> float | None:
    """Return the least rise of the rate, absolute, that the traffic of so many days finds with the wanted power.

    None where not even a rise to 1 would be found. Raises :class:`ExperimentError`.
    """
    from scipy.optimize import brentq

    _check(baseline, alpha, power, arms)
    if not 0 < days < math.inf:
        raise ExperimentError(f"{days:g} days is no duration: give a positive number of days")
    per_arm = _traffic(visitors_per_day) * days / arms
    shared = alpha / (arms - 1)

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


def _people_per_arm(baseline: float, treated: float, alpha: float, power: float) -> float:
    mean, difference = (baseline + treated) / 2, treated - baseline
    pooled = _z(1 - alpha / 2) * math.sqrt(2 * mean * (1 - mean))
    apart = _z(power) * math.sqrt(baseline * (1 - baseline) + treated * (1 - treated))
    return ((pooled + apart) / difference) ** 2


def _z(probability: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(probability))


def _traffic(visitors_per_day: float) -> float:
    if not 0 < visitors_per_day < math.inf:
        raise ExperimentError(f"{visitors_per_day:g} visitors a day is no traffic: give a positive number")
    return visitors_per_day


def _check(baseline: float, alpha: float, power: float, arms: int) -> None:
    if not 0 <= baseline < 1:
        raise ExperimentError(f"the baseline {baseline:g} is no rate that can rise: give a number from 0 to below 1")
    if not 0 < alpha < 1:
        raise ExperimentError(f"alpha {alpha:g} is no error rate: give a number between 0 and 1, such as 0.05")
    if not alpha < power < 1:
        raise ExperimentError(f"the power {power:g} must lie between alpha, {alpha:g}, and 1: 0.8 is usual")
    if arms < 2:
        raise ExperimentError(f"{arms} arms are no comparison: give at least 2")
