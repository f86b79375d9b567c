"""Fitting: what rows weigh, when it stops, and that the same seed gives the same model."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_rows import rows, table, vocabulary
from sklearn.metrics import log_loss, roc_auc_score

from training.fit import EARLY_STOPPING_TREES, MAX_TREES, Rows, Settings, directions, fit, row_weights

TABLE = table()
TRAINING, TUNING = rows(3_000, 1), rows(1_000, 2)
VOCABULARY = vocabulary(TRAINING)


def fitted(training: Rows = TRAINING, settings: Settings | None = None, **changes: Any) -> Any:
    options: dict[str, Any] = {"seed": 1, "threads": 1, "trees": 30}
    return fit(TABLE, VOCABULARY, training, settings or Settings(), **{**options, **changes})


@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=60), st.floats(0, 1))
def test_weights_have_mean_one_and_fall_with_the_events_seen(drawn: list[int], power: float) -> None:
    after = np.array(drawn)
    weights = row_weights(after, power)
    assert weights.mean() == pytest.approx(1)
    np.testing.assert_allclose(weights / weights[0], (after / after[0]) ** -power)


def test_a_power_of_nothing_makes_all_rows_equal() -> None:
    assert row_weights(np.array([1, 9, 400]), 0.0).tolist() == [1.0] * 3


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_booster_starts_from_the_weighted_base_rate(power: float) -> None:
    # 400 abandoned rows that have seen sixteen events, against 1,600 that have seen one and were not.
    labels, after = np.repeat([1.0, 0.0], [400, 1_600]), np.repeat([16, 1], [400, 1_600])
    training = Rows(rows(2_000, 3).features, labels, after)
    booster = fitted(training, Settings(prefix_weighting=power, min_data_in_leaf=2_000), trees=1)
    abandoned = 400 * 16.0**-power
    expected = abandoned / (abandoned + 1_600)
    np.testing.assert_allclose(booster.predict(training.features[:5]), expected, rtol=1e-5)


def test_it_learns_what_there_is_to_learn() -> None:
    booster = fitted(trees=100)
    risks = booster.predict(VOCABULARY.apply(TUNING.features))
    # The true log-odds have an AUC of .80 on these rows.
    assert roc_auc_score(TUNING.labels, risks) > 0.75
    gains = dict(zip(TABLE.names, booster.feature_importance("gain"), strict=True))
    assert set(sorted(gains, key=lambda name: gains[name])[-3:]) == {"form_errors", "idle_seconds", "device"}


def test_categories_are_split_as_sets_and_all_features_keep_their_names() -> None:
    booster = fitted()
    assert booster.feature_name() == list(TABLE.names)
    nodes = booster.trees_to_dataframe().dropna(subset=["decision_type"])
    assert set(nodes.loc[nodes.split_feature == "device", "decision_type"]) == {"=="}
    assert set(nodes.loc[nodes.split_feature != "device", "decision_type"]) == {"<="}


def test_it_stops_when_the_tuning_rows_want_no_more_trees() -> None:
    seen: list[int] = []
    settings = Settings(learning_rate=0.3, min_data_in_leaf=20)
    booster = fitted(
        settings=settings,
        trees=None,
        tuning=TUNING,
        callbacks=[lambda environment: seen.append(environment.iteration)],
    )
    assert 1 < booster.best_iteration < MAX_TREES - EARLY_STOPPING_TREES
    assert booster.num_trees() == booster.best_iteration
    assert seen == list(range(booster.best_iteration + EARLY_STOPPING_TREES))
    # The trees that early stopping dropped, grown again.
    longer = fitted(settings=settings, trees=booster.best_iteration + EARLY_STOPPING_TREES)

    def loss(trees: int) -> float:
        risks = longer.predict(VOCABULARY.apply(TUNING.features), num_iteration=trees)
        return float(log_loss(TUNING.labels, risks, sample_weight=row_weights(TUNING.after, 0.5)))

    best = min(range(1, longer.num_trees() + 1), key=loss)
    assert best == booster.best_iteration
    assert booster.best_score["valid_0"]["binary_logloss"] == pytest.approx(loss(best), rel=1e-6)


def test_without_tuning_rows_it_grows_exactly_the_trees_asked_for() -> None:
    assert fitted(trees=17).num_trees() == 17


def test_trees_stay_small_enough_to_be_explained_in_time() -> None:
    settings = Settings(num_leaves=9, max_depth=3, min_data_in_leaf=5)
    nodes = fitted(settings=settings).trees_to_dataframe()
    leaves = nodes[nodes.split_feature.isna()].groupby("tree_index").size()
    assert 1 < leaves.max() <= 8  # a depth of 3 allows no more than 8 of the 9 leaves
    assert nodes.node_depth.max() == 4  # LightGBM counts the root as 1


def test_the_same_seed_gives_the_same_trees_whatever_the_threads_and_another_seed_others() -> None:
    first = fitted()
    frame = first.trees_to_dataframe()
    assert fitted().model_to_string() == first.model_to_string()
    assert fitted(threads=2).trees_to_dataframe().equals(frame)
    assert not fitted(seed=2).trees_to_dataframe().equals(frame)


def test_taking_rows_keeps_them_together() -> None:
    chosen = TRAINING.labels == 1
    taken = TRAINING.take(chosen)
    assert len(taken) == int(TRAINING.labels.sum())
    assert taken.labels.all()
    np.testing.assert_array_equal(taken.features, TRAINING.features[chosen])
    np.testing.assert_array_equal(taken.after, TRAINING.after[chosen])


def test_directions_follow_the_declarations() -> None:
    found = dict(zip(TABLE.names, directions(TABLE), strict=True))
    # More errors are worse; how long somebody idles and which device it is are nobody's blocker.
    assert found["form_errors"] == 1
    assert found["idle_seconds"] == found["device"] == 0
    turned = replace(TABLE.features[TABLE.names.index("form_errors")], less_is_worse=True)
    assert directions(replace(TABLE, features=(turned,))) == [-1]


def test_with_monotone_frictions_the_risk_never_falls_as_errors_grow() -> None:
    column = TABLE.names.index("form_errors")
    # Errors that lower the risk: what a late stage leaves.
    falling = Rows(TRAINING.features, np.where(TRAINING.features[:, column] > 0, 0.0, TRAINING.labels), TRAINING.after)

    def steps(*, monotone: bool) -> np.ndarray:
        booster = fitted(falling, Settings(monotone_frictions=monotone))
        grid = np.repeat(VOCABULARY.apply(falling.features[:1]), 41, axis=0)
        grid[:, column] = np.linspace(-3, 3, 41)
        return np.diff(booster.predict(grid))

    assert steps(monotone=True).min() >= 0
    assert steps(monotone=False).min() < 0
