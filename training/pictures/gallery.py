"""All pictures of a model on a log, in the order in which they are looked at."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from decisions.risk import RiskModel
from features.staging import Progress
from journeys.journey import Journey
from training.blocks import Partition, part_by_text
from training.evaluate import SMALLEST_COHORT, Evaluation, Scored, stage_partition
from training.importance import Sample, explain
from training.pictures.canvas import Picture
from training.pictures.gain import draw_gain
from training.pictures.importance import (
    Groups,
    draw_beeswarm,
    draw_frictions,
    draw_frictions_by_cohort,
    draw_frictions_by_stage,
)
from training.pictures.probabilities import draw_precision_recall, draw_reliability
from training.pictures.quality import draw_early_prediction, draw_quality_by_stage


def pictures_of(
    journey: Journey, model: RiskModel, scored: Scored, sample: Sample, evaluation: Evaluation
) -> list[Picture]:
    """Return the pictures of scored prefixes, of which the sample is explained."""
    on = f"{journey.title}: {len(scored.labels):,} prefixes of {evaluation['n_sessions']:,} sessions."
    explained = explain(model, sample)
    taken = sample.places
    stages = _groups(stage_partition(journey, scored), taken)
    cohorts = {
        cohort: _groups(part_by_text("", values, SMALLEST_COHORT), taken) for cohort, values in scored.cohorts.items()
    }
    return [
        Picture("early_prediction", partial(draw_early_prediction, evaluation, context=on)),
        Picture("quality_by_stage", partial(draw_quality_by_stage, evaluation, context=on)),
        Picture("reliability", partial(draw_reliability, scored, context=on)),
        Picture("precision_recall", partial(draw_precision_recall, scored, context=on)),
        Picture("gain", partial(draw_gain, scored, context=f"{journey.title}.")),
        Picture("beeswarm", partial(draw_beeswarm, explained, context=f"{journey.title}.")),
        Picture("frictions", partial(draw_frictions, explained, context=on)),
        Picture("frictions_by_stage", partial(draw_frictions_by_stage, explained, stages, context=on)),
        Picture("frictions_by_cohort", partial(draw_frictions_by_cohort, explained, cohorts, context=on)),
    ]


def draw_pictures(
    drawn: Sequence[Picture], folder: Path, *, progress: Progress = lambda _phase, _fraction: None
) -> None:
    """Write the pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, picture in enumerate(drawn):
        progress("drawing", place / len(drawn))
        picture.draw(folder / f"{picture.name}.png")


def _groups(partition: Partition, taken: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Groups:
    places = partition.places[taken]
    return {name: places == place for place, name in enumerate(partition.names)}
