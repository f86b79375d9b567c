"""Cumulative sums and their thresholds, against arithmetic, scipy and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from insights.cusum import _distribution, count_alarms, find_thresholds, increments, move_on
from insights.watching import WEEKS_PER_PERIOD


def test_a_sum_is_the_recursion_done_by_hand() -> None:
    # Of 10 sessions 1, 4, 0 and 5 leave where .2 are expected, and .4 would be twice as many.
    up, on = math.log(0.4 / 0.2), math.log(0.6 / 0.8)
    steps = [1 * up + 9 * on, 4 * up + 6 * on, 0 * up + 10 * on, 5 * up + 5 * on]
    assert steps[0] < 0 < steps[1] < -steps[2]
    by_hand = [0.0, steps[1], 0.0, steps[3]]
    entered, exited = np.full((1, 4), 10.0), np.array([[1.0, 4.0, 0.0, 5.0]])
    llr = increments(entered, exited, np.full((1, 4), 0.2), np.zeros(1), 2.0)
    assert llr[0] == pytest.approx(steps)
    sums, seen = np.zeros(1), []
    for step in range(4):
        sums = move_on(sums, llr[:, step])
        seen.append(sums[0])
    assert seen == pytest.approx(by_hand)


def test_counts_that_stray_twice_as_much_weigh_half() -> None:
    entered, exited, rates = np.full((1, 1), 11.0), np.full((1, 1), 6.0), np.full((1, 1), 0.3)
    plain = increments(entered, exited, rates, np.zeros(1), 1.3)
    # 1 + (11 - 1) * .1 = 2
    assert increments(entered, exited, rates, np.array([0.1]), 1.3) == pytest.approx(plain / 2)


@pytest.mark.parametrize(("n", "rate", "rho"), [(5, 0.3, 0.0), (400, 0.15, 0.0), (60, 0.4, 0.02), (900, 0.2, 0.003)])
def test_the_chain_moves_by_the_binomial_or_the_beta_binomial(n: int, rate: float, rho: float) -> None:
    first, chances = _distribution(n, rate, rho)
    counts = np.arange(first, first + len(chances))
    known = stats.binom(n, rate)
    if rho:
        known = stats.betabinom(n, rate * (1 - rho) / rho, (1 - rate) * (1 - rho) / rho)
    assert chances == pytest.approx(known.pmf(counts), rel=1e-4, abs=1e-9)


@pytest.mark.parametrize(("ratio", "rho"), [(1.3, 0.0), (1 / 1.3, 0.0), (1.3, 0.004)])
def test_the_alarms_of_the_chain_are_those_of_a_simulation(ratio: float, rho: float) -> None:
    week, rate = np.tile([20, 60, 150, 90], 7), 0.2
    threshold, runs = 3.0, 20_000
    expected = count_alarms(week, np.full(28, rate), rho, 0.0, ratio, threshold, 1)
    source, sums, alarms = np.random.default_rng(3), np.zeros(runs), 0
    for turn in range(2):
        for n in week.tolist():
            chance = source.beta(rate * (1 - rho) / rho, (1 - rate) * (1 - rho) / rho, runs) if rho else rate
            x = source.binomial(n, chance, runs)[:, None].astype(float)
            llr = increments(np.full((runs, 1), float(n)), x, np.full((runs, 1), rate), np.full(runs, rho), ratio)
            sums = move_on(sums, llr[:, 0])
            alarms += int((sums >= threshold).sum()) if turn else 0
            sums[sums >= threshold] = 0.0
    measured = alarms / runs
    # Two thousand alarms or more: three standard errors are some seven hundredths; the grid rounds upwards.
    assert measured > 0.1
    assert expected == pytest.approx(measured, rel=0.1)


def test_a_threshold_keeps_to_the_alarms_that_are_allowed() -> None:
    week = np.tile(np.array([10.0, 40.0, 80.0]), 7)[None, :]
    rates = np.full((1, 21), 0.3)
    for allowed in (0.02, 0.001):
        for error in (0.0, 0.03):
            [threshold] = find_thresholds(
                week, rates, np.zeros(1), np.array([error]), 1.3, np.array([allowed / WEEKS_PER_PERIOD]), 1
            )
            alarms = count_alarms(week[0].astype(np.int64), rates[0], 0.0, error, 1.3, threshold, 1)
            assert WEEKS_PER_PERIOD * alarms == pytest.approx(allowed, rel=0.05)


def test_a_rate_that_is_known_less_well_needs_a_higher_threshold() -> None:
    week, rates = np.full((1, 24), 50.0), np.full((1, 24), 0.3)
    found = [
        find_thresholds(week, rates, np.zeros(1), np.array([error]), 1.3, np.array([0.01]), 1)[0]
        for error in (0.0, 0.02, 0.05)
    ]
    assert found[0] < found[1] < found[2]
