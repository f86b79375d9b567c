"""Intervals of means over persons, against other ways to the same ends."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import f, ttest_1samp

from decisions.off_policy.intervals import mean_interval


def test_at_the_ends_the_likelihood_ratio_is_the_quantile() -> None:
    values = np.array([0.0, 0.2, 0.3, 0.9, 1.5, 4.0])
    found = mean_interval(values, np.arange(6))
    for end in (found.low, found.high):
        # The largest product of weights under which the mean is the end, by a solver that knows no formula.
        solved = minimize(
            lambda w: -np.log(np.maximum(w, 1e-12)).sum(),
            np.full(6, 1 / 6),
            constraints=[
                {"type": "eq", "fun": lambda w: w.sum() - 1},
                {"type": "eq", "fun": lambda w, end=end: w @ values - end},
            ],
            bounds=[(1e-9, 1)] * 6,
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-12},
        )
        ratio = 2 * (solved.fun - 6 * math.log(6))
        assert ratio == pytest.approx(f.ppf(0.95, 1, 5), rel=1e-3)


def test_of_many_even_values_it_is_that_of_the_t_test() -> None:
    values = np.random.default_rng(3).normal(5, 2, 4_000)
    found, classic = mean_interval(values, np.arange(4_000)), ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((classic.low, classic.high), abs=0.003)
    assert found.error == pytest.approx(values.std(ddof=1) / math.sqrt(4_000))


def test_of_skewed_values_the_long_end_is_on_the_side_of_the_rare_large_ones() -> None:
    values = np.zeros(500)
    values[:8] = 40.0
    found = mean_interval(values, np.arange(500))
    assert found.high - found.value > 1.3 * (found.value - found.low)
    assert found.low > 0


def test_ten_decisions_of_one_person_say_as_much_as_one() -> None:
    people = np.random.default_rng(4).gamma(0.5, 1.0, 80)
    once = mean_interval(people, np.arange(80))
    often = mean_interval(np.repeat(people, 10), np.repeat(np.arange(80), 10))
    assert (often.low, often.value, often.high) == pytest.approx((once.low, once.value, once.high), rel=1e-5)


def test_a_person_with_more_decisions_weighs_more() -> None:
    values, units = np.array([1.0, 1.0, 1.0, 0.0, 0.5]), np.array([7, 7, 7, 9, 2])
    found = mean_interval(values, units)
    assert found.value == pytest.approx(0.7)
    # Persons 7, 9 and 2 are off by .9, -.7 and -.2 in sum.
    assert found.error == pytest.approx(math.sqrt((0.81 + 0.49 + 0.04) * 3 / 2) / 5)


def test_of_one_person_nothing_is_known() -> None:
    found = mean_interval(np.array([1.0, 0.0]), np.array([4, 4]))
    assert (found.value, found.low, found.high) == (0.5, -math.inf, math.inf)


def test_what_never_differs_has_no_width() -> None:
    found = mean_interval(np.full(9, 2.0), np.arange(9))
    assert (found.low, found.high, found.error) == (2.0, 2.0, 0.0)


@given(
    values=st.lists(st.floats(-50, 50), min_size=3, max_size=40),
    by=st.floats(0.1, 10),
    shift=st.floats(-20, 20),
)
def test_it_moves_with_its_values_and_stays_among_them(values: list[float], by: float, shift: float) -> None:
    known = np.array(values)
    units = np.arange(len(values))
    found, moved = mean_interval(known, units), mean_interval(known * by + shift, units)
    assert known.min() - 1e-9 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= known.max() + 1e-9
    scale = by * (known.max() - known.min()) + abs(shift) + 1
    for end in ("low", "value", "high"):
        assert getattr(moved, end) == pytest.approx(getattr(found, end) * by + shift, abs=1e-4 * scale)
