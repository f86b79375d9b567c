"""Always-valid sizes are run: experiments of that size are looked at a hundred times, and stopped."""

import math

import numpy as np
import pytest

from decisions.always_valid_size import (
    detectable_always_valid,
    power_always_valid,
    size_always_valid,
    z_for_power,
)
from decisions.experiment_size import ExperimentError, minimum_detectable, size_experiment
from decisions.sequences import TUNED_SHARE, multiplier


def test_experiments_of_that_size_stop_in_time_as_often_and_as_early_as_promised() -> None:
    size = size_always_valid(0.10, 0.13, power=0.8)
    looks = np.arange(1, 101)
    draws = np.random.default_rng(8)
    steps = np.diff(np.round(looks * size.per_arm / 100), prepend=0).astype(np.int64)
    first, second = (np.cumsum(draws.binomial(steps, rate, (20_000, 100)), axis=1) for rate in (0.10, 0.13))
    counts = np.cumsum(steps)
    low, high = first / counts, second / counts
    errors = np.sqrt((low * (1 - low) + high * (1 - high)) / counts)
    crossed = high - low > errors * multiplier(counts, TUNED_SHARE * size.per_arm, 0.05)
    crossed[:, :9] = False
    found = np.any(crossed, axis=1)
    stopped = np.where(found, counts[np.argmax(crossed, axis=1)], size.per_arm)
    assert found.mean() == pytest.approx(0.8, abs=0.015)
    assert stopped.mean() == pytest.approx(size.mean_per_arm, rel=0.02)


def test_it_takes_more_than_a_fixed_horizon_at_most_and_about_as_many_on_average() -> None:
    fixed, valid = size_experiment(0.05, 0.06).per_arm, size_always_valid(0.05, 0.06)
    # z(.975) + z(.8) = 2.802 against 3.620: (3.620 / 2.802)^2 = 1.67 times as many.
    assert z_for_power(0.05, 0.8) == pytest.approx(3.62, abs=0.01)
    assert valid.per_arm / fixed == pytest.approx(1.67, abs=0.01)
    assert valid.mean_per_arm < 1.05 * fixed


def test_means_need_the_square_of_their_deviation() -> None:
    one, two = (size_always_valid(10, 11, deviation=deviation) for deviation in (5, 10))
    assert two.per_arm == pytest.approx(4 * one.per_arm, abs=4)
    # 2 s^2 z^2 / d^2 with z = 3.62.
    assert one.per_arm == pytest.approx(2 * 25 * 3.62**2, abs=1.5)


def test_days_and_arms_count_as_with_a_fixed_horizon() -> None:
    three = size_always_valid(0.05, 0.06, arms=3, visitors_per_day=1_000)
    assert three.per_arm == size_always_valid(0.05, 0.06, alpha=0.025).per_arm
    assert three.total == 3 * three.per_arm
    assert three.days == math.ceil(three.total / 1_000)


def test_the_power_at_the_size_is_the_one_that_was_asked_for() -> None:
    size = size_always_valid(0.05, 0.06, power=0.9)
    found = power_always_valid(0.05, 0.06, size.per_arm, planned_per_arm=size.per_arm)
    assert found == pytest.approx(0.9, abs=0.001)


@pytest.mark.parametrize(("baseline", "deviation"), [(0.05, None), (10.0, 20.0)])
def test_what_is_detectable_needs_just_that_size(baseline: float, deviation: float | None) -> None:
    rise = detectable_always_valid(baseline, 10_000, deviation=deviation)
    assert rise is not None
    assert size_always_valid(baseline, baseline + rise, deviation=deviation).per_arm == pytest.approx(10_000, abs=1)


def test_ten_people_detect_no_rise_of_a_half_at_all() -> None:
    assert detectable_always_valid(0.5, 10) is None


def test_means_detectable_in_some_days_are_those_of_the_formula() -> None:
    # (1.959964 + .841621) x 20 x sqrt(2 / 5,000) = 1.1206
    found = minimum_detectable(10, visitors_per_day=1_000, days=10, deviation=20)
    assert found == pytest.approx(1.1206, abs=1e-4)
    assert size_experiment(10, 10 + (found or 0), deviation=20).per_arm == pytest.approx(5_000, abs=1)


@pytest.mark.parametrize("deviation", [0.0, -1.0, math.inf])
def test_a_deviation_that_is_none_is_refused(deviation: float) -> None:
    with pytest.raises(ExperimentError, match="give the standard deviation"):
        size_experiment(10, 11, deviation=deviation)
