"""What a blocker is worth: the value at stake, and what an intervention is expected to gain of it.

Figures are per week, values in the unit of the journey's ``goal_value``. That a comparable session reaches the goal
more often is an association: nobody was assigned to be blocked or not. Only an experiment measures what an intervention
does, and until one has, what it is expected to do is what the journey declares.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist

from decisions.intervention import Intervention
from decisions.policy import PolicySettings, net_value
from insights.affected import Affected
from insights.intervals import LEVEL, Estimate, estimate_count, estimate_share
from insights.named import Named, Target

_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)


class Evidence(StrEnum):
    """Where an expected effect comes from."""

    PRIOR = "prior"
    """The journey's declaration: a belief, with a standard deviation of its own."""
    MEASURED = "measured"
    """A randomised experiment."""


@dataclass(frozen=True, slots=True)
class MeasuredEffect:
    """What a randomised experiment found: the rise of the goal's probability of those it really blocks.

    ``stage`` is None where the experiment went over all stages. ``experiment`` names it.
    """

    friction: str
    intervention: str
    effect: Estimate
    experiment: str
    stage: str | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """The rise of the goal's probability that is expected for a session that the blocker really stops."""

    effect: Estimate
    evidence: Evidence
    experiment: str | None = None


@dataclass(frozen=True, slots=True)
class Gain:
    """What an intervention is expected to bring per week, net of its costs, where it is expected to pay.

    ``goals`` are further goals, ``shown`` how many sessions would see it. ``chance`` is the probability that the net
    value is above nothing, given how sure the effect is. ``target`` are those who would have seen it in the whole
    period: from ``least_probability`` on, above 1 where it is expected to pay for nobody.
    """

    value: Estimate
    goals: Estimate
    shown: float
    chance: float
    target: Target
    least_probability: float


def comparable_rate(affected: Affected) -> Estimate | None:
    """Return how often a session that reached the stage, and was not left there for the blocker, reaches the goal.

    None where there is no such session. Those left for something else are among them: without the one blocker, another
    may stand in the way.
    """
    reached = affected.reached
    others = round(reached.sessions - affected.sessions.value)
    return estimate_share(reached.goals, max(others, reached.goals))


def at_stake(affected: Affected, value: float, weeks: float) -> Estimate | None:
    """Return the weekly value of the goals that the affected would reach, were they as the comparable sessions.

    Sessions left for the blocker x the rate of comparable sessions x what a goal is worth.
    """
    rate = comparable_rate(affected)
    return None if rate is None else _scaled(_product(affected.sessions, rate), value / weeks)


def expect(intervention: Intervention, friction: str, stage: str, measured: Sequence[MeasuredEffect] = ()) -> Expected:
    """Return what an intervention is expected to do about a blocker: as measured at this stage, in all, or as declared.

    The latest of several experiments counts.
    """
    own = [one for one in measured if (one.friction, one.intervention) == (friction, intervention.name)]
    for place in (stage, None):
        for one in reversed(own):
            if one.stage == place:
                return Expected(one.effect, Evidence.MEASURED, one.experiment)
    effect, half = intervention.prior_effect, _Z * intervention.deviation
    return Expected(Estimate(effect, max(-1.0, effect - half), min(1.0, effect + half)), Evidence.PRIOR)


def expected_gain(
    affected: Affected, intervention: Intervention, expected: Expected, settings: PolicySettings, weeks: float
) -> Gain:
    """Return what the intervention would bring if it were shown at the stage wherever that is expected to pay.

    Further goals are the expected number of sessions that the blocker really stops among them x the effect, and no more
    than those at stake. The costs are those of the policy (``decisions.policy.net_value``): every showing, and every
    goal that comes with it, those that would have come anyway included.
    """
    least = _least_probability(affected.named, intervention, expected, settings)
    target = affected.named.above(least)
    stopped = estimate_count(target.stopped, min(target.variance, target.stopped))
    goals = _at_most(_scaled(_product(stopped, expected.effect), 1 / weeks), at_stake(affected, 1.0, weeks))
    shown = target.sessions / weeks

    def worth(more: float) -> float:
        if not target.sessions:
            return 0.0
        converting = min(1.0, max(0.0, target.goals / target.sessions + more / shown))
        return shown * net_value(intervention, more / shown, converting, settings)

    # A goal that costs more than it is worth turns the ends round.
    low, high = sorted((worth(goals.low), worth(goals.high)))
    middle = worth(goals.value)
    value = Estimate(middle, min(low, middle), max(high, middle))
    return Gain(value, goals, shown, _chance_above_nothing(value), target, least)


def _least_probability(named: Named, intervention: Intervention, expected: Expected, settings: PolicySettings) -> float:
    """Return from which probability of being stopped on a showing is expected to pay; above 1 where it never does."""
    everybody = named.above(0.0)
    worth = expected.effect.value * (settings.goal_value - intervention.cost_if_converted)
    rate = everybody.goals / everybody.sessions if everybody.sessions else 0.0
    cost = intervention.cost + settings.annoyance + intervention.cost_if_converted * rate
    return cost / worth if worth > 0 else math.inf


def _chance_above_nothing(value: Estimate) -> float:
    # The lower half of the interval is the one that what is at stake does not cut off.
    deviation = (value.value - value.low) / _Z
    if deviation == 0:
        return 1.0 if value.value > 0 else 0.0
    return 1 - NormalDist(value.value, deviation).cdf(0)


def _product(one: Estimate, other: Estimate) -> Estimate:
    """Return the product of two independent estimates, to first order.

    What an interval leaves on a side, times the other's value, stands for a standard error; the two add as squares do.
    """
    value = one.value * other.value
    sides = [_sides(part, factor.value) for part, factor in ((one, other), (other, one))]
    below, above = (math.hypot(*halves) for halves in zip(*sides, strict=True))
    return Estimate(value, value - below, value + above)


def _sides(part: Estimate, factor: float) -> tuple[float, float]:
    below, above = part.value - part.low, part.high - part.value
    return (factor * below, factor * above) if factor >= 0 else (-factor * above, -factor * below)


def _at_most(estimate: Estimate, most: Estimate | None) -> Estimate:
    if most is None:
        return estimate
    value = min(estimate.value, most.value)
    return Estimate(value, min(estimate.low, most.value), max(value, min(estimate.high, most.high)))


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    return Estimate(estimate.value * factor, estimate.low * factor, estimate.high * factor)
