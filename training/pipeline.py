"""Log to model, in the order it happens: read, cut, build, label, split, tune, fit, calibrate, evaluate, register."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from decisions.risk import RiskModel
from features.build import build
from features.events import Cutoffs, EncodedLog, FloatArray, IntArray
from features.plan import Plan, compile_plan
from features.read_log import ReadSummary
from features.source import CANONICAL, Source
from features.staging import Progress
from journeys.ends import SessionEnds, find_ends
from journeys.journey import Journey
from training.blockers import fit_blockers
from training.cutoffs import after_every_event, training_cutoffs
from training.evaluate import Evaluation, describe, score_rows, stage_names
from training.fit import Rows
from training.hazard import fit_hazard, held_out_sessions
from training.importance import draw_sample
from training.intervals import RESAMPLES
from training.labels import label
from training.leaks import Leak, find_leaks, refuse_leaks, to_json
from training.learn import learn
from training.leavers import learning_rows
from training.leaving import describe_leaving, foresee
from training.pictures.gallery import pictures_of
from training.promote import promote_if_better
from training.register import register
from training.sample import read_sample
from training.snapshot import sampled_snapshot
from training.split import Split, TooFewSessions, forward_split, persons
from training.trained import DataIdentity, TrainedModel, digest_files
from training.tune import Trial

Spare = Callable[[EncodedLog, SessionEnds], tuple[SessionEnds, FloatArray]]
"""Returns the ends without the sessions to leave out, and for how many sessions each of the others stands (S,)."""


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a training came to; ``promotion`` says in words whether it became champion and why."""

    model: RiskModel
    evaluation: Evaluation
    summary: ReadSummary
    promoted: bool
    promotion: str
    sampled_share: float
    leaks: Sequence[Leak] = ()
    """What gives the end away and was allowed, or may give it away."""

    def to_json(self) -> dict[str, object]:
        """Return what ``dropoff train --json`` writes."""
        return {
            "model_version": self.model.version,
            "promoted": self.promoted,
            "promotion": self.promotion,
            "sampled_share": self.sampled_share,
            "leaks": to_json(self.leaks),
            "held_out": self.evaluation,
        }


