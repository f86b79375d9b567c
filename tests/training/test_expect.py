"""What is usual is learnt from rows, and only traces that go with leaving get a weight."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from decisions.expectations import EXPOSURES
from features.friction import Friction
from features.scan import any_event, category, count, stage
from features.table import Feature, FeatureTable, Stage
from training.expect import SHRINKAGE_ROWS, fit_expectations

FORM, PAYMENT, PRICE = 2, 3, 4
TABLE = FeatureTable(
    ("view", "error"),
    (Stage("one", "view"),),
    (
        Feature("stage_index", stage, Friction.NONE, "at stage {:.0f}"),
        Feature("events_seen", count(any_event), Friction.NONE, "{:event|events} so far"),
        Feature("form_errors", count("error"), Friction.FORM, "{:error|errors}"),
        Feature("payments", count("error"), Friction.PAYMENT, "{:payment|payments}"),
        Feature("price", count("error"), Friction.PRICE, "{:.0f} euros"),
        Feature("device", category("device"), Friction.NONE, "device"),
    ),
)


def rows_of(size: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.column_stack(
        (
            np.zeros(size),
            rng.integers(1, 20, size),
            rng.poisson(1.0, size),
            rng.poisson(1.0, size),
            np.full(size, 7.0),
            np.full(size, -5.0),
        )
    ).astype(float)


def test_means_and_spreads_are_those_of_the_cell_drawn_to_the_whole() -> None:
    rows = rows_of(4_000)
    rows[rows[:, 1] == 1, FORM] = 5.0
    fitted = fit_expectations(TABLE, rows, np.zeros(len(rows)), seed=1)
    values = np.log1p(rows[:, FORM])
    here = rows[:, 1] == 1
    belief = here.sum() / (here.sum() + SHRINKAGE_ROWS)
    assert fitted.means[EXPOSURES, FORM] == pytest.approx(belief * np.log1p(5.0) + (1 - belief) * values.mean())
    assert fitted.spreads[EXPOSURES, FORM] == pytest.approx(np.sqrt((1 - belief) * values.var()))


def test_only_what_goes_with_leaving_gets_a_weight() -> None:
    rows = rows_of(20_000)
    odds = -2.0 + 1.2 * np.log1p(rows[:, FORM]) - 1.0 * np.log1p(rows[:, PAYMENT])
    leaves = (np.random.default_rng(2).random(len(rows)) < 1 / (1 + np.exp(-odds))).astype(float)
    weights = fit_expectations(TABLE, rows, leaves, seed=1).weights
    assert weights[1, FORM] > 0.3
    # What goes with staying is no blocker, however strongly.
    assert weights[1, PAYMENT] == 0
    assert (weights >= 0).all()
    assert not weights[:, [0, 1, 5]].any()


def test_the_weight_is_that_of_a_ridge_regression() -> None:
    rows = rows_of(20_000)
    rows[:, 1] = 4.0
    leaves = (np.random.default_rng(3).random(len(rows)) < 1 / (1 + np.exp(1 - np.log1p(rows[:, FORM])))).astype(float)
    fitted = fit_expectations(TABLE, rows, leaves, seed=1)
    surprise = fitted.surprise(TABLE, rows)[:, [FORM]]
    # scikit-learn's C is 1 / (2 * ridge) for the ridge on the square; both stages of shrinkage agree on one stage.
    expected = LogisticRegression(C=1 / 40, tol=1e-8).fit(surprise, leaves).coef_[0, 0]
    assert fitted.weights[1, FORM] == pytest.approx(expected, rel=0.02)


def test_a_stage_that_nobody_reached_takes_the_weights_of_all() -> None:
    rows = rows_of(5_000)
    leaves = (rows[:, FORM] > 1).astype(float)
    weights = fit_expectations(TABLE, rows, leaves, seed=1).weights
    assert weights[0, FORM] > 0


def test_the_same_seed_learns_the_same() -> None:
    rows, leaves = rows_of(3_000), (rows_of(3_000)[:, FORM] > 1).astype(float)
    first, second = (fit_expectations(TABLE, rows, leaves, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first.weights, second.weights)
