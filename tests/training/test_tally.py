"""Tallies: the figures of counted rows against those of the rows themselves."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from features.events import FloatArray, IntArray
from training.metrics import measure
from training.tally import MOST_ROWS, STEPS_PER_UNIT, Tally, join_tallies


def rows(count: int, seed: int) -> tuple[FloatArray, FloatArray, IntArray]:
    """Labels that come as often as the risks say, and five rows a session."""
    rng = np.random.default_rng(seed)
    risks = 1 / (1 + np.exp(-rng.normal(-1, 1.5, count)))
    return (rng.random(count) < risks).astype(np.float64), risks, np.arange(count) // 5


def test_few_rows_have_the_very_figures_of_their_rows() -> None:
    labels, risks, sessions = rows(1_000, 1)
    assert Tally.of(labels, risks, sessions).measure() == measure(labels, risks, sessions)


def test_many_rows_have_their_figures_to_the_fifth_digit_in_bounded_memory() -> None:
    labels, risks, sessions = rows(400_000, 2)
    tally = Tally.of(labels, risks, sessions, sessions // 2)
    # Two labels, and log-odds from -13.8 to 13.8.
    assert len(tally.labels) <= 2 * 2 * 14 * STEPS_PER_UNIT
    assert len(tally.labels) < MOST_ROWS
    told = tally.measure()
    assert told["auc"] == pytest.approx(roc_auc_score(labels, risks), abs=1e-5)
    assert told["ap"] == pytest.approx(average_precision_score(labels, risks), abs=2e-4)
    assert told["log_loss"] == pytest.approx(log_loss(labels, risks), abs=1e-5)
    assert told["brier"] == pytest.approx(brier_score_loss(labels, risks), abs=1e-5)
    assert told["base_rate"] == pytest.approx(labels.mean(), abs=1e-12)
    assert told["ece"] == pytest.approx(measure(labels, risks, sessions)["ece"], abs=2e-4)
    assert (told["n_rows"], told["n_sessions"], tally.person_count) == (400_000, 80_000, 40_000)


@pytest.mark.parametrize("count", [2, 40])
def test_the_parts_of_a_log_add_up_to_it_whatever_their_number(count: int) -> None:
    labels, risks, sessions = rows(200_000, 3)
    weights = 1.0 + (sessions % 3)
    whole = Tally.of(labels, risks, sessions, weights=weights).measure()
    edges = np.linspace(0, 40_000, count + 1).astype(int) * 5
    parts = [Tally.of(labels[a:b], risks[a:b], sessions[a:b], weights=weights[a:b]) for a, b in pairwise(edges)]
    told = join_tallies({"all": part} for part in parts)["all"].measure()
    for name, value in whole.items():
        assert told[name] == pytest.approx(value, abs=2e-4 if name in ("ap", "ece") else 1e-5), name


def test_persons_are_counted_by_what_came_of_them() -> None:
    labels, persons = np.array([1.0, 1.0, 0.0, 0.0]), np.array([4, 4, 4, 9])
    tally = Tally.of(labels, np.full(4, 0.5), np.arange(4), persons)
    assert (tally.person_count, tally.abandoned, tally.kept) == (2, 1, 2)
