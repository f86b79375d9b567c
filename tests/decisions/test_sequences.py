"""Sequences are held against the formulas of their papers by hand, and against experiments that are looked at often."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import lambertw

from decisions.sequences import (
    Tuning,
    always_valid_p,
    multiplier,
    narrowest_ratio,
    radii,
    start_for,
    tune,
)

ALPHAS = st.floats(0.001, 0.3)


def test_the_multiplier_is_the_formula_of_waudby_smith() -> None:
    # Theorem 2.2: sqrt(2 (t rho^2 + 1) / (t^2 rho^2) log(sqrt(t rho^2 + 1) / alpha)) standard deviations, t = 500.
    narrowest, alpha, count = 1_000.0, 0.05, 500
    squared = narrowest_ratio(alpha) / narrowest
    radius = math.sqrt(
        2 * (count * squared + 1) / (count**2 * squared) * math.log(math.sqrt(count * squared + 1) / alpha)
    )
    assert float(multiplier(count, narrowest, alpha)) / math.sqrt(count) == pytest.approx(radius, rel=1e-12)


@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.2])
def test_the_narrowest_place_is_the_one_that_the_lambert_function_gives(alpha: float) -> None:
    # Waudby-Smith et al., appendix on the choice of rho: rho^2 = (-W_-1(-alpha^2 exp(-1)) - 1) / t.
    by_lambert = -lambertw(-(alpha**2) * math.exp(-1), -1).real - 1
    assert narrowest_ratio(alpha) == pytest.approx(by_lambert, rel=1e-9)


@given(ALPHAS, st.floats(10, 1e6), st.floats(0.01, 100))
def test_no_count_has_a_smaller_multiplier_than_the_narrowest(alpha: float, narrowest: float, part: float) -> None:
    here, there = multiplier(np.array([narrowest, part * narrowest]), narrowest, alpha)
    assert here <= there + 1e-12


@given(ALPHAS, st.floats(10, 1e6), st.floats(1, 1e7), st.floats(0, 8))
def test_the_p_value_is_below_alpha_just_where_the_interval_misses_zero(
    alpha: float, narrowest: float, count: float, z: float
) -> None:
    reach = float(multiplier(count, narrowest, alpha))
    if abs(z - reach) > 1e-6:
        assert (float(always_valid_p(z, count, narrowest, alpha)) < alpha) == (z > reach)


def test_the_p_value_is_one_over_the_mixture_of_likelihood_ratios() -> None:
    # Integral of the likelihood ratio exp(mu S - mu^2 n / 2) over mu from N(0, rho^2), by the trapezoid rule.
    count, z, alpha = 400, 2.5, 0.05
    squared = narrowest_ratio(alpha) / 1_000
    drifts = np.linspace(-10, 10, 400_001) * math.sqrt(squared)
    prior = np.exp(-(drifts**2) / (2 * squared)) / math.sqrt(2 * math.pi * squared)
    mixture = np.trapezoid(np.exp(drifts * z * math.sqrt(count) - drifts**2 * count / 2) * prior, drifts)
    assert float(always_valid_p(z, count, 1_000, alpha)) == pytest.approx(1 / mixture, rel=1e-6)


def test_there_is_no_interval_before_the_start() -> None:
    found = radii(np.ones(3), np.array([50.0, 999.0, 1_000.0]), np.array([100.0, 1_998.0, 2_000.0]), Tuning(), 0.05)
    assert np.isinf(found).tolist() == [True, True, False]


def test_nobody_at_all_has_an_infinite_interval() -> None:
    assert float(multiplier(0, 100, 0.05)) == math.inf


def test_the_start_is_a_fifth_of_a_small_plan_and_a_thousand_of_a_large_one() -> None:
    assert [start_for(size) for size in (100, 2_000, 5_000, 100_000)] == [100, 400, 1_000, 1_000]
    assert (tune(10_000).start_per_arm, tune(10_000).narrowest_per_arm) == (1_000, pytest.approx(7_000))
    assert tune(None) == tune(20_000)


def test_a_tuning_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot start at 0"):
        Tuning(0)


def test_of_many_experiments_without_any_change_few_are_ever_left_out() -> None:
    # 2,000 walks of 20,000 normal steps, looked at 200 times from 1,000 on: one in twenty at the very most.
    draws = np.random.default_rng(11).normal(size=(2_000, 200)) * math.sqrt(100)
    counts = np.arange(1, 201) * 100.0
    z = np.cumsum(draws, axis=1) / np.sqrt(counts)
    late = counts >= 1_000
    crossed = np.any((np.abs(z) > multiplier(counts, 14_000, 0.05)) & late, axis=1)
    plain = np.any(np.abs(z) > 1.96, axis=1)
    assert crossed.mean() < 0.035
    assert plain.mean() > 0.35
