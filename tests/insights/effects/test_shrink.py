"""Cells drawn together: against integration over all that is unknown, and their limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from insights.effects.shrink import shrink

CELLS = st.lists(st.tuples(st.floats(-0.5, 0.5), st.floats(0.005, 0.3)), min_size=3, max_size=12)


@pytest.mark.parametrize("effects", [[0.3, -0.1, 0.05], [0.0, 0.02, 0.01, -0.02], [0.2, 0.2, -0.3, 0.0, 0.1]])
def test_means_are_those_of_the_joint_posterior_of_mean_and_spread(effects: list[float]) -> None:
    errors = np.linspace(0.05, 0.15, len(effects))
    widest = 3 * (np.ptp(effects) + errors.max())
    spreads, means = np.linspace(1e-6, widest, 300)[:, None], np.linspace(-3, 3, 801)
    density = np.ones((300, 801))
    for effect, error in zip(effects, errors, strict=True):
        density *= stats.norm(means, np.hypot(spreads, error)).pdf(effect)
    density /= density.sum()
    for one, effect, error in zip(shrink(effects, errors.tolist()), effects, errors, strict=True):
        own = spreads**2 / (spreads**2 + error**2)
        assert one.effect == pytest.approx((density * (own * effect + (1 - own) * means)).sum(), abs=3e-3)


@given(CELLS)
def test_a_shrunk_effect_lies_among_the_cells(cells: list[tuple[float, float]]) -> None:
    effects, errors = [effect for effect, _ in cells], [error for _, error in cells]
    for one in shrink(effects, errors):
        assert min(effects) - 1e-9 <= one.effect <= max(effects) + 1e-9
        assert 0 <= one.own <= 1


@given(CELLS, st.floats(-1, 1), st.floats(0.1, 10))
def test_another_origin_or_unit_changes_nothing_else(
    cells: list[tuple[float, float]], origin: float, unit: float
) -> None:
    effects, errors = [effect for effect, _ in cells], [error for _, error in cells]
    moved = shrink([origin + unit * effect for effect in effects], [unit * error for error in errors])
    for one, other in zip(shrink(effects, errors), moved, strict=True):
        assert other.effect == pytest.approx(origin + unit * one.effect, abs=1e-6)
        assert other.deviation == pytest.approx(unit * one.deviation, rel=1e-6)


def test_cells_far_apart_and_well_known_stay_as_they_are() -> None:
    found = shrink([0.3, -0.2, 0.1], [0.001] * 3)
    assert [one.effect for one in found] == pytest.approx([0.3, -0.2, 0.1], abs=1e-3)
    assert found[0].deviation == pytest.approx(0.001, rel=0.05)


def test_two_cells_say_nothing_of_how_cells_differ() -> None:
    assert [one.effect for one in shrink([0.3, 0.1], [0.2, 0.2])] == [0.3, 0.1]


def test_shrinking_comes_nearer_to_the_truth_than_the_cells_themselves() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(0.02, 0.03, 400)
    errors = np.full(400, 0.05)
    measured = truth + errors * rng.standard_normal(400)
    shrunk = shrink(measured.tolist(), errors.tolist())
    error = np.mean((np.array([one.effect for one in shrunk]) - truth) ** 2)
    # Best possible, with the distribution known: .03^2 x .05^2 / (.03^2 + .05^2) = .00066; the cells have .0025.
    assert error < 0.0009


@pytest.mark.parametrize("spread", [0.0, 0.02, 0.05, 0.2])
def test_intervals_hold_the_truth_whether_or_not_cells_differ(spread: float) -> None:
    rng = np.random.default_rng(3)
    held = []
    for _ in range(300):
        errors = rng.uniform(0.02, 0.1, 9)
        truth = rng.normal(0.02, spread, 9)
        shrunk = shrink((truth + errors * rng.standard_normal(9)).tolist(), errors.tolist())
        held += [abs(one.effect - true) <= 1.96 * one.deviation for one, true in zip(shrunk, truth, strict=True)]
    assert np.mean(held) >= 0.93
