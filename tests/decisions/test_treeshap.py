"""The tables against LightGBM's own contributions, on any small model."""

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decisions.trees import UnsupportedModel
from decisions.treeshap import TreeExplainer


def train(seed: int, parameters: dict[str, object], trees: int = 12) -> tuple[lightgbm.Booster, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(600, 6))
    rows[:, 0] = rng.integers(0, 12, 600)
    rows[rng.random(rows.shape) < 0.25] = np.nan
    rows[rng.random(rows.shape) < 0.1] = 0.0
    signal = np.nan_to_num(rows[:, 1]) * np.nan_to_num(rows[:, 2]) + np.nan_to_num(rows[:, 3]) + (rows[:, 0] % 3 == 1)
    target = (signal + rng.normal(size=600) > 0.3).astype(float)
    settings_ = {
        "objective": "binary",
        "verbose": -1,
        "num_threads": 1,
        "min_data_in_leaf": 5,
        "min_data_per_group": 5,
        "seed": seed,
        **parameters,
    }
    data = lightgbm.Dataset(rows, target, categorical_feature=[0], free_raw_data=False)
    return lightgbm.train(settings_, data, trees), rows


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from((2, 5, 15, 31)),
    st.sampled_from((2, 5, 8)),
    st.booleans(),
    st.booleans(),
)
def test_contributions_are_lightgbms_own(
    seed: int, leaves: int, depth: int, zero_as_missing: bool, use_missing: bool
) -> None:
    booster, rows = train(
        seed,
        {"num_leaves": leaves, "max_depth": depth, "zero_as_missing": zero_as_missing, "use_missing": use_missing},
    )
    strange = rows[:8].copy()
    strange[:, 0] = [np.nan, -1.0, 99.0, 3.7, 0.0, 40.0, 11.0, 1e9]
    strange[:4, 1] = [np.inf, -np.inf, 1e-40, -0.0]
    chosen = np.concatenate((rows[:40], strange))
    explainer = TreeExplainer.of(booster)
    margins, contributions = explainer.explain(chosen)
    expected = np.asarray(booster.predict(chosen, pred_contrib=True))
    np.testing.assert_allclose(contributions, expected[:, :-1], atol=1e-9, rtol=0)
    np.testing.assert_allclose(explainer.base, expected[0, -1], atol=1e-9, rtol=0)
    np.testing.assert_allclose(margins, booster.predict(chosen, raw_score=True), atol=1e-9, rtol=0)
    np.testing.assert_allclose(explainer.base + contributions.sum(axis=1), margins, atol=1e-9, rtol=0)
    np.testing.assert_array_equal(explainer.margins(chosen), booster.predict(chosen, raw_score=True))


def test_infinity_is_known_where_a_split_parts_the_missing_from_the_known() -> None:
    booster, rows = train(663, {"num_leaves": 5, "max_depth": 5})
    strange = rows[:2].copy()
    strange[:, 1] = [np.inf, -np.inf]
    margins, contributions = TreeExplainer.of(booster).explain(strange)
    expected = np.asarray(booster.predict(strange, pred_contrib=True))
    np.testing.assert_allclose(contributions, expected[:, :-1], atol=1e-9, rtol=0)
    np.testing.assert_allclose(margins, booster.predict(strange, raw_score=True), atol=1e-9, rtol=0)


def test_a_stump_of_one_leaf_contributes_nothing() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 2))
    booster = lightgbm.train(
        {"objective": "regression", "verbose": -1, "num_threads": 1}, lightgbm.Dataset(rows, np.ones(50)), 2
    )
    margins, contributions = TreeExplainer.of(booster).explain(rows[:3])
    assert not contributions.any()
    np.testing.assert_allclose(margins, booster.predict(rows[:3], raw_score=True))


def test_a_stump_of_one_leaf_has_the_booster_s_margin() -> None:
    data = lightgbm.Dataset(np.zeros((50, 1)), np.repeat([0.0, 1.0], [20, 30]))
    stump = lightgbm.train({"objective": "binary", "verbose": -1}, data, 3)
    rows = np.array([[0.0], [np.nan], [5.0]])
    np.testing.assert_array_equal(TreeExplainer.of(stump).margins(rows), stump.predict(rows, raw_score=True))


def test_several_outputs_are_refused() -> None:
    rows = np.random.default_rng(0).normal(size=(90, 2))
    parameters = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(parameters, lightgbm.Dataset(rows, np.arange(90) % 3), 2)
    with pytest.raises(UnsupportedModel, match="one output"):
        TreeExplainer.of(booster)


def test_linear_trees_are_refused() -> None:
    booster, _ = train(1, {"linear_tree": True, "num_leaves": 4})
    with pytest.raises(UnsupportedModel, match="linear"):
        TreeExplainer.of(booster)
