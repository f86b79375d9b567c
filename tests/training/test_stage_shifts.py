"""Shifts by stage find the change that was made, hold back where little is seen, and gain nothing where none is."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit

from features.events import FloatArray, IntArray
from training.paired import Gain, gain_in_log_loss
from training.stage_shifts import PRIOR_SD, cross_fitted_gain, fit_shifts

STAGES = 3


def made(shifts: FloatArray, sessions: int, seed: int, repeats: int = 4) -> tuple[FloatArray, ...]:
    """Logits, labels, stages and sessions; each session ends as one coin at its stage says, at each of its rows."""
    source = np.random.default_rng(seed)
    stages = source.integers(0, STAGES, sessions)
    logits = source.normal(0.5, 1.0, sessions)
    ends = (source.random(sessions) < expit(logits + shifts[stages])).astype(np.float64)
    return tuple(np.repeat(part, repeats) for part in (logits, ends, stages, np.arange(sessions)))


def fitted(made_rows: tuple[FloatArray, ...]) -> FloatArray:
    logits, labels, stages, sessions = made_rows
    return fit_shifts(logits, labels, stages.astype(np.int64), sessions.astype(np.int64), STAGES)


def gained(made_rows: tuple[FloatArray, ...]) -> Gain:
    logits, labels, stages, sessions = made_rows
    return cross_fitted_gain(logits, labels, stages.astype(np.int64), sessions.astype(np.int64), STAGES)


def test_a_change_at_one_stage_is_found_there_and_not_elsewhere() -> None:
    rows = made(np.array([0.0, 0.0, 0.6]), 9_000, 1)
    # The standard error of a shift is about 1 / sqrt(3,000 * .2).
    np.testing.assert_allclose(fitted(rows), [0.0, 0.0, 0.6], atol=0.12)
    assert gained(rows).is_beyond_chance


@pytest.mark.parametrize("repeats", [1, 7])
def test_one_shift_solves_the_penalised_equation_with_each_session_counted_once(repeats: int) -> None:
    logits, labels, _, sessions = made(np.zeros(STAGES), 12, 2, repeats)
    once = slice(None, None, repeats)

    def slope(shift: float) -> float:
        return float(np.sum(expit(logits[once] + shift) - labels[once])) + shift / PRIOR_SD**2

    stages: IntArray = np.ones(len(labels), np.int64)
    found = fit_shifts(logits, labels, stages, sessions.astype(np.int64), STAGES)
    np.testing.assert_allclose(found, [0.0, brentq(slope, -5, 5), 0.0], atol=1e-4)


def test_where_nothing_has_moved_the_gain_is_seldom_beyond_chance() -> None:
    found = sum(gained(made(np.zeros(STAGES), 600, seed)).is_beyond_chance for seed in range(40))
    # One standard error is passed by chance in at most 16 of 100; more than 12 of 40 then has a chance of 1 in 90.
    assert found <= 12


def test_the_gain_is_the_difference_of_log_losses_and_its_error_counts_sessions_once() -> None:
    labels = np.array([1.0, 1.0, 0.0, 0.0])
    before, after = np.full(4, 0.5), np.array([0.8, 0.8, 0.4, 0.4])
    sessions = np.array([5, 5, 9, 9])
    gain = gain_in_log_loss(labels, before, after, sessions)
    of_either = np.log([0.8 / 0.5, 0.6 / 0.5])
    assert gain.before - gain.after == pytest.approx(of_either.mean())
    assert gain.error == pytest.approx(np.std(of_either, ddof=1) / np.sqrt(2))
    twice = gain_in_log_loss(np.tile(labels, 2), np.tile(before, 2), np.tile(after, 2), np.tile(sessions, 2))
    assert twice.error == pytest.approx(gain.error)
