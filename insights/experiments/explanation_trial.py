"""Whether explanations are right, as the explanation trial measures it.

People in whom a blocker is named are treated for it, for another one that could have been treated as well, or not at
all. Were explanations empty words, treating the named blocker would do no more than treating the other. The mean of all
who were treated for the named one less that of the others is not quite that: where one intervention is stronger than
another and its blocker named more often, it differs without a word being right. The *gap* therefore weighs both
directions of a pair of blockers alike:

    gap(f, g) = ((y(f | f named) - y(g | f named)) + (y(g | g named) - y(f | g named))) / 2

with y(t | n) the mean of those in whom n was named, who might have been treated for either, and were for t. What an
intervention does to everybody cancels within a pair, so that names that are drawn by chance have a gap of nothing.
Pairs are weighed by their numbers of people, 1 / (sum of 1 / n over the four); a pair's variance is that of a person
within the four, pooled, times the sum of 1 / n, over 4.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from decisions.experiments import ExperimentPlan, StoppingRule, TreatmentKind
from decisions.logged import BoolArray, Texts
from decisions.sequences import Tuning
from features.events import FloatArray
from insights.experiments.effects import sequence_interval
from insights.experiments.live_tables import OTHER
from insights.experiments.measures import measure_of
from insights.experiments.people import People
from insights.experiments.result import Analysis, Effect, Verdict, plain
from insights.experiments.sizing import MetricKind
from insights.intervals import Estimate, normal_quantile

_LEAST_IN_A_CELL = 5
"""With fewer people in one of its four cells, nothing is said of a pair."""


class Reading(StrEnum):
    """What a trial says of the explanations, by its rule of stopping."""

    RIGHT = "Treating the named blocker does more than treating another one: the explanations carry information."
    WRONG = "Treating the named blocker does less than treating another one: do not trust the explanations."
    OPEN = "It is not known yet whether the named blocker is the right one to treat."
    INVALID = "The experiment is invalid as it stands, so nothing is said of the explanations."


@dataclass(frozen=True, slots=True)
class PairGap:
    """The gap of one pair of blockers, and the people that it is estimated from."""

    first: str
    second: str
    gap: Estimate
    people: int


@dataclass(frozen=True, slots=True)
class ExplanationTrial:
    """What the trial has found so far.

    ``named`` and ``other`` are the effects of treating the named or another blocker, each against nothing; None where
    no variant does nothing. ``plain_gap`` is the difference of the two arms. ``gap`` is None before each direction of
    some pair has people; its interval is that of one look. ``reading`` goes by the rule of stopping, by an always-valid
    interval of the gap where the trial may be looked at any time. ``people`` are those in each variant; moments are
    microseconds.
    """

    experiment: str
    gap: Estimate | None
    plain_gap: Estimate | None
    named: Effect | None
    other: Effect | None
    pairs: tuple[PairGap, ...]
    people: Mapping[str, int]
    began_us: int | None
    ended_us: int | None
    reading: Reading = Reading.OPEN

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        found: dict[str, Any] = plain(self)
        return found


def find_explanation_trial(plan: ExperimentPlan, people: People, analysis: Analysis) -> ExplanationTrial:
    """Return what an explanation trial has found, on its primary metric; the plan is one."""
    variants = {variant.treatment.kind: variant.name for variant in plan.variants}
    named, other = variants[TreatmentKind.NAMED_BLOCKER], variants[TreatmentKind.OTHER_BLOCKER]
    names = np.array(people.variants, object)[people.arm]
    measure = measure_of(plan.primary_metric)
    sums = people.sums[measure.outcome]
    values = (sums > 0).astype(np.float64) if measure.kind is MetricKind.PROPORTION else sums
    in_trial = (names == named) | (names == other)
    is_named = (names == named)[in_trial]
    level = 1 - plan.alpha
    gap, pairs = explanation_gap(
        people.slices["blocker"][in_trial], people.slices[OTHER][in_trial], is_named, values[in_trial], level
    )
    against_nothing = plan.variants[0].treatment.kind is TreatmentKind.NOTHING
    effects = {effect.variant: effect for effect in analysis.primary if against_nothing}
    return ExplanationTrial(
        experiment=plan.name,
        gap=gap,
        plain_gap=_difference(values[in_trial], is_named, level),
        named=effects.get(named),
        other=effects.get(other),
        pairs=pairs,
        people=analysis.people,
        began_us=analysis.began_us,
        ended_us=analysis.ended_us,
        reading=read_gap(gap, sum(pair.people for pair in pairs), level, analysis),
    )


def read_gap(gap: Estimate | None, people: int, level: float, analysis: Analysis) -> Reading:
    """Return what a gap between two arms of so many people together says, by the experiment's rule of stopping."""
    if analysis.decision.verdict is Verdict.INVALID:
        return Reading.INVALID
    interval = gap
    if gap is not None and analysis.rule is StoppingRule.ALWAYS_VALID:
        error = (gap.high - gap.low) / 2 / normal_quantile(level)
        tuning = Tuning(analysis.start_per_arm, analysis.narrowest_per_arm)
        interval = sequence_interval(gap.value, error, people / 2, people, tuning, 1 - level)
    if interval is None or interval.low <= 0 <= interval.high:
        return Reading.OPEN
    return Reading.RIGHT if interval.low > 0 else Reading.WRONG


def explanation_gap(
    named: Texts, other: Texts, treated_named: BoolArray, values: FloatArray, level: float = 0.95
) -> tuple[Estimate | None, tuple[PairGap, ...]]:
    """Return the gap of all pairs together, and of each, from people (N,) who were treated for one of two blockers.

    ``named`` and ``other`` are the two, ``treated_named`` which of them was treated, ``values`` what came of it.
    """
    found, weights = [], []
    for first, second in sorted({(min(pair), max(pair)) for pair in zip(named.tolist(), other.tolist(), strict=True)}):
        cells = [
            values[(named == one) & (other == two) & (treated_named == is_named)]
            for one, two in ((first, second), (second, first))
            for is_named in (True, False)
        ]
        if min(map(len, cells)) < _LEAST_IN_A_CELL:
            continue
        means = [float(cell.mean()) for cell in cells]
        variance = _within(cells) * sum(1 / len(cell) for cell in cells) / 4
        gap = (means[0] - means[1] + means[2] - means[3]) / 2
        found.append(PairGap(first, second, _interval(gap, variance, level), sum(map(len, cells))))
        weights.append((1 / sum(1 / len(cell) for cell in cells), gap, variance))
    total = sum(weight for weight, _, _ in weights)
    if not found:
        return None, ()
    gap = sum(weight * one for weight, one, _ in weights) / total
    variance = sum((weight / total) ** 2 * one for weight, _, one in weights)
    return _interval(gap, variance, level), tuple(found)


def _difference(values: FloatArray, chosen: BoolArray, level: float) -> Estimate | None:
    one, two = values[chosen], values[~chosen]
    if min(len(one), len(two)) < _LEAST_IN_A_CELL:
        return None
    variance = float(one.var(ddof=1) / len(one) + two.var(ddof=1) / len(two))
    return _interval(float(one.mean() - two.mean()), variance, level)


def _within(cells: Sequence[FloatArray]) -> float:
    """Return the variance of a person within the cells, pooled: a small cell without a goal would seem to have none."""
    squares = sum(float(((cell - cell.mean()) ** 2).sum()) for cell in cells)
    return squares / (sum(map(len, cells)) - len(cells))


def _interval(value: float, variance: float, level: float) -> Estimate:
    half = normal_quantile(level) * math.sqrt(variance)
    return Estimate(value, value - half, value + half)
