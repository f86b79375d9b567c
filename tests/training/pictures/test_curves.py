"""The curves: what lies higher where, and what they say in numbers."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).parent))

from made_scores import JOURNEY, places_of, scored

from features.events import FloatArray
from training.evaluate import describe
from training.pictures.canvas import BLUE
from training.pictures.gain import gain
from training.pictures.probabilities import draw_precision_recall, draw_reliability, standard_errors
from training.pictures.quality import draw_early_prediction


def test_the_gain_of_a_handful_by_arithmetic() -> None:
    taken, gained = gain(np.array([1.0, 0.0, 1.0, 1.0]), np.array([0.9, 0.2, 0.5, 0.5]))
    assert taken.tolist() == [0.0, 0.25, 0.75, 1.0]  # two of equal risk are taken together
    np.testing.assert_allclose(gained, [0.0, 1 / 3, 1.0, 1.0])


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2, max_size=60))
def test_the_area_under_the_gain_follows_from_the_auc(drawn: list[tuple[bool, int]]) -> None:
    labels, risks = (np.array(column, float) for column in zip(*drawn, strict=True))
    taken, gained = gain(labels, risks)
    assert (np.diff(taken) > 0).all()
    assert (np.diff(gained) >= 0).all()
    rate = labels.mean()
    if 0 < rate < 1:
        # Of the pairs of one wanted row and any row, those with another wanted one count one half on average.
        area = float(np.trapezoid(gained, taken))
        assert area == pytest.approx(rate / 2 + (1 - rate) * roc_auc_score(labels, risks))


def test_the_error_of_a_bin_counts_persons_not_rows() -> None:
    rng = np.random.default_rng(1)
    labels = (rng.random(400) < 0.7).astype(float)
    one = standard_errors(labels, np.zeros(400, np.int64), np.arange(400))
    assert one == pytest.approx([np.sqrt(labels.mean() * (1 - labels.mean()) / 400)])
    again = standard_errors(labels.repeat(9), np.zeros(3_600, np.int64), np.arange(400).repeat(9))
    assert again == pytest.approx(one)
    parted = standard_errors(labels, np.arange(400) // 200, np.arange(400))
    halves = [labels[:200].mean(), labels[200:].mean()]
    assert parted == pytest.approx([np.sqrt(half * (1 - half) / 200) for half in halves])


def height(path: Path) -> float:
    """The middle row of the model's pixels in the left panel; smaller is higher."""
    blue: FloatArray = places_of(path, BLUE)
    inside = blue[(blue[:, 1] > 90) & (blue[:, 1] < 560) & (blue[:, 0] > 125) & (blue[:, 0] < 480)]
    return float(np.median(inside[:, 0]))


def test_what_happens_more_often_than_predicted_lies_higher(tmp_path: Path) -> None:
    heights = []
    for power in (0.3, 3.0):
        rows = scored(2_000)
        labels = (np.random.default_rng(3).random(len(rows.labels)) < rows.risks**power).astype(float)
        draw_reliability(replace(rows, labels=labels), tmp_path / "picture.png", "")
        heights.append(height(tmp_path / "picture.png"))
    assert heights[0] < heights[1] - 30


def test_a_better_model_has_its_curves_higher(tmp_path: Path) -> None:
    found = []
    for skill in (1.5, 0.5):
        rows = scored(3_000, skill=skill)
        draw_precision_recall(rows, tmp_path / "precision.png", "")
        draw_early_prediction(describe(JOURNEY, rows, resamples=0), tmp_path / "early.png", "")
        found.append((height(tmp_path / "precision.png"), height(tmp_path / "early.png")))
    assert found[0][0] < found[1][0] - 20
    assert found[0][1] < found[1][1] - 20
