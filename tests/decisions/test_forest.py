"""Several models walked at once against LightGBM's own predictions."""

import lightgbm
import numpy as np
import pytest

from decisions.forest import Forest
from decisions.trees import UnsupportedModel


def boosters() -> tuple[list[lightgbm.Booster], np.ndarray]:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(500, 4))
    rows[:, 0] = rng.integers(0, 6, 500)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    target = (np.nan_to_num(rows[:, 1]) + (rows[:, 0] == 2) + rng.normal(size=500) > 0).astype(float)
    settings = {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_per_group": 5, "num_leaves": 6}
    data = [lightgbm.Dataset(rows, target * sign, categorical_feature=[0]) for sign in (1.0, 0.0, 1.0)]
    return [lightgbm.train(settings | {"seed": seed}, one, 9 + seed) for seed, one in enumerate(data)], rows


def test_models_walked_together_say_what_each_says_alone() -> None:
    trained, rows = boosters()
    margins = Forest.of(trained).margins(rows)
    for mine, booster in zip(margins, trained, strict=True):
        np.testing.assert_array_equal(mine, booster.predict(rows, raw_score=True))
    assert not np.array_equal(margins[0], margins[2])


def test_rows_that_are_alike_part_only_where_they_differ() -> None:
    trained, rows = boosters()
    # As of a hundred situations with five options each: columns 0 and 2 are the options' own.
    rows[:, [1, 3]] = np.repeat(rows[::5, [1, 3]], 5, axis=0)
    forest = Forest.of(trained)
    np.testing.assert_array_equal(forest.margins(rows, alike=5, varying=(0, 2)), forest.margins(rows))


def test_a_model_that_learnt_nothing_stands_between_others() -> None:
    trained, rows = boosters()
    # All targets are 0, so its only trees are leaves.
    assert np.ptp(Forest.of(trained).margins(rows)[1]) == 0.0


def test_a_model_of_several_outputs_is_refused() -> None:
    rng = np.random.default_rng(1)
    data = lightgbm.Dataset(rng.normal(size=(200, 2)), rng.integers(0, 3, 200))
    settings = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}
    with pytest.raises(UnsupportedModel, match="one output"):
        Forest.of([lightgbm.train(settings, data, 3)])
