"""The choice by doubly-robust value, and the parts it is made of."""

from dataclasses import replace

import numpy as np
import pytest
from planted import GROUND
from small_effects import INTERVENTIONS, SETTINGS, carry_out, goal_odds, situations

from decisions.logged import LoggedDecisions, costs
from decisions.off_policy.evaluate import NoOdds
from journeys.load import load_journey
from training.uplift.bag import BagSettings
from training.uplift.candidates import BAYES, PRIORS, Recipe, candidates_of, cross_fitted
from training.uplift.choice import Choice, choose_policy, draw_means
from training.uplift.curve import gain_curve
from training.uplift.learners import Learner
from training.uplift.persons import draw, folds
from training.uplift.train_policy import learn_policy, values_at

RECIPES = (Recipe(Learner.OVER_DECLARED), Recipe(Learner.S))
CANDIDATES = candidates_of(RECIPES)


def true_values(logged: LoggedDecisions) -> np.ndarray:
    shown, if_converted = costs(logged.options, INTERVENTIONS, SETTINGS)
    odds = goal_odds(logged)
    values = (odds - odds[:, :1]) * SETTINGS.goal_value - if_converted * odds - shown
    return np.where(logged.eligible, values, -np.inf)


def choose(logged: LoggedDecisions, good: str, bad: np.ndarray) -> Choice:
    values = {one.name: true_values(logged) if one.name == good else bad for one in CANDIDATES}
    return choose_policy(logged, values, CANDIDATES, INTERVENTIONS, SETTINGS, seed=1)


def test_what_is_clearly_better_counts_alone(learnt_from: LoggedDecisions) -> None:
    choice = choose(learnt_from, "S-learner", -true_values(learnt_from).clip(-9, 9) * learnt_from.eligible)
    assert choice.recipe == Recipe(Learner.S)
    assert choice.weight > 0.95
    winner = next(one for one in choice.table if one.name == "S-learner")
    assert winner.first > 0.95
    assert winner.over_bayes.low > 0


def test_where_nothing_beats_the_bayesian_policy_it_stays(learnt_from: LoggedDecisions) -> None:
    choice = choose(learnt_from, BAYES, -true_values(learnt_from).clip(-9, 9) * learnt_from.eligible)
    assert choice.recipe is None or choice.weight < 0.02


def test_what_cannot_be_told_apart_from_the_bayesian_policy_leaves_it_to_decide(learnt_from: LoggedDecisions) -> None:
    rng = np.random.default_rng(2)
    values = {
        one.name: np.where(learnt_from.eligible, rng.normal(size=learnt_from.propensities.shape), -np.inf)
        for one in CANDIDATES
    }
    choice = choose_policy(learnt_from, values, CANDIDATES, INTERVENTIONS, SETTINGS, seed=1)
    assert (choice.recipe, choice.weight) == (None, 0.0)
    assert "it takes 95%" in choice.reason


def test_blends_that_are_better_but_cannot_be_told_apart_are_averaged(learnt_from: LoggedDecisions) -> None:
    rng = np.random.default_rng(2)
    good, bad = true_values(learnt_from), -true_values(learnt_from).clip(-9, 9) * learnt_from.eligible
    # All blends decide as one should, but for a tenth that each gets wrong by chance.
    values = {
        one.name: bad if one.recipe is None else np.where(rng.random((len(good), 1)) < 0.1, bad, good)
        for one in CANDIDATES
    }
    choice = choose_policy(learnt_from, values, CANDIDATES, INTERVENTIONS, SETTINGS, seed=1)
    assert choice.recipe is not None
    assert 0.25 < choice.weight < 1.0


def test_the_weighed_value_covers_the_true_one(learnt_from: LoggedDecisions) -> None:
    choice = choose(learnt_from, "S-learner", np.where(learnt_from.eligible, 0.0, -np.inf))
    winner = next(one for one in choice.table if one.name == "S-learner")
    true = true_values(learnt_from).max(axis=1).mean()
    assert winner.over_nothing.low < true < winner.over_nothing.high


