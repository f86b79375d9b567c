"""What is usual at a stage is its median, and nothing where most have nothing."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.deletion import usual_values

MISSING = np.nan


def test_the_usual_value_is_the_lower_median_of_the_stage() -> None:
    rows = np.array([[1.0, 5.0], [2.0, MISSING], [9.0, MISSING], [4.0, 6.0], [7.0, 8.0]])
    stages = np.array([0.0, 0.0, 0.0, MISSING, MISSING])
    usual = usual_values(rows, stages)
    assert set(usual) == {-1.0, 0.0}
    np.testing.assert_array_equal(usual[0.0], [2.0, MISSING])  # of three only one has the second
    np.testing.assert_array_equal(usual[-1.0], [4.0, 6.0])


@given(st.lists(st.one_of(st.floats(-9, 9), st.just(MISSING)), min_size=1, max_size=20))
def test_half_of_the_known_values_are_no_larger_than_the_usual_one(values: list[float]) -> None:
    column = np.array(values)
    [usual] = usual_values(column[:, None], np.zeros(len(values)))[0.0]
    known = column[~np.isnan(column)]
    if 2 * len(known) <= len(column):
        assert np.isnan(usual)
    else:
        assert usual in known
        assert (known <= usual).mean() >= 0.5
        assert (known >= usual).mean() >= 0.5
