"""Sizes are held against R's published figures, statsmodels' formula, and experiments that are run on the spot."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from decisions.experiment_size import ExperimentError, minimum_detectable, power_of, size_experiment

RATES = st.floats(0.005, 0.9)
RISES = st.floats(0.004, 0.09)


def test_sizes_are_those_that_the_documentation_of_r_gives() -> None:
    # ?power.prop.test: (p1 = .50, p2 = .75, power = .90) => n = 76.7; (n = 50, p1 = .50, p2 = .75) => power = 0.740
    assert size_experiment(0.5, 0.75, power=0.9).per_arm == 77
    assert power_of(0.5, 0.75, 50) == pytest.approx(0.740, abs=0.0005)


def test_a_fifth_more_of_five_percent_needs_8158_people_in_each_arm() -> None:
    # By hand: z(.975) = 1.959964, z(.8) = .841621; sqrt(2 x .055 x .945) = .322413; sqrt(.0475 + .0564) = .322335.
    by_hand = (1.959964 * 0.322413 + 0.841621 * 0.322335) ** 2 / 0.01**2
    assert size_experiment(0.05, 0.06).per_arm == math.ceil(by_hand) == 8158


@pytest.mark.parametrize(("baseline", "treated"), [(0.05, 0.06), (0.3, 0.27), (0.6, 0.62)])
def test_sizes_agree_with_the_arcsine_formula_of_statsmodels(baseline: float, treated: float) -> None:
    # statsmodels: NormalIndPower().solve_power(proportion_effectsize(p1, p2), alpha=.05, power=.8), Cohen (1988), ch. 6
    apart = 2 * math.asin(math.sqrt(treated)) - 2 * math.asin(math.sqrt(baseline))
    cohen = 2 * ((norm.ppf(0.975) + norm.ppf(0.8)) / apart) ** 2
    assert size_experiment(baseline, treated).per_arm == pytest.approx(cohen, rel=0.005)


def test_experiments_of_that_size_find_the_change_as_often_as_promised() -> None:
    size = size_experiment(0.10, 0.13, power=0.8)
    draws = np.random.default_rng(5)
    first, second = (draws.binomial(size.per_arm, rate, 40_000) / size.per_arm for rate in (0.10, 0.13))
    pooled = (first + second) / 2
    z = (second - first) / np.sqrt(2 * pooled * (1 - pooled) / size.per_arm)
    # The standard error of a share of 40,000 is .002.
    assert np.mean(z > norm.ppf(0.975)) == pytest.approx(0.8, abs=0.01)


def test_days_are_the_people_of_all_arms_over_the_traffic_rounded_up() -> None:
    size = size_experiment(0.05, 0.06, visitors_per_day=1_000)
    assert (size.total, size.days, size.weeks) == (16_316, 17, 3)
    assert size_experiment(0.05, 0.06).days is None
    assert size_experiment(0.05, 0.06).weeks is None


def test_three_arms_share_the_error_between_two_comparisons() -> None:
    three = size_experiment(0.05, 0.06, arms=3, visitors_per_day=1_000)
    assert three.per_arm == size_experiment(0.05, 0.06, alpha=0.025).per_arm
    assert three.total == 3 * three.per_arm


def test_a_fall_is_sized_like_a_rise_seen_from_the_other_side() -> None:
    assert size_experiment(0.06, 0.05).per_arm == size_experiment(0.05, 0.06).per_arm


def test_the_least_rise_is_the_one_whose_size_the_traffic_reaches() -> None:
    rise = minimum_detectable(0.05, visitors_per_day=1_000, days=16.316)
    assert rise == pytest.approx(0.01, rel=1e-3)


def test_too_little_traffic_detects_nothing_at_all() -> None:
    assert minimum_detectable(0.5, visitors_per_day=1, days=4) is None


@given(RATES, RISES, st.floats(0.5, 0.95), st.floats(0.001, 0.2))
def test_power_at_the_size_is_the_power_that_was_asked_for(
    baseline: float, rise: float, power: float, alpha: float
) -> None:
    size = size_experiment(baseline, baseline + rise, power=power, alpha=alpha)
    found = power_of(baseline, baseline + rise, size.per_arm, alpha=alpha)
    one_less = power_of(baseline, baseline + rise, size.per_arm - 1, alpha=alpha)
    assert one_less - 1e-9 <= power <= found + 1e-9


@given(RATES, RISES)
def test_a_larger_rise_needs_fewer_people(baseline: float, rise: float) -> None:
    smaller, larger = (size_experiment(baseline, baseline + part * rise).per_arm for part in (0.5, 1.0))
    assert larger < smaller


@given(RATES, st.floats(20, 5_000), st.integers(2, 90))
def test_what_is_detectable_can_be_sized_within_the_days(baseline: float, per_day: float, days: int) -> None:
    rise = minimum_detectable(baseline, visitors_per_day=per_day, days=days)
    if rise is not None and baseline + rise <= 1:
        size = size_experiment(baseline, baseline + rise, visitors_per_day=per_day)
        assert size.days is not None
        # Arms hold whole people, so that one more of each may be needed.
        assert size.total <= per_day * days + size.arms * 1.001


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"baseline": 1.0, "treated": 0.5}, "no rate that can rise"),
        ({"baseline": -0.1, "treated": 0.5}, "no rate that can rise"),
        ({"baseline": 0.5, "treated": 1.5}, "no share"),
        ({"baseline": 0.5, "treated": 0.5}, "no change to detect"),
        ({"baseline": 0.5, "treated": 0.6, "alpha": 0.0}, "no error rate"),
        ({"baseline": 0.5, "treated": 0.6, "power": 1.0}, "the power 1"),
        ({"baseline": 0.5, "treated": 0.6, "power": 0.01}, "the power 0.01"),
        ({"baseline": 0.5, "treated": 0.6, "arms": 1}, "no comparison"),
        ({"baseline": 0.5, "treated": 0.6, "visitors_per_day": 0.0}, "no traffic"),
    ],
)
def test_an_experiment_that_makes_no_sense_is_refused_in_one_line(arguments: dict[str, float], said: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        size_experiment(**arguments)  # type: ignore[arg-type]
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_duration_of_no_days_is_refused() -> None:
    with pytest.raises(ExperimentError, match="no duration"):
        minimum_detectable(0.1, visitors_per_day=10, days=0)
