"""Meta-learners of what each option brings, over boosted trees: S, X and DR (Kuenzel et al. 2019; Kennedy 2023).

All read the same rows (``decisions.option_rows``) with the option among the columns, so that options with few decisions
borrow from the others, and a live answer walks one forest.
"""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

import numpy as np

from decisions.bayes_policy import BayesPolicy
from decisions.intervention import Intervention
from decisions.logged import LoggedDecisions
from decisions.option_rows import GOING_ON, OptionRows
from decisions.policy import PolicySettings
from decisions.uplift_policy import Target, UpliftPolicy, declared_log_odds
from features.events import FloatArray, IntArray
from training.uplift.bag import BagSettings, Examples, Progress, fit_bag
from training.uplift.persons import folds

LARGEST_WEIGHT = 20.0
"""A decision stands for at most so many; beyond, single rare ones would decide what is learnt."""
NUISANCE_FOLDS = 3
_NUISANCE_MEMBERS = 4


class Learner(StrEnum):
    """How the boosters learn what an option brings."""

    S = "S-learner"
    """One model of the goal's probability, with the option among its columns."""
    X = "X-learner"
    """A model of the differences to what others would have come to."""
    DR = "DR-learner"
    """A model of doubly-robust scores of the differences."""
    OVER_DECLARED = "boosted from the declared effects"
    """An S-learner that starts from the log-odds that the risk and the declared effects make."""
    OVER_BAYES = "boosted from the Bayesian policy"
    """An S-learner that starts from the Bayesian policy's log-odds."""


_TARGETS = {
    Learner.S: Target.LOG_ODDS,
    Learner.OVER_DECLARED: Target.OVER_DECLARED,
    Learner.OVER_BAYES: Target.OVER_BAYES,
}


def learn_uplift(
    logged: LoggedDecisions,
    columns: OptionRows,
    interventions: Sequence[Intervention],
    settings: PolicySettings,
    *,
    learner: Learner = Learner.S,
    bag: BagSettings = BagSettings(),  # noqa: B008 - frozen
    bayes: BayesPolicy | None = None,
    seed: int = 7,
    threads: int = 1,
    progress: Progress = lambda _share: None,
    version: str = "unregistered",
) -> UpliftPolicy:
    """Return the policy that was learnt from decisions; a correction starts from what ``bayes`` expects.

    Decisions at unknown odds are passed over: they may have been chosen by what the rows do not show.
    """
    known = logged.take(np.flatnonzero(~np.isnan(logged.propensities).any(axis=1)))
    made = UpliftPolicy(
        version=version,
        settings=settings,
        interventions=tuple(interventions),
        rows=columns,
        target=_TARGETS.get(learner, Target.UPLIFT),
        boosters=(),
        learner=str(learner),
        bayes=bayes,
    )
    if made.target is not Target.UPLIFT:
        examples = outcome_examples(known, columns, made.target, bayes)
    else:
        nuisance = outcomes_of_others(known, made, bag, seed=seed, threads=threads)
        build = imputed_examples if learner is Learner.X else doubly_robust_examples
        examples = build(known, columns, nuisance)
    return replace(made, boosters=fit_bag(examples, columns, bag, seed=seed, threads=threads, progress=progress))


def decision_weights(logged: LoggedDecisions) -> FloatArray:
    """Return for how many decisions (N,) each stands: as if all had been drawn evenly among what was eligible.

    One over the number of options, over the propensity of the chosen one; at most :data:`LARGEST_WEIGHT`.
    """
    even = 1.0 / logged.eligible.sum(axis=1)
    found: FloatArray = np.minimum(even / logged.propensity, LARGEST_WEIGHT)
    return found


