"""The pictures: PNG files of a fixed size that show the rows they are given."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image
from matplotlib import pyplot as plt

from features.events import FloatArray
from training.pictures import BLUE, draw_precision_recall, draw_reliability

Draw = Callable[[FloatArray, FloatArray, Path, str], None]


def rows(seed: int = 1) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    risks = rng.random(2_000)
    return (rng.random(2_000) < risks).astype(float), risks


@pytest.mark.parametrize(("draw", "inches"), [(draw_reliability, (6, 7)), (draw_precision_recall, (6, 5))])
def test_a_picture_is_a_file_of_its_size_and_leaves_no_figure_open(
    draw: Draw, inches: tuple[int, int], tmp_path: Path
) -> None:
    draw(*rows(), tmp_path / "picture.png", "shop: held out")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    height, width, _ = image.imread(tmp_path / "picture.png").shape
    assert (width, height) == (120 * inches[0], 120 * inches[1])
    assert plt.get_fignums() == []


@pytest.mark.parametrize("draw", [draw_reliability, draw_precision_recall])
def test_the_same_rows_draw_the_same_and_others_do_not(draw: Draw, tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        draw(*rows(seed), tmp_path / f"{name}.png", "held out")
    one, same, other = (image.imread(tmp_path / f"{name}.png") for name in ("one", "same", "other"))
    assert (one == same).all()
    assert not (one == other).all()


def blue_at(path: Path) -> FloatArray:
    """Rows and columns of the pixels in the model's colour, with (0, 0) at the top left."""
    colour = [int(BLUE[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return np.argwhere(np.abs(image.imread(path)[:, :, :3] - colour).max(axis=2) < 0.02).astype(float)


def test_what_happens_more_often_than_predicted_lies_higher(tmp_path: Path) -> None:
    _, risks = rows()
    rng = np.random.default_rng(3)
    heights = []
    for power in (0.3, 3.0):
        draw_reliability((rng.random(2_000) < risks**power).astype(float), risks, tmp_path / "picture.png", "")
        blue = blue_at(tmp_path / "picture.png")
        upper = blue[blue[:, 0] < 600]  # the histogram below is blue too, and the same
        heights.append(np.median(upper[:, 0]))
    assert heights[0] < heights[1] - 100


def test_precision_stands_upright_over_recall(tmp_path: Path) -> None:
    labels = np.repeat([0.0, 1.0], [300, 100])
    draw_precision_recall(labels, np.linspace(0, 1, 400), tmp_path / "picture.png", "")
    # All that are abandoned come first: precision is 1 over the whole width, and falls only at the right.
    blue = blue_at(tmp_path / "picture.png")
    top = blue[blue[:, 0] < 100][:, 1]
    assert top.min() < 150
    assert top.max() > 600


def test_a_better_model_has_its_curve_higher(tmp_path: Path) -> None:
    labels, risks = rows()
    heights = []
    for risk in (labels * 0.8 + risks * 0.2, np.random.default_rng(4).random(2_000)):
        draw_precision_recall(labels, risk, tmp_path / "picture.png", "")
        heights.append(np.median(blue_at(tmp_path / "picture.png")[:, 0]))
    assert heights[0] < heights[1] - 100
