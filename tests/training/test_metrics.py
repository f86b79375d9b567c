"""Figures of probabilities, against other libraries and against arithmetic."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve

from features.events import FloatArray, IntArray
from training.metrics import FIGURES, calibration_error, flatten, measure, reliability, session_weights


def sample(size: int = 3_000, seed: int = 1) -> tuple[FloatArray, FloatArray, IntArray, FloatArray]:
    rng = np.random.default_rng(seed)
    risks = rng.beta(2, 3, size).round(2)
    labels = (rng.random(size) < risks**1.3).astype(float)
    return labels, risks, rng.integers(0, size // 4, size), rng.gamma(1.0, size=size)


@pytest.mark.parametrize("weighted", [False, True])
def test_every_figure_agrees_with_another_library(weighted: bool) -> None:
    labels, risks, sessions, gamma = sample()
    weights = gamma if weighted else None
    block: dict[str, Any] = measure(labels, risks, sessions, weights)
    base_rate = np.average(labels, weights=weights)
    brier = reference.brier_score_loss(labels, risks, sample_weight=weights)
    nothing_known = reference.brier_score_loss(labels, np.full(len(labels), base_rate), sample_weight=weights)
    assert block["auc"] == pytest.approx(reference.roc_auc_score(labels, risks, sample_weight=weights))
    assert block["ap"] == pytest.approx(reference.average_precision_score(labels, risks, sample_weight=weights))
    assert block["log_loss"] == pytest.approx(
        reference.log_loss(labels, np.clip(risks, 1e-6, 1 - 1e-6), sample_weight=weights)
    )
    assert block["brier"] == pytest.approx(brier)
    assert block["brier_skill"] == pytest.approx(1 - brier / nothing_known)
    assert block["base_rate"] == pytest.approx(base_rate)
    assert (block["n_rows"], block["n_sessions"]) == (len(labels), len(set(sessions.tolist())))


def test_auc_is_the_chance_that_an_abandoned_row_has_the_higher_risk() -> None:
    labels, risks, sessions, _ = sample(400)
    wins = mannwhitneyu(risks[labels == 1], risks[labels == 0]).statistic
    assert measure(labels, risks, sessions)["auc"] == pytest.approx(wins / (labels.sum() * (1 - labels).sum()))


def test_a_handful_of_rows_by_arithmetic() -> None:
    labels, risks = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.8, 0.6, 0.1])
    block = measure(labels, risks, np.array([7, 7, 8, 9]))
    assert block["auc"] == 3 / 4  # of the four pairs only (.6, .8) is in the wrong order
    assert block["ap"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert block["log_loss"] == pytest.approx(-np.log([0.9, 0.2, 0.6, 0.9]).mean())
    assert block["brier"] == pytest.approx((0.1**2 + 0.8**2 + 0.4**2 + 0.1**2) / 4)
    assert block["brier_skill"] == pytest.approx(1 - 0.205 / 0.25)
    assert block["ece"] == pytest.approx((0.1 + 0.8 + 0.4 + 0.1) / 4)  # fewer rows than bins: each is its own
    assert (block["base_rate"], block["n_rows"], block["n_sessions"]) == (0.5, 4, 3)


def test_knowing_only_the_base_rate_has_no_skill_and_no_error_of_calibration() -> None:
    labels = np.array([1.0, 1.0, 1.0, 0.0])
    block = measure(labels, np.full(4, 0.75), np.arange(4))
    assert (block["auc"], block["ap"], block["brier_skill"], block["ece"]) == (0.5, 0.75, 0.0, 0.0)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_label_alone_leaves_out_what_compares_two(label: float) -> None:
    block = measure(np.full(3, label), np.array([0.2, 0.5, 0.7]), np.arange(3))
    assert [block[name] for name in ("auc", "ap", "brier_skill")] == [None] * 3
    assert block["log_loss"] == pytest.approx(-np.log(np.abs(1 - label - np.array([0.2, 0.5, 0.7]))).mean())
    assert block["base_rate"] == label


def test_certainty_that_is_wrong_costs_much_but_not_everything() -> None:
    assert measure(np.array([1.0, 0.0]), np.array([0.0, 0.0]), np.arange(2))["log_loss"] == pytest.approx(
        -np.log(1e-6) / 2, rel=1e-6
    )


def test_no_rows_have_the_same_figures_all_unknown() -> None:
    empty = np.array([])
    assert measure(empty, empty, np.array([], np.int64)) == {**dict.fromkeys(FIGURES), "n_rows": 0, "n_sessions": 0}
    labels, risks, sessions, _ = sample(100)
    assert list(measure(labels, risks, sessions)) == [*FIGURES, "n_rows", "n_sessions"]


def test_without_ties_the_error_is_that_of_fifteen_bins_of_equal_size() -> None:
    rng = np.random.default_rng(2)
    risks = rng.permutation(np.linspace(0.01, 0.9, 3_000))
    labels = (rng.random(3_000) < risks * 0.8).astype(float)
    order = np.argsort(risks)
    bins = zip(np.split(labels[order], 15), np.split(risks[order], 15), strict=True)
    expected = np.mean([abs(label.mean() - risk.mean()) for label, risk in bins])
    assert measure(labels, risks, np.arange(3_000))["ece"] == pytest.approx(expected)
    assert expected > 0.05
    abandoned, mean_risk = calibration_curve(labels, risks, n_bins=15, strategy="quantile")
    found = reliability(labels, risks, np.ones(3_000))
    np.testing.assert_allclose(found[0], mean_risk)
    np.testing.assert_allclose(found[1], abandoned)
    np.testing.assert_array_equal(found[2], np.full(15, 200.0))


def test_rows_of_equal_risk_are_never_parted() -> None:
    # Half of the rows share one risk; of two bins by number of rows alone, one would hold only its abandoned ones.
    risks = np.concatenate([np.full(50, 0.5), np.linspace(0.6, 0.9, 50)])
    labels = np.concatenate([np.ones(25), np.zeros(25), np.ones(50)])
    mean_risk, abandoned, weight = reliability(labels, risks, np.ones(100))
    assert (mean_risk[0], abandoned[0], weight[0]) == (0.5, 0.5, 50.0)
    assert len(weight) <= 15
    assert weight.sum() == 100


def test_a_few_risks_make_as_many_bins() -> None:
    risks = np.repeat([0.1, 0.4, 0.8], [60, 30, 10])
    labels = np.concatenate([np.repeat([1.0, 0.0], [12, 48]), np.repeat([1.0, 0.0], [9, 21]), np.ones(10)])
    expected = 0.6 * abs(0.1 - 0.2) + 0.3 * abs(0.4 - 0.3) + 0.1 * abs(0.8 - 1.0)
    assert calibration_error(labels, risks, np.ones(100)) == pytest.approx(expected)


def test_heavy_rows_fill_a_bin_sooner() -> None:
    risks, labels = np.linspace(0.1, 0.8, 8), np.array([0.0, 1.0] * 4)
    weights = np.array([4.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0])
    _, _, weight = reliability(labels, risks, weights, bins=3)
    assert weight.tolist() == [4.0, 4.0, 4.0]


rows = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0]), st.integers(0, 10).map(lambda tenth: tenth / 10), st.integers(1, 5)),
    min_size=1,
    max_size=60,
)


@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter_and_a_weight_counts_as_copies(
    drawn: list[tuple[float, float, int]], shuffling: Any
) -> None:
    labels, risks, weights = (np.array(column, float) for column in zip(*drawn, strict=True))
    error = calibration_error(labels, risks, weights)
    shuffling.shuffle(drawn)
    copies = [(label, risk) for label, risk, count in drawn for _ in range(count)]
    label, risk = (np.array(column) for column in zip(*copies, strict=True))
    assert calibration_error(label, risk, np.ones(len(copies))) == pytest.approx(error)
    # Merging bins can hide errors of opposite sign but never adds any; one bin compares the means alone.
    assert abs(np.average(labels - risks, weights=weights)) <= error + 1e-12 <= 1 + 1e-12


def test_with_its_weights_a_session_counts_once_however_often_it_was_looked_at() -> None:
    labels, risks, sessions, _ = sample(300)
    once: dict[str, Any] = measure(labels, risks, sessions, session_weights(sessions))
    watched = sessions % 3 == 0  # every row of these sessions three times
    again = np.concatenate([np.arange(300), np.flatnonzero(watched), np.flatnonzero(watched)])
    more: dict[str, Any] = measure(labels[again], risks[again], sessions[again], session_weights(sessions[again]))
    for name in FIGURES:
        assert more[name] == pytest.approx(once[name]), name
    weights = session_weights(sessions)
    for session in set(sessions.tolist()):
        assert weights[sessions == session].sum() == pytest.approx(1)


def test_a_nested_block_flattens_to_dotted_names_without_what_is_unknown() -> None:
    block = {"auc": 0.5, "ap": None, "n_rows": 3, "by_events": {"1": {"auc": 0.25, "ap": None}}, "note": "text"}
    assert flatten(block) == {"auc": 0.5, "n_rows": 3.0, "by_events.1.auc": 0.25}