def outcome_examples(
    logged: LoggedDecisions, columns: OptionRows, target: Target, bayes: BayesPolicy | None = None
) -> Examples:
    """Return the S-learner's: a row a decision, about what was chosen, from the margin on that is to be corrected."""
    rows = columns.of_logged(logged)
    columns.put(rows, columns.places_of(logged)[logged.chosen])
    start = rows[:, GOING_ON]
    if target is Target.OVER_DECLARED:
        start = declared_log_odds(rows)
    elif target is Target.OVER_BAYES and bayes is not None:
        start = bayes.margins(logged)[np.arange(len(logged)), logged.chosen]
    return Examples(rows, logged.converted, decision_weights(logged), start, logged.units, "binary")


def outcomes_of_others(
    logged: LoggedDecisions, policy: UpliftPolicy, bag: BagSettings, *, seed: int, threads: int
) -> FloatArray:
    """Return the goal's probability with each option (N, A), each by an S-learner that has not seen the person."""
    found = np.empty(logged.propensities.shape)
    part = folds(logged.units, NUISANCE_FOLDS, seed)
    small = replace(bag, members=min(bag.members, _NUISANCE_MEMBERS))
    for fold in range(NUISANCE_FOLDS):
        others, mine = logged.take(part != fold), logged.take(part == fold)
        examples = outcome_examples(others, policy.rows, Target.LOG_ODDS)
        boosters = fit_bag(examples, policy.rows, small, seed=seed + fold, threads=threads)
        model = replace(policy, boosters=boosters, target=Target.LOG_ODDS, bayes=None)
        found[part == fold] = model.probabilities(mine)
    return found


def imputed_examples(logged: LoggedDecisions, columns: OptionRows, nuisance: FloatArray) -> Examples:
    """Return the X-learner's: Y - mu_0(x) of those who were shown an option, mu_a(x) - Y of those shown nothing.

    Kuenzel et al. 2019, equations 8 and 9, both in one regression: the former weigh 1 - g, the latter g, with g the
    odds of the option against nothing, which is how the paper averages the two models.
    """
    decision, option = np.nonzero(logged.eligible)
    compared = option > 0
    decision, option = decision[compared], option[compared]
    chosen = logged.chosen[decision]
    taught = (chosen == option) | (chosen == 0)
    decision, option, chosen = decision[taught], option[taught], chosen[taught]
    odds = logged.propensities[decision, option]
    share = odds / (odds + logged.propensities[decision, 0])
    treated = chosen == option
    outcome = logged.converted[decision]
    difference = np.where(treated, outcome - nuisance[decision, 0], nuisance[decision, option] - outcome)
    weights = decision_weights(logged)[decision] * np.where(treated, 1.0 - share, share)
    return _differences(logged, columns, decision, option, difference, weights)


def doubly_robust_examples(logged: LoggedDecisions, columns: OptionRows, nuisance: FloatArray) -> Examples:
    """Return the DR-learner's: for every eligible option the score of its difference to nothing.

    Kennedy 2023, equation 3: mu_a(x) - mu_0(x) + [A = a](Y - mu_a(x)) / e_a - [A = 0](Y - mu_0(x)) / e_0; weights of
    more than :data:`LARGEST_WEIGHT` times the even one are cut.
    """
    decision, option = np.nonzero(logged.eligible)
    compared = option > 0
    decision, option = decision[compared], option[compared]
    count = logged.eligible.sum(axis=1)[decision]
    missed = logged.converted[decision] - nuisance[decision, logged.chosen[decision]]
    weight = np.minimum(1.0 / logged.propensity[decision], LARGEST_WEIGHT * count)
    chosen = logged.chosen[decision]
    sign = (chosen == option).astype(np.float64) - (chosen == 0)
    score = nuisance[decision, option] - nuisance[decision, 0] + sign * weight * missed
    return _differences(logged, columns, decision, option, score, np.ones(len(decision)))


def _differences(
    logged: LoggedDecisions,
    columns: OptionRows,
    decision: IntArray,
    option: IntArray,
    difference: FloatArray,
    weights: FloatArray,
) -> Examples:
    rows = columns.of_logged(logged)[decision]
    columns.put(rows, columns.places_of(logged)[option])
    start = np.zeros(len(decision))
    return Examples(rows, difference, weights, start, logged.units[decision], "regression")
