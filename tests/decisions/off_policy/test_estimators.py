"""The estimators against arithmetic, against all logs there could have been, and in the cases where they agree."""

import itertools

import numpy as np
import pytest
from few_decisions import decisions, drawn
from hypothesis import given
from hypothesis import strategies as st

from decisions.off_policy.estimators import Estimator, choose_threshold, score, weights
from decisions.off_policy.outcomes import given_outcomes
from decisions.off_policy.payoff import Payoff, goals
from features.events import FloatArray

# The chat costs 1; a goal with the coupon brings 6 in place of 10.
PAYOFF = Payoff(np.array([10.0, 10.0, 6.0]), np.array([0.0, 1.0, 0.0]))
THREE = decisions(
    chosen=[0, 1, 2],
    converted=[1, 0, 1],
    propensities=[[0.5, 0.25, 0.25], [0.5, 0.5, 0.0], [0.25, 0.25, 0.5]],
)
TARGET = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.0, 0.5]])
EXPECTED = given_outcomes(THREE, np.array([[0.1, 0.2, 0.0], [0.1, 0.3, 0.0], [0.2, 0.0, 0.5]]))


def mean(estimator: Estimator) -> float:
    return float(score(estimator, THREE, TARGET, PAYOFF, EXPECTED).values.mean())


def test_weights_are_how_much_likelier_the_target_was_to_choose_it() -> None:
    assert weights(THREE, TARGET).tolist() == [0.0, 2.0, 1.0]


def test_ips_weighs_what_each_decision_brought() -> None:
    # 0 x 10, 2 x (-1), 1 x 6
    assert mean(Estimator.IPS) == pytest.approx((0 - 2 + 6) / 3)


def test_snips_divides_by_the_weights() -> None:
    assert mean(Estimator.SNIPS) == pytest.approx((0 - 2 + 6) / 3)
    doubled = TARGET.copy()
    doubled[0] = (0.5, 0.5, 0.0)
    # Weights 1, 2 and 1.
    found = score(Estimator.SNIPS, THREE, doubled, PAYOFF, EXPECTED).values.mean()
    assert found == pytest.approx((10 - 2 + 6) / 4)


def test_dm_believes_the_outcome_model() -> None:
    # .2 x 10 - 1; .3 x 10 - 1; half of .2 x 10 and half of .5 x 6
    assert mean(Estimator.DM) == pytest.approx((1.0 + 2.0 + 2.5) / 3)


def test_dr_corrects_the_outcome_model_by_its_weighted_errors() -> None:
    # Errors where the weight is not zero: -1 - 2 = -3, twice; 6 - 3 = 3, once.
    assert mean(Estimator.DR) == pytest.approx((1.0 + (2.0 - 6.0) + (2.5 + 3.0)) / 3)


def all_logs(propensities: FloatArray, rates: FloatArray) -> list[tuple[float, list[int], list[float]]]:
    """Every log of so many decisions that there could be, with its probability."""
    found = []
    for chosen in itertools.product(range(3), repeat=len(rates)):
        for converted in itertools.product((0.0, 1.0), repeat=len(rates)):
            probability = 1.0
            for row, (option, goal) in enumerate(zip(chosen, converted, strict=True)):
                rate = rates[row, option]
                probability *= propensities[row, option] * (rate if goal else 1 - rate)
            if probability:
                found.append((probability, list(chosen), list(converted)))
    return found


@pytest.mark.parametrize("estimator", [Estimator.IPS, Estimator.DR])
def test_over_all_logs_there_could_be_ips_and_dr_are_right_whatever_the_outcome_model_says(
    estimator: Estimator,
) -> None:
    propensities = np.array([[0.5, 0.25, 0.25], [0.2, 0.8, 0.0]])
    rates = np.array([[0.1, 0.4, 0.2], [0.3, 0.05, 0.0]])
    target = np.array([[0.0, 0.7, 0.3], [0.6, 0.4, 0.0]])
    wrong = np.array([[0.9, 0.0, 0.5], [0.0, 1.0, 0.2]])
    truth = float((target * (rates * PAYOFF.per_goal - PAYOFF.spent)).sum(axis=1).mean())
    expectation, total = 0.0, 0.0
    for probability, chosen, converted in all_logs(propensities, rates):
        logged = decisions(chosen, converted, propensities.tolist())
        values = score(estimator, logged, target, PAYOFF, given_outcomes(logged, wrong)).values
        expectation += probability * float(values.mean())
        total += probability
    assert total == pytest.approx(1)
    assert expectation == pytest.approx(truth)


def test_over_all_logs_dm_is_as_wrong_as_its_outcome_model() -> None:
    propensities, rates = np.full((1, 3), 1 / 3), np.array([[0.1, 0.4, 0.2]])
    target, wrong = np.array([[0.0, 1.0, 0.0]]), np.array([[0.9, 0.1, 0.5]])
    expectation = 0.0
    for probability, chosen, converted in all_logs(propensities, rates):
        logged = decisions(chosen, converted, propensities.tolist())
        values = score(Estimator.DM, logged, target, goals(logged.options), given_outcomes(logged, wrong)).values
        expectation += probability * float(values.mean())
    assert expectation == pytest.approx(0.1)