def train(
    journey: Journey,
    path: Path,
    *,
    home: Path,
    mlruns: Path,
    trials: int = 0,
    seed: int = 7,
    resamples: int = RESAMPLES,
    pictures: bool = True,
    threads: int | None = None,
    allowed_leaks: Sequence[str] = (),
    source: Source = CANONICAL,
    quarantine: Path | None = None,
    progress: Progress = lambda _phase, _fraction: None,
    on_read: Callable[[ReadSummary], None] = lambda _summary: None,
    on_trial: Callable[[Trial], None] = lambda _trial: None,
    spare: Spare | None = None,
    data_name: str | None = None,
) -> TrainingResult:
    """Train, evaluate on the latest sessions, register, and promote a better model than the champion.

    ``spare`` leaves sessions out and weighs the others; ``data_name`` is what the run calls the log. Fitting takes all
    cores unless ``threads`` says otherwise; the model is the same. Without ``pictures`` none are drawn for the run.
    Raises ``features.log_files.LogError``, ``training.split.TooFewSessions`` and ``training.leaks.LeakFound``, the last
    for what gives the end away and is not among the ``allowed_leaks``.
    """
    plan = compile_plan(journey.table)
    log, sampled_share, summary = read_sample(
        journey, plan, path, seed=seed, source=source, quarantine=quarantine, progress=progress
    )
    on_read(summary)
    end_us = summary.last_at_us
    ends = find_ends(plan, log, journey, end_us)
    standing_for = np.ones(log.session_count)
    if spare is not None:
        ends, standing_for = spare(log, ends)
    split = forward_split(log, ends, journey.horizon_seconds)
    progress("looking for leaks", 0.0)
    leaks = find_leaks(journey, plan, log, ends, split.training, seed=seed)
    refuse_leaks(journey, leaks, allowed_leaks)
    progress("building features", 0.0)
    rows, sessions = _training_rows(journey, plan, log, ends, split, end_us)
    rows = replace(rows, weights=standing_for[sessions])
    held_out_cutoffs, held_out_labels = _prefixes(journey, log, ends, split.held_out, end_us)
    _require_both_labels("training", rows.labels)
    _require_both_labels("held-out", held_out_labels)
    held_out_rows = build(plan, log, held_out_cutoffs)
    threads = threads or os.cpu_count() or 1
    tuning_cutoffs, tuning_labels = _prefixes(journey, log, ends, split.tuning, end_us)
    learnt = learn(
        journey.table,
        rows,
        sessions=sessions,
        # With a horizon, the next row's label is about another stretch of time.
        persons=persons(log)[sessions] if journey.horizon_seconds is None else None,
        fitting=split.fitting[sessions],
        tuning=split.tuning[sessions],
        calibration=Rows(
            build(plan, log, tuning_cutoffs),
            tuning_labels,
            tuning_cutoffs.after,
            standing_for[tuning_cutoffs.session],
        ),
        calibration_sessions=tuning_cutoffs.session,
        trials=trials,
        seed=seed,
        threads=threads,
        progress=progress,
        on_trial=on_trial,
    )
    progress("learning what stands in the way at each stage", 0.8)
    learning = learning_rows(plan, log, ends, split.training, standing_for, seed=seed)
    blockers = fit_blockers(journey.table, learning.rows, learning.leaves, learning.weights, seed=seed)
    progress("learning who leaves soon", 0.85)
    hazard = fit_hazard(journey, plan, log, ends, split, learnt.vocabulary, seed=seed, threads=threads)
    model = RiskModel(
        journey.name,
        "unregistered",
        journey.table,
        learnt.booster,
        learnt.calibrator,
        learnt.vocabulary,
        blockers,
        hazard=hazard,
    )
    progress("taking a snapshot of the log", 0.8)
    snapshot, _ = sampled_snapshot(journey, plan, log, model, log_end_us=end_us, seed=seed)
    model = replace(model, snapshot=snapshot)
    progress("evaluating", 0.9)
    held_out = score_rows(plan, log, held_out_cutoffs, held_out_rows, held_out_labels, model)
    leaving = None
    if hazard is not None:
        late = held_out_sessions(log, ends, split)
        foreseen = foresee(journey, plan, log, ends, late, end_us, learnt.vocabulary, hazard)
        leaving = describe_leaving(hazard, foreseen, stage_names(journey))
    evaluation = {**describe(journey, held_out, resamples=resamples), "leaving_soon": leaving}
    sample = draw_sample(held_out_rows, seed)
    drawn = pictures_of(journey, model, held_out, sample, evaluation) if pictures else []
    progress("registering", 0.0)
    trained = TrainedModel(
        journey=journey,
        model=model,
        settings=learnt.settings,
        trials=learnt.trials,
        tuning=learnt.tuning,
        seed=seed,
        data=DataIdentity(
            path=data_name or str(path),
            digest=digest_files(path),
            events=log.event_count,
            sessions=log.session_count,
            training_sessions=int(split.training.sum()),
            first_at_us=summary.first_at_us,
            last_at_us=end_us,
            held_out_from_us=split.cut_us,
        ),
        sampled_share=sampled_share,
        evaluation=evaluation,
        rows=rows,
        held_out=held_out,
        held_out_rows=held_out_rows,
        calibration_losses=learnt.calibration_losses,
        pictures=drawn,
        leaks=leaks,
    )
    registered = register(trained, home=home, mlruns=mlruns)
    promoted, promotion = promote_if_better(
        journey,
        registered.version,
        held_out,
        held_out_rows,
        home=home,
        mlruns=mlruns,
        standing_for=standing_for[held_out_cutoffs.session],
    )
    progress("registering", 1.0)
    return TrainingResult(registered, evaluation, summary, promoted, promotion, sampled_share, leaks)


def _training_rows(
    journey: Journey, plan: Plan, log: EncodedLog, ends: SessionEnds, split: Split, end_us: int
) -> tuple[Rows, IntArray]:
    """Return the labelled training rows and their sessions (R,)."""
    usable = np.where(split.training, ends.usable, 0)
    cutoffs = training_cutoffs(plan, log, usable, journey.idle_ticks_seconds, end_us)
    labels = label(ends, cutoffs, journey.horizon_seconds, end_us)
    known = ~np.isnan(labels)
    cutoffs, labels = cutoffs.take(known), labels[known]
    return Rows(build(plan, log, cutoffs), labels, cutoffs.after), cutoffs.session


def _require_both_labels(what: str, labels: FloatArray) -> None:
    if not 0 < labels.sum() < len(labels):
        all_or_none = "none of" if not labels.any() else "all"
        raise TooFewSessions(f"{all_or_none} the {what} sessions are abandoned; the log must hold more of both kinds")


def _prefixes(
    journey: Journey,
    log: EncodedLog,
    ends: SessionEnds,
    sessions: np.ndarray[tuple[int], np.dtype[np.bool_]],
    end_us: int,
) -> tuple[Cutoffs, FloatArray]:
    """Return every labelled prefix of the chosen sessions."""
    cutoffs = after_every_event(log, np.where(sessions, ends.usable, 0))
    labels = label(ends, cutoffs, journey.horizon_seconds, end_us)
    known = ~np.isnan(labels)
    return cutoffs.take(known), labels[known]
