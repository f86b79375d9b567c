"""Distances between distributions are those of the textbooks, and chance keeps within its bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from decisions.shift import FALSE_ALARMS, expected_psi, largest_gap_by_chance, largest_psi_by_chance, occupied, psi

COUNTS = st.lists(st.integers(0, 500), min_size=2, max_size=12).filter(any)


def test_with_many_rows_the_psi_is_that_of_the_definition() -> None:
    # (.2 - .5) ln(.2 / .5) + (.8 - .5) ln(.8 / .5)
    arithmetic = -0.3 * np.log(0.4) + 0.3 * np.log(1.6)
    assert psi(np.array([50.0, 50.0]), np.array([20.0, 80.0]), 1e9, 1e9) == pytest.approx(arithmetic, rel=1e-6)


@given(COUNTS, st.floats(30, 1e5), st.floats(30, 1e5))
def test_a_distribution_is_at_no_distance_from_itself(counts: list[int], before: float, now: float) -> None:
    same = np.array(counts, float)
    assert psi(same, 3 * same, before, now) == pytest.approx(0, abs=1e-12)


@given(st.data())
def test_the_psi_is_positive_finite_and_the_same_in_both_directions(data: st.DataObject) -> None:
    before = np.array(data.draw(COUNTS), float)
    now = np.array(data.draw(st.lists(st.integers(0, 500), min_size=len(before), max_size=len(before)).filter(any)))
    there, back = psi(before, now, 200, 900), psi(now, before, 900, 200)
    assert 0 <= there < np.inf
    assert there == pytest.approx(back, abs=1e-12)


def test_two_samples_of_one_distribution_lie_as_far_apart_as_is_expected_and_seldom_beyond_chance() -> None:
    rng = np.random.default_rng(1)
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    drawn = [psi(*rng.multinomial([400, 900], shares).astype(float), 400, 900) for _ in range(2_000)]
    assert np.mean(drawn) == pytest.approx(expected_psi(4, 400, 900), rel=0.05)
    bound = largest_psi_by_chance(4, 400, 900, comparisons=1)
    assert 0.002 < np.mean(np.array(drawn) > bound) < 0.02


def test_the_bounds_are_quantiles_of_chi_square_and_normal() -> None:
    chi = stats.chi2.ppf(1 - FALSE_ALARMS / 50, 9) * (1 / 300 + 1 / 70)
    assert largest_psi_by_chance(10, 300, 70, 50) == pytest.approx(chi)
    normal = stats.norm.ppf(1 - FALSE_ALARMS / 50 / 2) * np.sqrt(0.21 * (1 / 300 + 1 / 70))
    assert largest_gap_by_chance(0.21, 300, 70, 50) == pytest.approx(normal)


def test_bins_that_are_empty_on_both_sides_are_not_counted() -> None:
    assert occupied(np.array([3.0, 0, 0, 1]), np.array([0.0, 0, 2, 0])) == 3
