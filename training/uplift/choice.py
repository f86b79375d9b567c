"""The choice among ways to decide, by held-out doubly-robust value."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from decisions.intervention import Intervention
from decisions.logged import LoggedDecisions
from decisions.off_policy.estimators import Estimator, score
from decisions.off_policy.evaluate import nothing
from decisions.off_policy.intervals import Interval, mean_interval
from decisions.off_policy.outcomes import Outcomes, learn_outcomes
from decisions.off_policy.payoff import net_values
from decisions.policy import PolicySettings
from features.events import FloatArray, IntArray
from training.uplift.candidates import BAYES, Candidate, Recipe

DRAWS = 400
"""Draws of persons behind a choice."""
SURE = 0.95
"""A blend has to beat the Bayesian policy in so many of the draws: the best of several wins more often by chance."""
MOSTLY = 0.5
"""Where doing nothing is better than all candidates in a larger share of the draws, none is boosted."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """One way to decide on people held out: its net value a decision, over doing nothing, and over the chosen one.

    ``acts`` is the share of decisions for an intervention; ``first`` the share of draws of persons in which it was the
    best of all.
    """

    name: str
    value: Interval
    over_nothing: Interval
    over_bayes: Interval
    acts: float
    first: float


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, and what it was compared with, the simplest first.

    ``recipe`` is None for the Bayesian policy itself; ``weight`` is how much the recipe counts beside its base.
    """

    recipe: Recipe | None
    weight: float
    table: tuple[Weighed, ...]
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return plain figures."""
        return {
            "chosen": BAYES if self.recipe is None else self.recipe.name,
            "weight": self.weight,
            "reason": self.reason,
            "compared": [asdict(one) for one in self.table],
        }


def choose_policy(
    logged: LoggedDecisions,
    values: Mapping[str, FloatArray],
    candidates: Sequence[Candidate],
    interventions: Sequence[Intervention],
    settings: PolicySettings,
    *,
    seed: int,
    outcomes: Outcomes | None = None,
) -> Choice:
    """Return the recipe whose blends are most often the best in draws of persons, and how much it counts.

    It has to be better than the Bayesian policy beyond what chance leaves, a rule in favour of the simpler as that of
    Breiman et al. 1984, section 3.4.3.

    ``values`` are net values (N, A) of people held out, by candidate. In every draw of persons, with replacement, the
    candidate with the highest doubly-robust value wins; the recipe is taken whose blends, what it is blended with
    included, win most often, and its weight is the mean of those that do best in each draw. So what cannot be told
    apart is averaged, and what is clearly better counts alone.
    """
    learnt = learn_outcomes(logged) if outcomes is None else outcomes
    payoff = net_values(logged.options, interventions, settings)
    idle = score(Estimator.DR, logged, nothing(logged), payoff, learnt).values
    scores = np.column_stack(
        [score(Estimator.DR, logged, greedy(values[one.name]), payoff, learnt).values for one in candidates]
    )
    names = [one.name for one in candidates]
    means = draw_means(np.column_stack([scores, idle]), logged.units, seed)
    drawn, resting = means[:, :-1], means[:, -1]
    wins = np.bincount(drawn.argmax(axis=1), minlength=len(candidates)) / len(drawn)
    recipes = list(dict.fromkeys(one.recipe for one in candidates if one.recipe is not None))
    best = drawn.max(axis=1, keepdims=True)
    ladders = {
        recipe: [names.index(recipe.base), *(place for place, one in enumerate(candidates) if one.recipe == recipe)]
        for recipe in recipes
    }
    most: Recipe | None = None
    weight, weights = 0.0, np.zeros(1)
    if recipes:
        most = max(recipes, key=lambda recipe: float((drawn[:, ladders[recipe]] == best).any(axis=1).mean()))
        weights = np.array([candidates[place].weight for place in ladders[most]])
        weight = round(float(weights[drawn[:, ladders[most]].argmax(axis=1)].mean()), 2)
    bayes = names.index(BAYES)
    table = tuple(
        Weighed(
            name=name,
            value=mean_interval(scores[:, place], logged.units),
            over_nothing=mean_interval(scores[:, place] - idle, logged.units),
            over_bayes=mean_interval(scores[:, place] - scores[:, bayes], logged.units),
            acts=float((values[name].argmax(axis=1) > 0).mean()),
            first=float(wins[place]),
        )
        for place, name in enumerate(names)
    )
    if float((resting > drawn.max(axis=1)).mean()) > MOSTLY:
        reason = f"in most draws of persons nothing is worth doing, and the {BAYES} knows how likely that is"
        return Choice(None, 0.0, table, reason)
    if most is None or (weight == 0.0 and most.base == BAYES):
        return Choice(None, 0.0, table, "no booster did better than the Bayesian policy in any draw of persons")
    better = float((_between(weights, drawn[:, ladders[most]], weight) > drawn[:, bayes]).mean())
    if better < SURE:
        reason = (
            f"{most.name}, blended with the {most.base}, did better than the {BAYES} in {better:.0%} of the draws of "
            f"persons; it takes {SURE:.0%}, so the {BAYES} decides alone"
        )
        return Choice(None, 0.0, table, reason)
    reason = (
        f"{most.name}, blended with the {most.base}, is the best in most draws of persons; it counts {weight:.0%}, the "
        "mean of what does best in each draw"
    )
    return Choice(most, weight, table, reason)


def _between(weights: FloatArray, values: FloatArray, weight: float) -> FloatArray:
    """Return the values (draws,) at a weight, between those (draws, L) at the ascending ``weights`` (L,)."""
    above = min(int(np.searchsorted(weights, weight)), len(weights) - 1)
    below = max(above - 1, 0)
    share = 1.0 if above == below else (weight - weights[below]) / (weights[above] - weights[below])
    found: FloatArray = (1.0 - share) * values[:, below] + share * values[:, above]
    return found


def greedy(values: FloatArray) -> FloatArray:
    """Return one for the option with the highest net value (N, A), doing nothing before others of the same."""
    found = np.zeros(values.shape)
    found[np.arange(len(values)), values.argmax(axis=1)] = 1.0
    return found


def draw_means(scores: FloatArray, units: IntArray, seed: int, draws: int = DRAWS) -> FloatArray:
    """Return the means (draws, C) of scores (N, C) in draws of persons, with replacement."""
    place = np.unique(units, return_inverse=True)[1]
    persons = int(place.max()) + 1
    sums = np.column_stack([np.bincount(place, weights=column, minlength=persons) for column in scores.T])
    counts = np.bincount(place, minlength=persons)
    rng = np.random.default_rng(seed)
    found = np.empty((draws, scores.shape[1]))
    for draw in range(draws):
        weight = np.bincount(rng.integers(0, persons, persons), minlength=persons)
        found[draw] = weight @ sums / (weight @ counts)
    return found
