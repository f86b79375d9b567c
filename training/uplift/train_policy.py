"""Decisions to a policy, in the order it happens: rows, comparison on people held out, choice, fit, register."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from decisions.bayes_policy import BayesPolicy
from decisions.logged import LoggedDecisions
from decisions.off_policy.evaluate import Evaluation, NoOdds, evaluate
from decisions.off_policy.targets import with_exploration
from decisions.uplift_policy import UpliftPolicy
from features.events import FloatArray
from features.staging import Progress
from journeys.journey import Journey
from training.uplift.bag import BagSettings
from training.uplift.candidates import BAYES, Candidate, Ground, Recipe, candidates_of, cross_fitted
from training.uplift.choice import Choice, choose_policy, greedy
from training.uplift.learners import Learner, learn_uplift
from training.uplift.replayed import with_rows

LEAST_DECISIONS, LEAST_GOALS = 2_000, 100
"""Fewer decisions that left a choice, or goals among them, are no ground to boost on."""
PARTS = 4
_COMPARED_MEMBERS = 6
UNREGISTERED = "unregistered"
RECIPES = tuple(
    Recipe(learner) for learner in (Learner.OVER_DECLARED, Learner.OVER_BAYES, Learner.S, Learner.X, Learner.DR)
)
RAW_RECIPES = (Recipe(Learner.OVER_DECLARED, raw=True), Recipe(Learner.S, raw=True))


@dataclass(frozen=True, slots=True)
class LearntPolicy:
    """A policy with what speaks for it; ``choice``, ``values`` and ``evaluation`` are None where too few decided.

    ``decisions`` are those that left a choice at known odds; ``values`` (N, A) the net values of the chosen way on
    people held out, and ``evaluation`` what it would have brought there.
    """

    policy: BayesPolicy | UpliftPolicy
    decisions: LoggedDecisions
    choice: Choice | None
    values: FloatArray | None
    evaluation: Evaluation | None
    bag: BagSettings
    seed: int
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what ``dropoff policy train --json`` writes."""
        return {
            "policy_version": self.policy.version,
            "kind": "bayes" if isinstance(self.policy, BayesPolicy) else "uplift",
            "decisions": len(self.decisions),
            "goals": int(self.decisions.converted.sum()),
            "choice": None if self.choice is None else self.choice.to_json(),
            "held_out": None if self.evaluation is None else self.evaluation.to_json(),
            "notes": list(self.notes),
        }


def learn_policy(
    journey: Journey,
    logged: LoggedDecisions,
    *,
    log: Path | None = None,
    recipes: Sequence[Recipe] = RECIPES,
    raw_recipes: Sequence[Recipe] = RAW_RECIPES,
    parts: int = PARTS,
    bag: BagSettings = BagSettings(),  # noqa: B008 - frozen
    seed: int = 7,
    threads: int = 1,
    progress: Progress = lambda _phase, _fraction: None,
) -> LearntPolicy:
    """Return the policy that does best on people held out, learnt from all decisions.

    With ``log`` the decisions' moments are replayed, and learners read the raw features besides. Raises
    ``decisions.off_policy.evaluate.NoOdds`` for decisions without propensities, and what reading the log raises.
    """
    known, notes = _known(logged)
    if log is not None:
        replayed = with_rows(journey, known, log, progress=progress)
        if replayed.missing:
            notes.append(f"{replayed.missing:,} decisions are about sessions that the log does not have, and left out")
        known = replayed.logged
    ground = Ground(
        journey.interventions,
        journey.policy,
        tuple(stage.name for stage in journey.stages),
        tuple(friction.name for friction in journey.frictions),
        journey.table if known.rows is not None else None,
    )
    tried = (*recipes, *(raw_recipes if known.rows is not None else ()))
    learnt = learn_on(ground, known, tried, parts=parts, bag=bag, seed=seed, threads=threads, progress=progress)
    return replace(learnt, notes=(*notes, *learnt.notes))


