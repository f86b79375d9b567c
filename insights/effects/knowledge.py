"""What is known of an intervention in a cell, and what it would be worth to know more."""

from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist

from decisions.experiment_size import ExperimentError, size_experiment
from decisions.intervention import Intervention
from decisions.policy import PolicySettings
from insights.intervals import LEVEL, Estimate, normal_quantile

_NORMAL = NormalDist()


class Knowledge(StrEnum):
    """What the interval of an effect says about showing the intervention."""

    PAYS = "pays"
    DOES_NOT_PAY = "does not pay"
    HARMS = "harms"
    UNKNOWN = "unknown"
    UNTRIED = "untried"


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of an effect: its mean and standard deviation, measured or as the journey declares."""

    effect: float
    deviation: float
    is_measured: bool

    @property
    def interval(self) -> Estimate:
        """The effect with its interval."""
        half = normal_quantile(LEVEL) * self.deviation
        return Estimate(self.effect, self.effect - half, self.effect + half)


def break_even(intervention: Intervention, base: float, settings: PolicySettings) -> float | None:
    """Return the effect from which showing pays, where ``base`` of those concerned reach the goal anyway.

    None where every goal costs more than it is worth.
    """
    gained = settings.goal_value - intervention.cost_if_converted
    spent = intervention.cost + settings.annoyance + intervention.cost_if_converted * base
    return spent / gained if gained > 0 else None


def judge(belief: Belief, least: float | None) -> Knowledge:
    """Return what is known, given the ``least`` effect that pays; None where none does."""
    if not belief.is_measured:
        return Knowledge.UNTRIED
    interval = belief.interval
    if interval.high < 0:
        return Knowledge.HARMS
    if least is None or interval.high < least:
        return Knowledge.DOES_NOT_PAY
    return Knowledge.PAYS if interval.low > max(0.0, least) else Knowledge.UNKNOWN


def worth_of_knowing(
    belief: Belief, least: float | None, intervention: Intervention, settings: PolicySettings
) -> float:
    """Return by how much a decision would be better on average if the effect were known, in the journey's value unit.

    The expected value of perfect information (Raiffa and Schlaifer 1961) of the choice between showing it and doing
    nothing: with a net value of mean m and deviation s, s pdf(m / s) + m cdf(m / s) - max(m, 0).
    """
    if least is None:
        return 0.0
    gained = settings.goal_value - intervention.cost_if_converted
    mean, deviation = gained * (belief.effect - least), gained * belief.deviation
    if deviation == 0:
        return 0.0
    standard = mean / deviation
    return deviation * _NORMAL.pdf(standard) + mean * _NORMAL.cdf(standard) - max(mean, 0.0)


def people_needed(belief: Belief, base: float, least: float | None) -> int | None:
    """Return how many people a test in two arms needs, to find what is believed, or what pays if that is more.

    None where no test would find it.
    """
    target = max(belief.effect, least or 0.0)
    if least is None or not 0 < base < 1 or target <= 0:
        return None
    try:
        return size_experiment(base, min(1.0, base + target)).total
    except ExperimentError:
        return None
