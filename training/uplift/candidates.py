"""The ways to decide that are compared: declared effects, the Bayesian policy, boosted learners, and blends of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from decisions.bayes_policy import BayesPolicy
from decisions.intervention import Intervention
from decisions.logged import LoggedDecisions
from decisions.off_policy.priors import WeighablePriors
from decisions.option_rows import OptionRows
from decisions.policy import PolicySettings
from decisions.posterior import Posterior
from features.events import FloatArray
from features.table import FeatureTable
from features.vocabulary import Vocabulary
from training.uplift.bag import BagSettings
from training.uplift.learners import Learner, learn_uplift
from training.uplift.persons import folds

Told = Callable[[str, float], None]
PRIORS, BAYES = "declared effects", "Bayesian policy"
WEIGHTS = (0.25, 0.5, 0.75, 1.0)
"""How much a learner counts beside what it corrects, or else the Bayesian policy."""

CORRECTIONS = (Learner.OVER_DECLARED, Learner.OVER_BAYES)
"""Learners whose weight multiplies a correction."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What is learnt on: the interventions and settings of a journey, and its features where rows are at hand."""

    interventions: tuple[Intervention, ...]
    settings: PolicySettings
    stages: tuple[str, ...]
    frictions: tuple[str, ...]
    table: FeatureTable | None

    def bayes(self, logged: LoggedDecisions, version: str) -> BayesPolicy:
        """Return the Bayesian policy that has learnt from decisions."""
        start = Posterior.start(self.interventions, self.settings, self.stages, self.frictions)
        return BayesPolicy(start.learn(logged), self.interventions, self.settings, version)

    def columns(self, logged: LoggedDecisions, raw: bool) -> OptionRows:
        """Return what writes rows about options, with raw features where they are wanted and there."""
        table = self.table if raw else None
        vocabulary = Vocabulary({})
        if table is not None and logged.rows is not None:
            vocabulary = Vocabulary.learn(table, logged.rows, min_count=50)
        return OptionRows.of(self.interventions, self.stages, self.frictions, table, vocabulary)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A learner, and whether it reads the raw features besides the situation."""

    learner: Learner
    raw: bool = False

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.learner}, raw features" if self.raw else str(self.learner)

    @property
    def base(self) -> str:
        """What it is blended with: a weight of 0 is that alone."""
        return PRIORS if self.learner is Learner.OVER_DECLARED else BAYES


@dataclass(frozen=True, slots=True)
class Candidate:
    """What decides: a recipe that counts by ``weight`` beside what it is blended with, or that by itself.

    The first of a list is the simplest.
    """

    name: str
    recipe: Recipe | None = None
    weight: float = 0.0


def candidates_of(recipes: Sequence[Recipe]) -> tuple[Candidate, ...]:
    """Return what is compared, the simplest first; a correction is a blend by itself."""
    found = [Candidate(PRIORS), Candidate(BAYES)]
    for recipe in recipes:
        for weight in WEIGHTS:
            whole = weight == 1.0
            name = recipe.name if whole else f"{weight:.0%} {recipe.name}"
            found.append(Candidate(name, recipe, weight))
    return tuple(found)


def cross_fitted(
    logged: LoggedDecisions,
    ground: Ground,
    recipes: Sequence[Recipe],
    *,
    parts: int,
    bag: BagSettings,
    seed: int,
    threads: int = 1,
    progress: Told = lambda _what, _share: None,
) -> dict[str, FloatArray]:
    """Return each candidate's net values (N, A), by policies that have not seen the decision's person."""
    candidates = candidates_of(recipes)
    found = {candidate.name: np.empty(logged.propensities.shape) for candidate in candidates}
    part = folds(logged.units, parts, seed)
    priors = WeighablePriors(ground.settings, ground.interventions)
    for fold in range(parts):
        others, held_out = logged.take(np.flatnonzero(part != fold)), np.flatnonzero(part == fold)
        mine = logged.take(held_out)
        bayes = ground.bayes(others, f"fold-{fold}")
        believed = bayes.net_values(mine)
        found[PRIORS][held_out], found[BAYES][held_out] = priors.net_values(mine), believed
        for number, recipe in enumerate(recipes):
            progress("comparing policies on people held out", (fold + number / len(recipes)) / parts)
            corrects = recipe.learner in CORRECTIONS
            policy = learn_uplift(
                others,
                ground.columns(others, recipe.raw),
                ground.interventions,
                ground.settings,
                learner=recipe.learner,
                bayes=bayes if recipe.learner is Learner.OVER_BAYES else None,
                bag=bag,
                seed=seed + fold,
                threads=threads,
            )
            alone = policy.net_values(mine)
            for candidate in candidates:
                if candidate.recipe != recipe:
                    continue
                weight = candidate.weight
                if corrects and weight < 1.0:
                    values = replace(policy, weight=weight).net_values(mine)
                else:
                    values = alone if weight == 1.0 else _blend(alone, believed, weight)
                found[candidate.name][held_out] = values
    progress("comparing policies on people held out", 1.0)
    return found


def _blend(values: FloatArray, others: FloatArray, weight: float) -> FloatArray:
    blended = np.full(values.shape, -np.inf)
    known = np.isfinite(others)
    blended[known] = weight * values[known] + (1.0 - weight) * others[known]
    return blended
