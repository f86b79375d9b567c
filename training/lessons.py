"""All that is learnt from, taken out of a sample of a log, so that the log itself need not stay in memory."""

from dataclasses import dataclass

import numpy as np

from features.build import build
from features.events import EncodedLog, FloatArray, IntArray
from features.plan import Plan
from journeys.ends import SessionEnds
from journeys.journey import Journey
from training.cutoffs import training_cutoffs
from training.fit import Rows
from training.hazard import AtRisk, rows_at_risk
from training.labels import label
from training.leavers import Learning, learning_rows
from training.prefixes import labelled_prefixes
from training.snapshot import SnapshotSample, sample_for_snapshot
from training.split import BoolArray, Split, persons


@dataclass(frozen=True, slots=True)
class Lessons:
    """Labelled rows (R,) to learn from with whose they are, and what the other parts of a model learn from.

    ``persons`` are None where the next row's label is about another stretch of time. ``calibration`` are all prefixes
    of the tuning sessions.
    """

    rows: Rows
    sessions: IntArray
    persons: IntArray | None
    fitting: BoolArray
    tuning: BoolArray
    calibration: Rows
    calibration_sessions: IntArray
    leavers: Learning
    at_risk: AtRisk
    snapshot: SnapshotSample


def take_lessons(
    journey: Journey,
    plan: Plan,
    log: EncodedLog,
    ends: SessionEnds,
    split: Split,
    standing_for: FloatArray,
    end_us: int,
    *,
    seed: int,
) -> Lessons:
    """Return what the sessions of a log, each standing for so many (S,), teach."""
    rows, sessions = training_rows(journey, plan, log, ends, split.training, end_us, standing_for)
    cutoffs, labels = labelled_prefixes(journey, log, ends, split.tuning, end_us)
    return Lessons(
        rows=rows,
        sessions=sessions,
        persons=persons(log)[sessions] if journey.horizon_seconds is None else None,
        fitting=split.fitting[sessions],
        tuning=split.tuning[sessions],
        calibration=Rows(build(plan, log, cutoffs), labels, cutoffs.after, standing_for[cutoffs.session]),
        calibration_sessions=cutoffs.session,
        leavers=learning_rows(plan, log, ends, split.training, standing_for, seed=seed),
        at_risk=rows_at_risk(journey, plan, log, ends, split, seed=seed),
        snapshot=sample_for_snapshot(log, ends, end_us, seed=seed),
    )


def training_rows(
    journey: Journey,
    plan: Plan,
    log: EncodedLog,
    ends: SessionEnds,
    training: BoolArray,
    end_us: int,
    standing_for: FloatArray,
) -> tuple[Rows, IntArray]:
    """Return the labelled rows of the training sessions (S,), and their sessions (R,)."""
    usable = np.where(training, ends.usable, 0)
    cutoffs = training_cutoffs(plan, log, usable, journey.idle_ticks_seconds, end_us)
    labels = label(ends, cutoffs, journey.horizon_seconds, end_us)
    known = ~np.isnan(labels)
    cutoffs, labels = cutoffs.take(known), labels[known]
    return Rows(build(plan, log, cutoffs), labels, cutoffs.after, standing_for[cutoffs.session]), cutoffs.session
