"""What is usual: by stage and length, drawn in by the logarithm, bounded, and nothing where nothing happened."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_shop import Trained

from decisions.expectations import EXPOSURES, LEAST_SURPRISE, MOST_SURPRISE, Expectations, cells, directed, stage_rows


@pytest.mark.parametrize(
    ("stage", "events", "cell"),
    [(math.nan, 1, 0), (0.0, 1, 6), (0.0, 3, 7), (0.0, 4, 8), (1.0, 31, 16), (1.0, 32, 17), (1.0, 10_000, 17)],
)
def test_cells_are_stages_by_doublings_of_the_events(trained: Trained, stage: float, events: float, cell: int) -> None:
    row = np.array([[stage, events, np.nan, 0.0, 0.0, np.nan]])
    assert EXPOSURES == 6
    assert cells(trained.table, row)[0] == cell
    assert stage_rows(trained.table, row)[0] == cell // EXPOSURES


def test_excess_is_weight_times_surprise(trained: Trained) -> None:
    row = np.array([[1.0, 8.0, -5.0, 0.0, 3.0, 20.0]])
    usual = trained.model.expectations
    cell, stage = 2 * EXPOSURES + 3, 2
    for place, value in ((3, 0.0), (4, 3.0), (5, 20.0)):
        surprise = (math.log1p(value) - usual.means[cell, place]) / usual.spreads[cell, place]
        expected = usual.weights[stage, place] * min(max(surprise, LEAST_SURPRISE), MOST_SURPRISE)
        assert usual.excess(trained.table, row)[0, place] == pytest.approx(expected)


def test_context_has_no_excess_and_missing_values_have_none(trained: Trained) -> None:
    rows = np.array([[1.0, 8.0, -5.0, np.nan, 5.0, np.nan]])
    excess = trained.model.expectations.excess(trained.table, rows)[0]
    assert excess[[0, 1, 2, 3, 5]].tolist() == [0, 0, 0, 0, 0]
    assert excess[4] > 0


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_surprise_is_bounded_whatever_the_value(trained: Trained, value: float) -> None:
    row = np.array([[0.0, 2.0, np.nan, value, 1.0, 1.0]])
    surprise = trained.model.expectations.surprise(trained.table, row)
    assert ((surprise >= LEAST_SURPRISE) & (surprise <= MOST_SURPRISE)).all()


def test_direction_turns_only_what_is_worse_when_less(trained: Trained) -> None:
    rows = np.array([[0.0, 2.0, np.nan, 3.0, 1.0, 1.0]])
    assert directed(trained.table, rows)[0, 3] == math.log1p(3.0)


def test_expectations_survive_json(trained: Trained) -> None:
    usual = trained.model.expectations
    again = Expectations.from_json(usual.to_json())
    for name in ("means", "spreads", "weights"):
        np.testing.assert_array_equal(getattr(again, name), getattr(usual, name))
