"""Importance: exact contributions of a sample, summed by friction."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.friction import Friction
from training.importance import (
    Explained,
    Sample,
    draw_sample,
    draw_share,
    explain,
    join_samples,
    mean_size,
    mean_size_by,
)

if TYPE_CHECKING:
    from conftest import Trained

pytestmark = [pytest.mark.xdist_group("training"), pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]


def test_contributions_are_the_boosters_own_and_the_sums_by_friction_lose_nothing(trained: "Trained") -> None:
    model = trained.result.model
    rng = np.random.default_rng(1)
    rows = rng.exponential(5.0, (50, len(model.table.features)))
    found = explain(model, Sample(np.arange(50), rows))
    expected = np.asarray(model.booster.predict(model.vocabulary.apply(rows), pred_contrib=True))
    np.testing.assert_allclose(found.contributions, expected[:, :-1], atol=1e-9)
    assert found.frictions[-1] == Friction.NONE
    assert set(found.frictions[:-1]) == set(trained.journey.table.frictions)
    np.testing.assert_allclose(found.base + found.by_friction.sum(axis=1), expected.sum(axis=1), atol=1e-9)
    for place, friction in enumerate(found.frictions):
        own = [column for column, feature in enumerate(model.table.features) if feature.friction == friction]
        np.testing.assert_allclose(found.by_friction[:, place], expected[:, own].sum(axis=1), atol=1e-9)


def test_a_friction_is_as_important_as_its_sum_not_as_its_parts(trained: "Trained") -> None:
    table = trained.journey.table
    form = [column for column, feature in enumerate(table.features) if feature.friction == Friction.FORM][:2]
    contributions = np.zeros((2, len(table.features)))
    contributions[:, form] = [[0.5, -0.5], [0.25, 0.25]]  # the first row's cancel
    found = Explained(Sample(np.arange(2), contributions), table, 0.0, contributions)
    sizes = mean_size(found.by_friction)
    assert sizes[list(table.frictions).index(Friction.FORM)] == 0.25
    assert sizes.sum() == 0.25
    by_row = mean_size_by(found.by_friction, [np.array([True, False]), np.array([False, True])])
    assert by_row.sum(axis=1).tolist() == [0.0, 0.5]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5), st.floats(0, 1))
def test_a_sample_drawn_in_parts_is_that_of_the_whole(lengths: list[int], share: float) -> None:
    rows = np.arange(sum(lengths), dtype=float)[:, None]
    whole = draw_share(rows, share, np.random.default_rng(1))
    rng = np.random.default_rng(1)
    parts = [draw_share(part, share, rng) for part in np.split(rows, np.cumsum(lengths)[:-1])]
    joined = join_samples(parts, lengths)
    np.testing.assert_array_equal(joined.places, whole.places)
    np.testing.assert_array_equal(joined.features, whole.features)
    np.testing.assert_array_equal(joined.features[:, 0], joined.places)


def test_a_sample_holds_different_rows_in_their_order() -> None:
    rows = np.arange(100.0)[:, None]
    sample = draw_sample(rows, seed=1, size=30)
    assert len(set(sample.places.tolist())) == 30
    assert (np.diff(sample.places) > 0).all()
    np.testing.assert_array_equal(sample.features[:, 0], sample.places)
    assert len(draw_sample(rows, seed=1, size=500).places) == 100
