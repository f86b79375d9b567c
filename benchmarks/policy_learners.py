"""Who learns a policy from logged decisions in the benchmark: what is shipped, and the references beside it."""

from collections.abc import Callable
from dataclasses import dataclass

import lightgbm
import numpy as np

from decisions.bayes_policy import BayesPolicy
from decisions.effect_terms import logit
from decisions.intervention import Intervention
from decisions.logged import LoggedDecisions
from decisions.off_policy.payoff import net_values
from decisions.off_policy.priors import WeighablePriors
from decisions.posterior import Posterior
from features.events import FloatArray, IntArray
from features.table import FeatureTable
from features.vocabulary import Vocabulary
from journeys.journey import Journey
from training.uplift.bag import BagSettings
from training.uplift.candidates import Ground, Recipe
from training.uplift.learners import Learner as Learning
from training.uplift.train_policy import learn_on

BLENDED = (
    Recipe(Learning.OVER_DECLARED),
    Recipe(Learning.OVER_BAYES),
    Recipe(Learning.S),
    Recipe(Learning.OVER_DECLARED, raw=True),
    Recipe(Learning.S, raw=True),
)
"""Boosted ways that the blend chooses among."""
Expects = Callable[[LoggedDecisions], FloatArray]
"""What somebody expects each option to be worth more than doing nothing, (N, A); -inf where it is not eligible."""
_RIDGE = 1.0
_TREES = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 40,
    "num_threads": 1,
    "seed": 7,
    "deterministic": True,
    "verbose": -1,
}
_ROUNDS = 150


@dataclass(frozen=True, slots=True)
class Setup:
    """Whose decisions are learnt from; ``interventions`` are those among the options."""

    journey: Journey
    interventions: tuple[Intervention, ...]
    vocabulary: Vocabulary

    @property
    def table(self) -> FeatureTable:
        """The features of the rows."""
        return self.journey.table


Learner = Callable[[Setup, LoggedDecisions], Expects]


def priors(setup: Setup, _logged: LoggedDecisions) -> Expects:
    """What the journey declares, whatever was logged."""
    return WeighablePriors(setup.journey.policy, setup.interventions).net_values


def best_single(setup: Setup, logged: LoggedDecisions) -> Expects:
    """The option that brought most on average, where it is eligible: by inverse propensities, against doing nothing."""
    worth = logged.worth(setup.interventions, setup.journey.policy) / logged.propensity
    nothing = np.where(logged.chosen == 0, worth, 0.0)
    gains = np.full(len(logged.options), -np.inf)
    for option in range(1, len(gains)):
        could = logged.eligible[:, option]
        gains[option] = (np.where(logged.chosen == option, worth, 0.0) - nothing)[could].mean()
    best = int(gains.argmax())

    def expects(asked: LoggedDecisions) -> FloatArray:
        found = np.where(asked.eligible, -1.0, -np.inf)
        found[:, 0] = 0.0
        found[asked.eligible[:, best], best] = gains[best]
        return found

    return expects


def bayes(setup: Setup, logged: LoggedDecisions) -> Expects:
    """The Bayesian policy that the service learns by."""
    start = Posterior.start(setup.interventions, setup.journey.policy, logged.stages, logged.frictions)
    posterior = start.learn(logged)
    return BayesPolicy(posterior, setup.interventions, setup.journey.policy, "benchmark").net_values


def ridge(setup: Setup, logged: LoggedDecisions) -> Expects:
    """A ridge logistic regression, situation x option, that knows nothing of what was declared."""
    from sklearn.linear_model import LogisticRegression

    seen = _situation(logged)
    mean, spread = seen.mean(axis=0), seen.std(axis=0) + 1e-9
    model = LogisticRegression(C=_RIDGE, max_iter=2_000)
    model.fit(_crossed((seen - mean) / spread, logged.chosen, len(logged.options)), logged.converted)

    def odds(asked: LoggedDecisions, option: int) -> FloatArray:
        design = _crossed((_situation(asked) - mean) / spread, np.full(len(asked), option), len(asked.options))
        return np.asarray(model.predict_proba(design))[:, 1]

    return _gains(setup, odds)


def s_learner(setup: Setup, logged: LoggedDecisions) -> Expects:
    """A plain LightGBM of the goal on the raw features and the option."""
    categories = [place for place, feature in enumerate(setup.table.features) if feature.is_category]
    data = lightgbm.Dataset(
        _with_option(setup, logged, logged.chosen),
        logged.converted,
        categorical_feature=[*categories, len(setup.table.features) + 1],
    )
    model = lightgbm.train(_TREES, data, num_boost_round=_ROUNDS)

    def odds(asked: LoggedDecisions, option: int) -> FloatArray:
        return np.asarray(model.predict(_with_option(setup, asked, np.full(len(asked), option)), num_threads=1))

    return _gains(setup, odds)


def blend(setup: Setup, logged: LoggedDecisions) -> Expects:
    """What `dropoff policy train` chooses by held-out doubly-robust value; without X and DR, which take long."""
    ground = Ground(setup.interventions, setup.journey.policy, logged.stages, logged.frictions, setup.table)
    return learn_on(ground, logged, BLENDED, bag=BagSettings(members=8)).policy.net_values


def _gains(setup: Setup, odds: Callable[[LoggedDecisions, int], FloatArray]) -> Expects:
    def expects(asked: LoggedDecisions) -> FloatArray:
        payoff = net_values(asked.options, setup.interventions, setup.journey.policy)
        worth = payoff.expected(np.stack([odds(asked, option) for option in range(len(asked.options))], axis=1))
        return np.where(asked.eligible, worth - worth[:, :1], -np.inf)

    return expects


def _situation(logged: LoggedDecisions) -> FloatArray:
    stage = logged.stage[:, None] == np.arange(len(logged.stages))
    found: FloatArray = np.column_stack((logit(1.0 - logged.risk), stage, logged.confidence))
    return found


def _crossed(seen: FloatArray, option: IntArray, options: int) -> FloatArray:
    """Return the situation (N, Q), and once more beside each option (N, Q + A (Q + 1))."""
    chosen = option[:, None] == np.arange(1, options)
    with_one = np.column_stack((np.ones(len(seen)), seen))
    crossed = (chosen[:, :, None] * with_one[:, None, :]).reshape(len(seen), -1)
    return np.column_stack((seen, crossed))


def _with_option(setup: Setup, logged: LoggedDecisions, option: IntArray) -> FloatArray:
    if logged.rows is None:
        raise ValueError("an S-learner needs the raw features at each decision")
    return np.column_stack((setup.vocabulary.apply(logged.rows), logit(1.0 - logged.risk), option))


REFERENCES: dict[str, Learner] = {
    "best single option": best_single,
    "declared priors": priors,
    "ridge logistic": ridge,
    "plain S-learner": s_learner,
}
SHIPPED: dict[str, Learner] = {"Bayesian": bayes, "blend": blend}
