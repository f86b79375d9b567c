"""All pictures of a model: which there are, that nothing on them is cut off, and that odd logs have them too."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from matplotlib import pyplot as plt

sys.path.insert(0, str(Path(__file__).parent))

from made_scores import JOURNEY, explained, pixels, scored

from training.evaluate import Scored, describe
from training.evaluate_log import evaluate_log
from training.importance import draw_sample
from training.pictures.beeswarm import draw_beeswarm
from training.pictures.frictions import draw_frictions, draw_frictions_by_cohort, draw_frictions_by_stage
from training.pictures.gain import draw_gain
from training.pictures.gallery import PICTURES, draw_pictures, pictures_of
from training.pictures.probabilities import draw_precision_recall, draw_reliability
from training.pictures.quality import draw_early_prediction, draw_quality_by_stage

if TYPE_CHECKING:
    from conftest import Trained

pytestmark = [pytest.mark.xdist_group("training"), pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]

LONG = "newsletter " + "x" * 280


def draw_rows(rows: Scored, folder: Path) -> list[Path]:
    """Draw what is seen of scored prefixes."""
    evaluation: Any = describe(JOURNEY, rows, resamples=20)
    draw_early_prediction(evaluation, folder / "early.png", "Sign-up.")
    draw_quality_by_stage(evaluation, folder / "stage.png", "Sign-up.")
    draw_reliability(rows, folder / "reliability.png", "Sign-up.")
    if len(set(rows.labels)) > 1:
        draw_precision_recall(rows, folder / "precision_recall.png", "Sign-up.")
        draw_gain(rows, folder / "gain.png", "Sign-up.")
    return sorted(folder.glob("*.png"))


def draw_explained(seed: int, devices: tuple[str, ...], folder: Path) -> list[Path]:
    """Draw what is seen of explained prefixes."""
    sample = explained(seed=seed)
    parted = np.arange(400)
    draw_frictions(sample, folder / "frictions.png", "Sign-up.")
    draw_frictions_by_stage(sample, {"read": parted < 300, "form": parted >= 300}, folder / "by_stage.png", "Sign-up.")
    cohorts = {"device": {name: parted % len(devices) == place for place, name in enumerate(devices)}, "source": {}}
    draw_frictions_by_cohort(sample, cohorts, folder / "by_cohort.png", "Sign-up.")
    draw_beeswarm(sample, folder / "beeswarm.png", "Sign-up.")
    return sorted(folder.glob("*.png"))


def check(drawn: list[Path]) -> None:
    """Nothing is cut off: that would reach the edge, and all that is whole leaves a white rim."""
    for path in drawn:
        seen = pixels(path)
        assert seen.shape[1] == 1200
        rim = [seen[:2], seen[-2:], seen[:, :2].swapaxes(0, 1), seen[:, -2:].swapaxes(0, 1)]
        assert all((side > 0.99).all() for side in rim), path.name
        assert path.stat().st_size < 100_000, path.name
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    "rows", [scored(), scored(12), replace(scored(), labels=np.ones(len(scored().labels)))], ids=["many", "few", "one"]
)
def test_nothing_of_a_curve_is_cut_off(rows: Scored, tmp_path: Path) -> None:
    drawn = draw_rows(rows, tmp_path)
    assert len(drawn) == (5 if len(set(rows.labels)) > 1 else 3)
    check(drawn)


@pytest.mark.parametrize(
    "devices", [("a", "b"), ("$a_b$", "100 %", LONG, *(f"device {number}" for number in range(9)))]
)
def test_nothing_of_an_explanation_is_cut_off_whatever_cohorts_are_called(
    devices: tuple[str, ...], tmp_path: Path
) -> None:
    drawn = draw_explained(1, devices, tmp_path)
    assert len(drawn) == 4
    check(drawn)


def test_the_same_rows_draw_the_same_and_others_do_not(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        (tmp_path / name).mkdir()
        draw_reliability(scored(seed=seed), tmp_path / name / "reliability.png", "")
        draw_beeswarm(explained(seed=seed), tmp_path / name / "beeswarm.png", "")
    for name in ("reliability.png", "beeswarm.png"):
        one, same, other = ((tmp_path / folder / name).read_bytes() for folder in ("one", "same", "other"))
        assert one == same
        assert one != other


def test_a_trained_model_has_all_pictures_and_the_style_of_others_stays(trained: "Trained", tmp_path: Path) -> None:
    log = evaluate_log(trained.journey, trained.log, trained.result.model, resamples=0)
    before = dict(plt.rcParams)
    done: list[float] = []
    drawn = pictures_of(trained.journey, trained.result.model, log.scored, log.sample, log.evaluation)
    draw_pictures(drawn, tmp_path / "new", progress=lambda _phase, fraction: done.append(fraction))
    assert [picture.name for picture in drawn] == list(PICTURES)
    assert {path.name for path in (tmp_path / "new").iterdir()} == {f"{name}.png" for name in PICTURES}
    assert done == sorted(done)
    assert dict(plt.rcParams) == before


def test_where_there_is_nothing_to_compare_a_picture_is_left_out(trained: "Trained") -> None:
    log = evaluate_log(trained.journey, trained.log, trained.result.model, resamples=0)
    abandoned = replace(log.scored, labels=np.ones_like(log.scored.labels))
    some, nothing = (draw_sample(log.sample.features, seed=1, size=size) for size in (20, 0))

    def names(rows: Scored, sample: Any) -> set[str]:
        evaluation = describe(trained.journey, rows, resamples=0)
        drawn = pictures_of(trained.journey, trained.result.model, rows, sample, evaluation)
        return {picture.name for picture in drawn}

    assert names(abandoned, log.sample) == set(PICTURES) - {"precision_recall", "gain"}
    # Twenty prefixes are too few for the mean of any stage or cohort.
    assert names(log.scored, some) == set(PICTURES) - {"frictions_by_stage", "frictions_by_cohort"}
    assert names(log.scored, nothing) == set(PICTURES[:5])
