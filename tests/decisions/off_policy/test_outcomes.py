"""The outcome model: cross-fitted by person, against another library and against learning it anew."""

import numpy as np
import pytest
from few_decisions import decisions, drawn
from sklearn.linear_model import LogisticRegression

from decisions.off_policy.estimators import Estimator, score
from decisions.off_policy.intervals import mean_interval
from decisions.off_policy.outcomes import given_outcomes, learn_outcomes
from decisions.off_policy.payoff import goals


def test_the_coefficients_are_those_of_a_ridge_logistic_regression() -> None:
    # Only a level, a margin and each option's shift: no stage, no friction.
    logged = drawn(5, 900)
    logged = decisions(
        logged.chosen.tolist(), logged.converted.tolist(), logged.propensities.tolist(), risk=logged.risk.tolist(),
        stage=[-1] * 900,
    )  # fmt: skip
    margin = np.log(logged.risk / (1 - logged.risk))
    shifts = (logged.chosen[:, None] == [1, 2]).astype(float)
    found = learn_outcomes(logged, folds=3, seed=1)
    for fold in found.folds:
        rows = fold.learnt
        other = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000)
        other.fit(np.column_stack([margin, shifts])[rows], logged.converted[rows])
        expected = other.predict_proba(np.column_stack([margin, np.ones(900), np.zeros(900)])[fold.predicted])[:, 1]
        np.testing.assert_allclose(found.probabilities[fold.predicted, 1], expected, rtol=1e-4)


def test_nobody_is_predicted_by_what_was_learnt_of_them() -> None:
    logged = drawn(6, 500, people=120)
    found = learn_outcomes(logged)
    covered = np.concatenate([fold.predicted for fold in found.folds])
    assert sorted(covered.tolist()) == list(range(500))
    for fold in found.folds:
        assert not set(logged.units[fold.predicted].tolist()) & set(logged.units[fold.learnt].tolist())


def test_what_came_of_a_person_changes_no_probability_of_theirs() -> None:
    logged = drawn(7, 300, people=60)
    before = learn_outcomes(logged).probabilities
    mine = logged.units == logged.units[0]
    logged.converted[mine] = 1 - logged.converted[mine]
    after = learn_outcomes(logged).probabilities
    np.testing.assert_allclose(after[mine], before[mine], rtol=1e-6)
    assert np.abs(after[~mine] - before[~mine]).max() > 1e-4


def test_a_single_person_cannot_be_parted() -> None:
    logged = decisions([0, 1], [0, 1], [[0.5, 0.5, 0.0]] * 2, units=[3, 3])
    with pytest.raises(ValueError, match="single person"):
        learn_outcomes(logged)


def test_given_probabilities_have_one_for_each_option() -> None:
    with pytest.raises(ValueError, match=r"shape \(4, 2\), not \(4, 3\)"):
        given_outcomes(drawn(1, 4), np.zeros((4, 2)))


def test_the_interval_of_dm_counts_that_its_model_was_learnt() -> None:
    """Against learning it anew from people drawn with replacement: the bootstrap's standard error."""
    logged = drawn(8, 2_000)
    target, payoff = np.tile([0.0, 0.0, 1.0], (2_000, 1)), goals(logged.options)
    scores = score(Estimator.DM, logged, target, payoff, learn_outcomes(logged)).values
    found = mean_interval(scores, logged.units).error
    random, means = np.random.default_rng(9), []
    for _ in range(60):
        again = logged.take(random.integers(0, 2_000, 2_000))
        means.append(float((learn_outcomes(again, folds=2).probabilities * target).sum(axis=1).mean()))
    assert found == pytest.approx(np.std(means, ddof=1), rel=0.3)
    # What the predictions alone would say is far less.
    plain = learn_outcomes(logged).probabilities[:, 2].std() / np.sqrt(2_000)
    assert plain < 0.5 * found
