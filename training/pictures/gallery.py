"""All pictures of a model on a log, in the order in which they are looked at."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from decisions.risk import RiskModel
from features.staging import Progress
from journeys.journey import Journey
from training.blocks import Partition, part_by_text
from training.evaluate import SMALLEST_COHORT, Evaluation, Scored, stage_partition
from training.importance import Sample, explain
from training.pictures.beeswarm import draw_beeswarm
from training.pictures.canvas import Picture
from training.pictures.frictions import Groups, draw_frictions, draw_frictions_by_cohort, draw_frictions_by_stage
from training.pictures.gain import draw_gain
from training.pictures.probabilities import draw_precision_recall, draw_reliability
from training.pictures.quality import draw_early_prediction, draw_quality_by_stage

PICTURES = (
    "early_prediction",
    "quality_by_stage",
    "reliability",
    "precision_recall",
    "gain",
    "beeswarm",
    "frictions",
    "frictions_by_stage",
    "frictions_by_cohort",
)
FEWEST_PREFIXES = 30
"""Of a stage or cohort with fewer explained prefixes no mean is shown."""


def pictures_of(
    journey: Journey, model: RiskModel, scored: Scored, sample: Sample, evaluation: Evaluation
) -> list[Picture]:
    """Return the pictures of scored prefixes, of which the sample is explained.

    Those that compare two outcomes, or frictions, are left out where there are none.
    """
    on = f"{journey.title}: {len(scored.labels):,} prefixes of {evaluation['n_sessions']:,} sessions."
    drawn = [
        Picture("early_prediction", partial(draw_early_prediction, evaluation, context=on)),
        Picture("quality_by_stage", partial(draw_quality_by_stage, evaluation, context=on)),
        Picture("reliability", partial(draw_reliability, scored, context=on)),
    ]
    if 0 < scored.labels.mean() < 1:
        drawn.append(Picture("precision_recall", partial(draw_precision_recall, scored, context=on)))
        drawn.append(Picture("gain", partial(draw_gain, scored, context=f"{journey.title}:")))
    if not len(sample.places):
        return drawn
    explained = explain(model, sample)
    stages = _groups(stage_partition(journey, scored), sample)
    cohorts = {
        cohort: _groups(part_by_text("", values, SMALLEST_COHORT), sample) for cohort, values in scored.cohorts.items()
    }
    drawn.append(Picture("beeswarm", partial(draw_beeswarm, explained, context=f"{journey.title}.")))
    if journey.table.frictions:
        drawn.append(Picture("frictions", partial(draw_frictions, explained, context=on)))
    if journey.table.frictions and stages:
        drawn.append(Picture("frictions_by_stage", partial(draw_frictions_by_stage, explained, stages, context=on)))
    if journey.table.frictions and any(cohorts.values()):
        drawn.append(Picture("frictions_by_cohort", partial(draw_frictions_by_cohort, explained, cohorts, context=on)))
    return drawn


def draw_pictures(
    drawn: Sequence[Picture], folder: Path, *, progress: Progress = lambda _phase, _fraction: None
) -> None:
    """Write the pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, picture in enumerate(drawn):
        progress("drawing", place / len(drawn))
        picture.draw(folder / f"{picture.name}.png")


def _groups(partition: Partition, sample: Sample) -> Groups:
    places = partition.places[sample.places]
    found = {name: places == place for place, name in enumerate(partition.names)}
    return {name: rows for name, rows in found.items() if rows.sum() >= FEWEST_PREFIXES}
