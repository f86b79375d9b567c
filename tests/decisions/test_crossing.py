"""Crossing probabilities are held against the table of Armitage, McPherson and Rowe and against walks on the spot."""

import math

import numpy as np
import pytest

from decisions.crossing import crossing


@pytest.mark.parametrize(
    ("looks", "alarms"),
    # Armitage, McPherson and Rowe (1969), JRSS A 132, table 2: repeated tests at 5 %, normal with known variance.
    [(1, 0.050), (2, 0.083), (3, 0.107), (4, 0.126), (5, 0.142), (10, 0.193), (20, 0.248), (50, 0.320), (100, 0.374)],
)
def test_repeated_tests_find_as_much_by_chance_as_published(looks: int, alarms: float) -> None:
    found = crossing(np.arange(1, looks + 1) / looks, np.full(looks, 1.959964))
    assert found.alarms == pytest.approx(alarms, abs=0.0006)
    assert found.upwards == pytest.approx(found.downwards, abs=1e-9)


def test_five_looks_of_pocock_share_the_five_percent() -> None:
    # Pocock (1977), Biometrika 64: the constant for five looks at a level of .05 is 2.413.
    assert crossing(np.arange(1, 6) / 5, np.full(5, 2.413)).alarms == pytest.approx(0.05, abs=0.0002)


def test_five_looks_of_obrien_and_fleming_share_the_five_percent() -> None:
    # O'Brien and Fleming (1979); Jennison and Turnbull (2000), table 2.3: 2.040 sqrt(5 / k).
    fractions = np.arange(1, 6) / 5
    assert crossing(fractions, 2.040 / np.sqrt(fractions)).alarms == pytest.approx(0.05, abs=0.0002)


def test_one_look_has_the_power_of_the_plain_test() -> None:
    # z(.975) + z(.8) = 2.8016 is the drift that a plain test finds with a power of .8.
    found = crossing(np.ones(1), np.array([1.959964]), 2.801585)
    assert found.power == pytest.approx(0.8, abs=1e-5)


def test_walks_with_a_drift_cross_as_often_as_computed() -> None:
    fractions, boundaries, drift = np.arange(1, 21) / 20, np.linspace(3.5, 2.2, 20), 2.5
    found = crossing(fractions, boundaries, drift)
    steps = np.random.default_rng(3).normal(drift / 20, math.sqrt(1 / 20), (100_000, 20))
    z = np.cumsum(steps, axis=1) / np.sqrt(fractions)
    assert found.power == pytest.approx(np.mean(np.any(z > boundaries, axis=1)), abs=0.005)


def test_looks_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="one after the other"):
        crossing(np.array([0.5, 0.5]), np.array([2.0, 2.0]))