def test_a_blend_between_two_that_were_tried_has_values_between_theirs(learnt_from: LoggedDecisions) -> None:
    low, high = true_values(learnt_from), true_values(learnt_from) * 3
    values = {one.name: low if one.weight < 0.4 else high for one in CANDIDATES}
    choice = Choice(Recipe(Learner.S), 0.3, (), "")
    found = values_at(values, CANDIDATES, choice)
    # From .25 to .5 the values go from once to three times.
    known = learnt_from.eligible
    np.testing.assert_allclose(found[known], low[known] * (1 + 2 * 0.05 / 0.25))
    np.testing.assert_array_equal(values_at(values, CANDIDATES, replace(choice, weight=1.0)), high)


def test_persons_are_held_out_whole() -> None:
    units = np.repeat(np.arange(40), 3)
    part = folds(units, 4, 1)
    assert all(len(set(part[units == unit].tolist())) == 1 for unit in range(40))
    assert np.bincount(part).tolist() == [30, 30, 30, 30]


def test_a_persons_decisions_are_drawn_together() -> None:
    units = np.repeat(np.arange(50), 2)
    drawn = draw(units, 3)
    assert (drawn[::2] == drawn[1::2]).all()
    assert drawn[::2].sum() == 50
    assert 0.25 < (drawn[::2] == 0).mean() < 0.5


def test_means_in_draws_of_persons_spread_as_their_standard_error_says() -> None:
    scores = np.random.default_rng(1).normal(2.0, 1.0, (900, 1))
    drawn = draw_means(scores, np.arange(900), seed=2, draws=2_000)
    assert drawn.mean() == pytest.approx(scores.mean(), abs=0.01)
    assert drawn.std() == pytest.approx(scores.std() / 30, rel=0.06)


def test_no_candidate_has_seen_those_that_it_is_weighed_on() -> None:
    logged = carry_out(situations(900, 7), 7)
    values = cross_fitted(logged, GROUND, RECIPES, parts=3, bag=BagSettings(members=2, trees=10), seed=1)
    assert set(values) == {one.name for one in CANDIDATES}
    # With a third of the outcomes turned round, what is believed of exactly that third's people stays as it was.
    turned = folds(logged.units, 3, 1) == 0
    other = replace(logged, converted=np.where(turned, 1 - logged.converted, logged.converted))
    again = cross_fitted(other, GROUND, RECIPES, parts=3, bag=BagSettings(members=2, trees=10), seed=1)
    for name in values:
        np.testing.assert_array_equal(values[name][turned], again[name][turned])
    assert not np.array_equal(values["S-learner"][~turned], again["S-learner"][~turned])
    np.testing.assert_array_equal(values[PRIORS], again[PRIORS])


def test_the_gain_curve_adds_up_what_is_gained_in_the_order_that_was_expected() -> None:
    curve = gain_curve(np.array([0.1, 0.9, 0.5, -1.0]), np.array([0.0, 4.0, 2.0, -2.0]), points=5)
    np.testing.assert_allclose(curve.shares, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(curve.gains, [0, 1.0, 1.5, 1.5, 1.0])
    # Above the line to the end: 0, .75, 1, .75, 0; trapezoids of a width of .25.
    assert curve.qini == pytest.approx(0.25 * 2.5)
    np.testing.assert_allclose(curve.errors[-1], np.std([0.0, 4.0, 2.0, -2.0]) / 2)


def test_decisions_at_unknown_odds_teach_nothing() -> None:
    logged = carry_out(situations(50, 1), 1)
    with pytest.raises(NoOdds, match="known odds"):
        learn_policy(
            load_journey("ecommerce"), replace(logged, propensities=np.full(logged.propensities.shape, np.nan))
        )