def learn_on(
    ground: Ground,
    known: LoggedDecisions,
    recipes: Sequence[Recipe],
    *,
    parts: int = PARTS,
    bag: BagSettings = BagSettings(),  # noqa: B008 - frozen
    seed: int = 7,
    threads: int = 1,
    progress: Progress = lambda _phase, _fraction: None,
) -> LearntPolicy:
    """Return the policy that does best on people held out; decisions are at known odds, with rows where wanted."""
    progress("learning the Bayesian policy", 0.0)
    bayes = ground.bayes(known, UNREGISTERED)
    chosen_from = known.take(np.flatnonzero(known.eligible.sum(axis=1) > 1))
    goals = int(chosen_from.converted.sum())
    if len(chosen_from) < LEAST_DECISIONS or goals < LEAST_GOALS:
        note = (
            f"{len(chosen_from):,} decisions left a choice and {goals:,} of them reached the goal; boosting begins at "
            f"{LEAST_DECISIONS:,} and {LEAST_GOALS:,}, so this is the {BAYES} alone"
        )
        return LearntPolicy(bayes, chosen_from, None, None, None, bag, seed, (note,))
    candidates = candidates_of(recipes)
    small = replace(bag, members=min(bag.members, _COMPARED_MEMBERS))
    values = cross_fitted(
        chosen_from, ground, recipes, parts=parts, bag=small, seed=seed, threads=threads, progress=progress
    )
    progress("choosing by doubly-robust value", 0.0)
    choice = choose_policy(chosen_from, values, candidates, ground.interventions, ground.settings, seed=seed)
    held_out = values_at(values, candidates, choice)
    target = with_exploration(greedy(held_out), chosen_from, ground.settings.exploration)
    evaluation = evaluate(chosen_from, target, ground.interventions, ground.settings)
    policy: BayesPolicy | UpliftPolicy = bayes
    if choice.recipe is not None:
        learner = choice.recipe.learner
        progress(f"fitting the {choice.recipe.name}", 0.0)
        learnt = learn_uplift(
            chosen_from,
            ground.columns(chosen_from, choice.recipe.raw),
            ground.interventions,
            ground.settings,
            learner=learner,
            bayes=bayes if learner is Learner.OVER_BAYES else None,
            bag=bag,
            seed=seed,
            threads=threads,
            progress=_fitting(progress, choice.recipe.name),
        )
        policy = replace(
            learnt, bayes=bayes if _needs_bayes(choice) else None, weight=choice.weight, version=UNREGISTERED
        )
    return LearntPolicy(policy, chosen_from, choice, held_out, evaluation, bag, seed)


def values_at(values: dict[str, FloatArray], candidates: Sequence[Candidate], choice: Choice) -> FloatArray:
    """Return the net values (N, A) at the chosen weight, between those of the two weights beside it that were tried.

    Averages of net values are met exactly, corrections of log-odds nearly.
    """
    mine = [one for one in candidates if one.recipe == choice.recipe] if choice.recipe is not None else []
    base = BAYES if choice.recipe is None else choice.recipe.base
    ladder = [(0.0, values[base]), *((one.weight, values[one.name]) for one in mine)]
    above = next((place for place, (weight, _) in enumerate(ladder) if weight >= choice.weight), 0)
    if ladder[above][0] == choice.weight:
        return ladder[above][1]
    (low, less), (high, more) = ladder[above - 1], ladder[above]
    share = (choice.weight - low) / (high - low)
    found = np.full(less.shape, -np.inf)
    known = np.isfinite(less)
    found[known] = (1.0 - share) * less[known] + share * more[known]
    return found


def _needs_bayes(choice: Choice) -> bool:
    """Whether the Bayesian policy takes part in deciding."""
    recipe = choice.recipe
    if recipe is None or recipe.learner is Learner.OVER_DECLARED:
        return False
    return choice.weight < 1.0 or recipe.learner is Learner.OVER_BAYES


def _known(logged: LoggedDecisions) -> tuple[LoggedDecisions, list[str]]:
    """Return the decisions at known odds, and what to say about the others. Raises :class:`NoOdds`."""
    unknown = np.isnan(logged.propensities).any(axis=1)
    known = logged.take(np.flatnonzero(~unknown))
    if not (known.eligible.sum(axis=1) > 1).any():
        raise NoOdds(
            f"none of {len(logged):,} decisions left a choice that was made at known odds, so that no policy can be "
            "learnt: let the service decide with exploration above 0 (every answer of /v1/recommend is kept with its "
            "propensities), wait for the outcomes, and train again"
        )
    missing = int(unknown.sum())
    return known, [f"{missing:,} decisions without known odds are left out"] if missing else []


def _fitting(progress: Progress, name: str) -> Callable[[float], None]:
    return lambda share: progress(f"fitting the {name}", share)
