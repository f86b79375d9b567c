"""The policy that learns: the same answers one by one and at once, exact propensities, and no harm."""

from dataclasses import replace

import numpy as np
import pytest
from small_effects import INTERVENTIONS, OPTIONS, SETTINGS, TRUE_EFFECTS, carry_out, goal_odds, situations, start

from decisions.bayes_policy import DRAWS, BayesPolicy
from decisions.intervention import Intervention
from decisions.logged import LoggedDecisions, costs
from decisions.policy import Situation
from decisions.posterior import Posterior


def policy_of(posterior: Posterior, version: str = "bayes-1") -> BayesPolicy:
    return BayesPolicy(posterior, INTERVENTIONS, SETTINGS, version)


@pytest.fixture(scope="module")
def learnt() -> BayesPolicy:
    return policy_of(start().learn(carry_out(situations(3_000, 1), 1)))


def situation_of(logged: LoggedDecisions, row: int) -> tuple[list[Intervention], Situation]:
    eligible = [one for place, one in enumerate(INTERVENTIONS, start=1) if logged.eligible[row, place]]
    confidence = dict(zip(logged.frictions, logged.confidence[row].tolist(), strict=True))
    stage = logged.stages[logged.stage[row]] if logged.stage[row] >= 0 else None
    return eligible, Situation(stage, float(logged.risk[row]), (), confidence)


def test_one_situation_is_assessed_as_many_are(learnt: BayesPolicy) -> None:
    logged = situations(60, 5)
    logged = replace(logged, stage=np.where(np.arange(60) % 7 == 0, -1, logged.stage))
    values, best = learnt.net_values(logged), learnt.best(logged)
    for row in range(len(logged)):
        eligible, situation = situation_of(logged, row)
        found = learnt.assess(eligible, situation)
        places = [0, *(OPTIONS.index(one.name) for one in eligible)]
        np.testing.assert_allclose(
            [0.0, *(option.net_value for option in found.options)], values[row, places], atol=1e-12
        )
        np.testing.assert_array_equal(found.best, best[row, places])
    assert np.isneginf(values[~logged.eligible]).all()
    assert (best[~logged.eligible] == 0).all()
    np.testing.assert_allclose(best.sum(axis=1), 1.0)


def test_options_in_another_order_and_fewer_of_them_get_the_same_answers(learnt: BayesPolicy) -> None:
    logged = situations(40, 6)
    order = np.array([0, 2, 1])
    fewer = replace(logged, options=tuple(OPTIONS[place] for place in order), propensities=np.full((40, 3), 1 / 3))
    np.testing.assert_array_equal(learnt.net_values(fewer)[:, 1:], learnt.net_values(logged)[:, order[1:]])


def test_the_probability_to_be_best_is_the_share_of_draws(learnt: BayesPolicy) -> None:
    logged = situations(30, 7)
    features, offset = learnt.posterior.terms.situations(logged)
    shown, if_converted = costs(OPTIONS, INTERVENTIONS, SETTINGS)
    wins = np.zeros((30, len(OPTIONS)))
    for draw in range(DRAWS):
        numbers = learnt.draws[:, [draw]]
        tau = learnt.posterior.terms.coefficients(numbers)[:, :, 0] @ features.T
        for row in range(30):
            base = offset[row] + tau[0, row]
            goal = [1 / (1 + np.exp(-(base + (tau[option, row] if option else 0.0)))) for option in range(len(OPTIONS))]
            worth = [
                (goal[option] - goal[0]) * 20.0 - shown[option] - if_converted[option] * goal[option] if option else 0.0
                for option in range(len(OPTIONS))
            ]
            allowed = [option for option in range(len(OPTIONS)) if logged.eligible[row, option]]
            wins[row, max(allowed, key=lambda option: worth[option])] += 1
    works = 1 - learnt.posterior.nothing_works
    expected = works * wins / DRAWS
    expected[:, 0] += 1 - works
    np.testing.assert_allclose(learnt.best(logged), expected, atol=1e-12)


def test_a_version_draws_the_same_and_another_version_others(learnt: BayesPolicy) -> None:
    np.testing.assert_array_equal(policy_of(learnt.posterior).draws, learnt.draws)
    assert not np.array_equal(policy_of(learnt.posterior, "bayes-2").draws, learnt.draws)
    np.testing.assert_allclose(learnt.draws.mean(axis=1), learnt.posterior.mean, atol=1e-9)


def test_draws_that_decide_spread_half_as_far_as_the_posterior(learnt: BayesPolicy) -> None:
    deviation = np.sqrt(np.diag(np.linalg.inv(learnt.posterior.belief.root @ learnt.posterior.belief.root.T)))
    assert np.mean(learnt.draws.std(axis=1) / deviation) == pytest.approx(0.5, rel=0.03)
    assert np.mean(replace(learnt, width=1.0).draws.std(axis=1) / deviation) == pytest.approx(1.0, rel=0.03)


def test_nothing_eligible_means_nothing_is_best(learnt: BayesPolicy) -> None:
    found = learnt.assess((), Situation("pay", 0.8, (), {}))
    assert found.options == ()
    assert found.best.tolist() == [1.0]


def test_a_posterior_of_other_interventions_is_refused(learnt: BayesPolicy) -> None:
    with pytest.raises(ValueError, match="posterior is of the interventions form_help"):
        BayesPolicy(learnt.posterior, INTERVENTIONS[1:], SETTINGS, "bayes-1")


def test_it_learns_what_works_for_whom(learnt: BayesPolicy) -> None:
    logged = situations(4_000, 8)
    shown, if_converted = costs(OPTIONS, INTERVENTIONS, SETTINGS)
    true = goal_odds(logged) * (SETTINGS.goal_value - if_converted) - shown
    true = np.where(logged.eligible, true, -np.inf)
    rows = np.arange(len(logged))
    chosen = learnt.net_values(logged).argmax(axis=1)
    never, best = true[:, 0].mean(), true.max(axis=1).mean()
    assert (true[rows, chosen].mean() - never) / (best - never) > 0.7


@pytest.mark.parametrize("everywhere", [0.0, -0.7])
def test_where_nothing_helps_it_stops_acting(everywhere: float) -> None:
    uniform = situations(16_000, 9)
    goal = goal_odds(uniform, 0 * TRUE_EFFECTS, everywhere)
    policy = policy_of(start().learn(carry_out(uniform, 9, goal=goal)))
    acted = 1 - policy.best(situations(2_000, 10))[:, 0].mean()
    assert acted < 0.05