def test_dr_is_ips_where_the_outcome_model_expects_nothing_and_nothing_is_spent() -> None:
    logged = drawn(1, 300)
    target = np.tile([0.2, 0.3, 0.5], (300, 1))
    nought = given_outcomes(logged, np.zeros((300, 3)))
    payoff = goals(logged.options)
    np.testing.assert_allclose(
        score(Estimator.DR, logged, target, payoff, nought).values,
        score(Estimator.IPS, logged, target, payoff, nought).values,
    )


def test_dr_is_dm_where_the_outcome_model_is_never_wrong() -> None:
    logged = drawn(1, 300)
    known = np.tile(logged.converted[:, None], (1, 3))
    target = np.tile([0.2, 0.3, 0.5], (300, 1))
    payoff, outcomes = goals(logged.options), given_outcomes(logged, known)
    np.testing.assert_allclose(
        score(Estimator.DR, logged, target, payoff, outcomes).values,
        score(Estimator.DM, logged, target, payoff, outcomes).values,
    )


def test_switch_is_dr_where_missing_anything_would_be_worse_than_its_variance() -> None:
    logged = drawn(2, 4_000)
    target = np.tile([0.0, 0.5, 0.5], (4_000, 1))
    outcomes, payoff = given_outcomes(logged, np.full((4_000, 3), 0.05)), goals(logged.options)
    switched = score(Estimator.SWITCH_DR, logged, target, payoff, outcomes)
    assert switched.threshold == np.inf
    np.testing.assert_array_equal(switched.values, score(Estimator.DR, logged, target, payoff, outcomes).values)


def test_switch_does_not_believe_the_one_weight_that_is_far_too_large() -> None:
    # One of 100 decisions was made at odds of one in 10,000; all others were certain.
    odds = [[1.0, 0.0, 0.0]] * 99 + [[0.9999, 0.0001, 0.0]]
    logged = decisions([0] * 99 + [1], [0.0, 1.0] * 49 + [0.0, 1.0], odds)
    target = np.zeros((100, 3))
    target[:, 0] = 1.0
    target[99] = (0.9, 0.1, 0.0)
    payoff, outcomes = goals(logged.options), given_outcomes(logged, np.full((100, 3), 0.5))
    switched = score(Estimator.SWITCH_DR, logged, target, payoff, outcomes)
    # The weight is 1,000: DR's mean is beyond any rate, SWITCH's is not.
    assert score(Estimator.DR, logged, target, payoff, outcomes).values.mean() > 5
    assert 1 <= switched.threshold < 1_000
    assert switched.values.mean() == pytest.approx(0.5, abs=0.01)
    assert switched.values[99] == pytest.approx(0.5)


def test_without_any_shared_decision_there_is_no_threshold() -> None:
    logged = decisions([0, 0], [0.0, 1.0], [[1.0, 0.0, 0.0]] * 2)
    nowhere = np.array([[0.0, 1.0, 0.0]] * 2)
    assert choose_threshold(logged, nowhere, goals(logged.options), np.zeros(2), np.zeros(2)) == np.inf


@pytest.mark.parametrize("estimator", Estimator)
@given(seed=st.integers(0, 50), share=st.floats(0, 1))
def test_the_log_s_own_policy_is_worth_what_the_log_brought(estimator: Estimator, seed: int, share: float) -> None:
    logged = drawn(seed, 60, explored=0.3 + 0.7 * share)
    outcomes = given_outcomes(logged, logged.propensities @ np.ones((3, 3)) * 0.1)
    payoff = goals(logged.options)
    found = score(estimator, logged, logged.propensities, payoff, outcomes).values.mean()
    brought = 0.1 if estimator is Estimator.DM else logged.converted.mean()
    assert found == pytest.approx(brought)


@pytest.mark.parametrize("estimator", Estimator)
@given(seed=st.integers(0, 20), order=st.permutations((1, 2)))
def test_the_order_of_options_and_of_decisions_makes_no_difference(
    estimator: Estimator, seed: int, order: list[int]
) -> None:
    logged = drawn(seed, 50)
    random = np.random.default_rng(seed)
    target, expected = random.dirichlet(np.ones(3), 50), random.random((50, 3))
    found = score(estimator, logged, target, PAYOFF, given_outcomes(logged, expected)).values
    places, rows = np.array([0, *order]), random.permutation(50)
    moved = logged.take(rows)
    other = decisions(
        np.argsort(places)[moved.chosen].tolist(), moved.converted.tolist(), moved.propensities[:, places].tolist()
    )
    payoff = Payoff(PAYOFF.per_goal[places], PAYOFF.spent[places])
    again = score(
        estimator, other, target[rows][:, places], payoff, given_outcomes(other, expected[rows][:, places])
    ).values
    np.testing.assert_allclose(again, found[rows], atol=1e-12)


@given(seed=st.integers(0, 50), by=st.floats(0.01, 100))
def test_in_another_unit_of_value_every_estimate_is_the_same_in_that_unit(seed: int, by: float) -> None:
    logged = drawn(seed, 40)
    random = np.random.default_rng(seed)
    target, outcomes = random.dirichlet(np.ones(3), 40), given_outcomes(logged, random.random((40, 3)))
    scaled = Payoff(PAYOFF.per_goal * by, PAYOFF.spent * by)
    for estimator in Estimator:
        found = score(estimator, logged, target, PAYOFF, outcomes).values
        np.testing.assert_allclose(score(estimator, logged, target, scaled, outcomes).values, found * by, rtol=1e-9)
