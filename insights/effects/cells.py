"""The effect of an intervention in one cell of decisions, against doing nothing there.

Decisions count where both could have come out, each by the inverse of its probability (Horvitz and Thompson 1952),
divided by the sum of the weights (Hajek 1971). What is averaged is the outcome less the risk model's expectation from
before the decision, which chance has made equal on both sides: it takes away variance and cannot bias (Deng, Xu, Kohavi
and Walker 2013). The variance is that of the linearised ratio, over people (Saerndal, Swensson and Wretman 1992,
section 5.7).
"""

import math
from dataclasses import dataclass

import numpy as np

from decisions.logged import BoolArray, LoggedDecisions
from features.events import FloatArray, IntArray
from insights.intervals import LEVEL, Estimate, normal_quantile

LEAST_PEOPLE = 20
"""Fewer people on a side say nothing: their effect is not estimated."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of a comparison: decisions, people and those who reached the goal, as they came out."""

    decisions: int
    people: int
    goals: int


@dataclass(frozen=True, slots=True)
class Measured:
    """An effect: the rise of the goal's probability, its standard error, and who it rests on.

    ``base`` is the mean probability of the goal without an intervention, as expected before the decision; None where
    the two could not be compared. ``effective`` is how many decisions of equal weight are worth as much (Kish 1965).
    ``effect`` and ``error`` are None where a side has fewer than ``LEAST_PEOPLE`` people.
    """

    shown: Arm
    nothing: Arm
    base: float | None
    effective: float
    effect: Estimate | None
    error: float | None


def measure_effect(logged: LoggedDecisions, option: int, chosen: BoolArray | None = None) -> Measured:
    """Return the effect of an option, by its place, among the ``chosen`` (N,) decisions; all by default."""
    odds = logged.propensities[:, option], logged.propensities[:, 0]
    comparable = (odds[0] > 0) & (odds[1] > 0)
    if chosen is not None:
        comparable &= chosen
    within = np.flatnonzero(comparable)
    expected = 1.0 - logged.risk[within]
    residual = logged.converted[within] - expected
    units = np.unique(logged.units[within], return_inverse=True)[1]
    sides = [logged.chosen[within] == place for place in (option, 0)]
    arms = [_arm(logged, within[side]) for side in sides]
    base = float(expected.mean()) if len(within) else None
    if min(arm.people for arm in arms) < LEAST_PEOPLE:
        return Measured(arms[0], arms[1], base, 0.0, None, None)
    weights = [np.where(side, 1 / odd[within], 0.0) for side, odd in zip(sides, odds, strict=True)]
    means = [float((weight * residual).sum() / weight.sum()) for weight in weights]
    influence = sum(
        sign * weight * (residual - mean) / weight.sum()
        for sign, weight, mean in zip((1, -1), weights, means, strict=True)
    )
    variance = max(_over_people(np.asarray(influence), units), _of_chance(weights, expected))
    effect, error = means[0] - means[1], math.sqrt(variance)
    half = normal_quantile(LEVEL) * error
    effective = float(min(weight.sum() ** 2 / (weight**2).sum() for weight in weights))
    return Measured(arms[0], arms[1], base, effective, Estimate(effect, effect - half, effect + half), error)


def _arm(logged: LoggedDecisions, rows: IntArray) -> Arm:
    return Arm(len(rows), len(np.unique(logged.units[rows])), int(logged.converted[rows].sum()))


def _over_people(influence: FloatArray, units: IntArray) -> float:
    sums = np.bincount(units, influence)
    people = len(sums)
    return float((sums**2).sum() * people / (people - 1))


def _of_chance(weights: list[FloatArray], expected: FloatArray) -> float:
    """Return the variance that the expected probabilities alone leave: few goals would seem to be none for sure."""
    return float(sum((weight**2 * expected * (1 - expected)).sum() / weight.sum() ** 2 for weight in weights))
