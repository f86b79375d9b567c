"""Figures of named blockers against arithmetic on a handful of sessions."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from training.blame import (
    SMALLEST_CONFIDENCE,
    Blamed,
    abstention_curve,
    confidence_calibration,
    false_blame,
    mean_auc,
    measure_blame,
    normalised,
    share_above,
    strongest,
)
from training.diagnosed import Diagnosed, lead

NAMES = ("form", "payment", "trust", "speed")
PLANTED = np.array([0, 1, 2])
NONE = -1


def blamed(
    scores: list[list[float]], named: list[int], truth: list[int], confidence: list[float] | None = None
) -> Blamed:
    given_scores = np.array(scores)
    said = Diagnosed(
        given_scores,
        np.array(named),
        lead(given_scores),
        None if confidence is None else np.array(confidence),
    )
    rivals = {"plain_shap": -given_scores, "z_count": given_scores}
    return Blamed(said, np.array(truth), np.arange(len(truth)), rivals)


FOUR = blamed(
    [
        [2.0, 0.5, 0.0, 0.1],  # form, and right
        [0.2, 0.1, 0.0, 3.0],  # among the planted form, and right; speed is said
        [0.9, 1.0, 0.0, 0.0],  # payment, but the product abstains: right only when forced
        [0.3, 0.0, 0.1, 0.0],  # form, but trust was it
        [-1.0, -0.5, -2.0, 0.5],  # nothing planted speaks: payment is right only when forced
    ],
    [0, 3, NONE, 0, 3],
    [0, 0, 1, 2, 1],
)


def test_an_abstention_is_wrong_and_the_rest_is_counted_over_the_planted_frictions() -> None:
    found: Any = measure_blame(FOUR, PLANTED, NAMES, resamples=0, seed=1)
    assert (found["n"], found["top1"], found["top1_forced"], found["top1_all"]) == (5, 0.4, 0.8, 0.2)
    assert (found["named"], found["right_where_named"]) == (0.8, 0.25)
    assert (found["majority"], found["majority_blocker"]) == (0.4, "form")
    assert found["z_count_top1"] == found["top1_forced"]
    # The rival that says the opposite of the scores: of the five it names trust, trust, trust, payment, trust.
    assert found["plain_shap_top1"] == 0.0
    assert found["by_blocker"]["form"] == {
        "n": 2,
        "named": 1.0,
        "top1": 1.0,
        "top1_forced": 1.0,
        "answers": {"form": 1, "speed": 1},
    }
    assert found["by_blocker"]["payment"]["answers"] == {"nothing": 1, "speed": 1}


def test_every_share_has_an_interval_over_persons_where_there_are_enough() -> None:
    many = blamed([[1.0, 0.0, 0.0, 0.0]] * 40, [0] * 40, [0] * 30 + [1] * 10)
    found: Any = measure_blame(many, PLANTED, NAMES, resamples=100, seed=1)
    assert (found["n"], found["n_visitors"], found["top1"]) == (40, 40, 0.75)
    low, high = found["intervals"]["top1"]
    half = 1.96 * (0.75 * 0.25 / 40) ** 0.5
    assert (low, high) == pytest.approx((0.75 - half, 0.75 + half), abs=0.05)
    assert set(found["intervals"]) >= {"top1", "top1_forced", "top1_all", "macro_auc", "plain_shap_top1", "majority"}
    few: Any = measure_blame(FOUR, PLANTED, NAMES, resamples=100, seed=1)
    assert set(few["intervals"].values()) == {None}


def test_the_area_is_the_mean_of_each_friction_against_the_others() -> None:
    loudness = normalised(np.log(np.maximum(FOUR.diagnosed.scores, SMALLEST_CONFIDENCE)), PLANTED)
    areas = []
    for column, friction in enumerate(PLANTED):
        mine = FOUR.blockers == friction
        ranks = rankdata(loudness[:, column])  # Mann and Whitney's U
        pairs = mine.sum() * (~mine).sum()
        areas.append((ranks[mine].sum() - mine.sum() * (mine.sum() + 1) / 2) / pairs)
    assert mean_auc(loudness, FOUR.blockers, PLANTED, np.ones(5)) == pytest.approx(np.mean(areas))
    found: Any = measure_blame(FOUR, PLANTED, NAMES, resamples=0, seed=1)
    assert found["macro_auc"] == pytest.approx(np.mean(areas))


def test_a_row_that_is_louder_in_everything_is_normalised_away() -> None:
    scores = np.array([[1.0, 0.0, 0.5, 9.0]])
    assert normalised(scores, PLANTED) == pytest.approx(normalised(scores + 3.0, PLANTED))
    assert np.exp(normalised(scores, PLANTED)).sum() == pytest.approx(1.0)


def test_where_only_one_blocker_occurs_there_is_no_area() -> None:
    assert mean_auc(np.zeros((3, 1)), np.zeros(3, np.int64), np.array([0]), np.ones(3)) is None


def test_without_sessions_every_figure_is_unknown() -> None:
    nobody = FOUR.take(np.zeros(5, np.bool_))
    found: Any = measure_blame(nobody, PLANTED, NAMES, resamples=0, seed=1)
    assert (found.pop("n"), found.pop("n_visitors")) == (0, 0)
    assert set(found) >= {"top1", "macro_auc", "majority", "plain_shap_top1", "z_count_top1"}
    assert set(found.values()) == {None}
    assert abstention_curve(nobody, PLANTED) == []
    assert confidence_calibration(nobody) is None


def test_the_surest_answers_come_first_on_the_abstention_curve() -> None:
    curve = abstention_curve(FOUR, PLANTED)
    assert [point["coverage"] for point in curve] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    # Leads over the second (or over nothing): 1.5, 2.8, .1, .2, .5.
    order = [True, True, True, False, True]  # right: second, first, fifth, fourth, third
    for point in curve:
        count = int(point["n"])
        assert count == max(1, round(point["coverage"] * 5))
        assert point["accuracy"] == pytest.approx(np.mean(order[:count]))


def test_a_stated_confidence_is_compared_with_how_often_it_is_right() -> None:
    scores = [[1.0, 0.0, 0.0, 0.0]] * 40
    sure = blamed(scores, [0] * 40, [0] * 30 + [1] * 10, [0.75] * 40)
    found: Any = confidence_calibration(sure)
    assert (found["n"], found["ece"]) == (40, pytest.approx(0.0))
    assert found["bins"] == [{"confidence": pytest.approx(0.75), "right": 0.75, "n": 40}]
    doubtful: Any = confidence_calibration(blamed(scores, [0] * 40, [0] * 30 + [1] * 10, [0.55] * 40))
    assert doubtful["ece"] == pytest.approx(0.2)
    assert confidence_calibration(FOUR) is None


def test_false_blame_is_counted_at_the_threshold_that_recalls_four_of_five() -> None:
    loud = [5.0, 4.0, 3.0, 2.0, 1.0, 6.0, 2.5, 2.0, 1.5, 0.0]
    scores = [[value, 0.0, -1.0, 7.0 if place == 9 else 0.0] for place, value in enumerate(loud)]
    rows = blamed(scores, [0] * 9 + [NONE], [0] * 5 + [NONE] * 5)
    caused = np.arange(10) < 5
    abandoned = np.arange(10) != 6
    found: Any = false_blame(rows, PLANTED, caused, abandoned, resamples=0, seed=1)
    # The threshold is 2. Of the four abandoned without a blocker 6 and 2 reach it; of all five 2.5 does, too.
    assert (found["false_blame_at_80"], found["false_blame_at_80_all"]) == (0.5, 0.6)
    assert (found["false_blame_at_80_any"], found["false_blame_at_80_all_any"]) == (0.75, 0.8)
    assert (found["unblocked"], found["unblocked_all"], found["named_without_blocker"]) == (4, 5, 0.75)
    assert [point["false_blame"] for point in found["false_blame_curve"]] == [0.25] * 6 + [0.5] * 2 + [0.75] * 2


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.lists(st.floats(-5, 5), min_size=1, max_size=30))
def test_a_persons_weight_counts_as_that_many_copies(caused: list[float], without: list[float]) -> None:
    loud = np.array([*caused, *without])
    mine = np.arange(len(loud)) < len(caused)
    weights = 1.0 + np.arange(len(loud)) % 3
    copies = np.repeat(np.arange(len(loud)), weights.astype(np.int64))
    weighted = share_above(loud, mine, ~mine, weights)
    copied = share_above(loud[copies], mine[copies], ~mine[copies], np.ones(len(copies)))
    assert weighted == pytest.approx(copied)


def test_nobody_to_blame_has_no_false_blame() -> None:
    assert share_above(np.ones(3), np.zeros(3, np.bool_), np.ones(3, np.bool_), np.ones(3)) is None
    assert share_above(np.ones(3), np.ones(3, np.bool_), np.zeros(3, np.bool_), np.ones(3)) is None


def test_the_strongest_is_sought_among_the_planted_only() -> None:
    assert strongest(np.array([[0.0, 1.0, 0.5, 9.0], [-3.0, -2.0, -1.0, 0.0]]), PLANTED).tolist() == [1, 2]
