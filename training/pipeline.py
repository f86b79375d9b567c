"""Log to model, in the order it happens: read, cut, build, label, split, tune, fit, calibrate, evaluate, register."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from decisions.risk import RiskModel
from features.engine import HERE, Engine
from features.events import EncodedLog, FloatArray
from features.plan import Plan, compile_plan
from features.read_log import ReadSummary, read_log
from features.source import CANONICAL, Source
from features.staging import Progress
from features.store_path import without_password
from journeys.ends import SessionEnds, find_ends
from journeys.journey import Journey
from training.blockers import fit_blockers
from training.evaluate import Evaluation
from training.evaluate_log import describe_scored
from training.hazard import fit_hazard
from training.intervals import RESAMPLES
from training.leaks import Leak, find_leaks, refuse_leaks, to_json
from training.learn import Learnt, learn
from training.lessons import Lessons, take_lessons
from training.pictures.gallery import pictures_of
from training.prefixes import ScoredLog, ScorePrefixes, labelled_prefixes
from training.promote import Contest, Reigning, promote_if_better, reigning
from training.register import register
from training.row_profile import RowProfile
from training.sample import MAX_SESSIONS, draw_sessions, telling_of_sample
from training.snapshot import take_snapshot_of
from training.split import Split, TooFewSessions, forward_split
from training.trained import EXAMPLE_ROWS, DataIdentity, TrainedModel, digest_files
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
    sessions: int = MAX_SESSIONS,
    trials: int = 0,
    seed: int = 7,
    resamples: int = RESAMPLES,
    pictures: bool = True,
    threads: int | None = None,
    allowed_leaks: Sequence[str] = (),
    source: Source = CANONICAL,
    quarantine: Path | None = None,
    engine: Engine = HERE,
    progress: Progress = lambda _phase, _fraction: None,
    on_read: Callable[[ReadSummary], None] = lambda _summary: None,
    on_trial: Callable[[Trial], None] = lambda _trial: None,
    spare: Spare | None = None,
    data_name: str | None = None,
) -> TrainingResult:
    """Train, evaluate on the latest sessions, register, and promote a better model than the champion.

    Of a log of more ``sessions`` a sample of whole persons is learnt from; all of its latest sessions are evaluated,
    batch by batch where the ``engine`` works. The model is the same on any engine.
    ``spare`` leaves sessions out and weighs the others; ``data_name`` is what the run calls the log. Fitting takes all
    cores unless ``threads`` says otherwise; the model is the same. Without ``pictures`` none are drawn for the run.
    Raises ``features.log_files.LogError``, ``training.split.TooFewSessions`` and ``training.leaks.LeakFound``, the last
    for what gives the end away and is not among the ``allowed_leaks``.
    """
    plan = compile_plan(journey.table)
    with read_log(
        path,
        plan,
        timeout_seconds=journey.session_timeout_seconds,
        source=source,
        quarantine=quarantine,
        engine=engine,
        progress=progress,
    ) as read:
        summary, end_us = read.summary, read.summary.last_at_us
        log, sampled_share = draw_sessions(read, sessions, seed)
        on_read(summary)
        ends, standing_for = find_ends(plan, log, journey, end_us), np.ones(log.session_count)
        if spare is not None:
            ends, standing_for = spare(log, ends)
        with telling_of_sample(log.session_count, sampled_share):
            split = forward_split(log, ends, journey.horizon_seconds)
            progress("looking for leaks", 0.0)
            leaks = find_leaks(journey, plan, log, ends, split.training, seed=seed)
            refuse_leaks(journey, leaks, allowed_leaks)
            progress("building features", 0.0)
            held_out_count = _require_both_labels(journey, log, ends, split, end_us)
        lessons = take_lessons(journey, plan, log, ends, split, standing_for, end_us, seed=seed)
        data = DataIdentity(
            path=data_name or without_password(path),
            digest=digest_files(path),
            events=log.event_count,
            sessions=log.session_count,
            training_sessions=int(split.training.sum()),
            first_at_us=summary.first_at_us,
            last_at_us=end_us,
            held_out_from_us=split.cut_us,
        )
        # The log is as large as all that was taken out of it; it is read once more to be scored.
        spared = None if spare is None else (log, ends, standing_for)
        cuts = split.cuts
        del log, ends, split, standing_for
        threads = threads or os.cpu_count() or 1
        training_profile = RowProfile.of(
            journey.table, lessons.rows.features, lessons.rows.labels, data.training_sessions
        )
        model, learnt = _learn(journey, plan, lessons, trials, seed, threads, progress, on_trial)
        example = lessons.rows.features[:EXAMPLE_ROWS].copy()
        del lessons
        progress("evaluating", 0.9)
        champion = reigning(journey, home)
        work = ScorePrefixes.of_about(
            held_out_count / sampled_share, journey, model, end_us, cuts=cuts, champion=champion.model, seed=seed
        )

        def score(work: ScorePrefixes) -> ScoredLog:
            return ScoredLog.join(read.map(work) if spared is None else [work.score(*spared)])

        held_out = score(work)
        evaluation = describe_scored(journey, model, held_out, resamples=resamples)
        pictures_drawn = pictures_of(journey, model, held_out.scored, held_out.sample, evaluation) if pictures else []
        progress("registering", 0.0)
        trained = TrainedModel(
            journey=journey,
            model=model,
            settings=learnt.settings,
            trials=learnt.trials,
            tuning=learnt.tuning,
            seed=seed,
            data=data,
            sampled_share=sampled_share,
            evaluation=evaluation,
            training_rows=training_profile,
            example=example,
            held_out=held_out.scored,
            held_out_rows=held_out.profile,
            calibration_losses=learnt.calibration_losses,
            pictures=pictures_drawn,
            leaks=leaks,
        )
        registered = register(trained, home=home, mlruns=mlruns)

        def against(other: Reigning) -> Contest:
            losses = held_out.losses if other.version == champion.version else None
            return Contest.of(losses or score(replace(work, champion=other.model)).losses)

        promoted, promotion = promote_if_better(journey, registered.version, against, home=home, mlruns=mlruns)
        progress("registering", 1.0)
    return TrainingResult(registered, evaluation, summary, promoted, promotion, sampled_share, leaks)


def _learn(
    journey: Journey,
    plan: Plan,
    lessons: Lessons,
    trials: int,
    seed: int,
    threads: int,
    progress: Progress,
    on_trial: Callable[[Trial], None],
) -> tuple[RiskModel, Learnt]:
    """Return the model that the lessons come to, unregistered, and how it was learnt."""
    learnt = learn(
        journey.table,
        lessons.rows,
        sessions=lessons.sessions,
        persons=lessons.persons,
        fitting=lessons.fitting,
        tuning=lessons.tuning,
        calibration=lessons.calibration,
        calibration_sessions=lessons.calibration_sessions,
        trials=trials,
        seed=seed,
        threads=threads,
        progress=progress,
        on_trial=on_trial,
    )
    progress("learning what stands in the way at each stage", 0.8)
    leavers = lessons.leavers
    blockers = fit_blockers(journey.table, leavers.rows, leavers.leaves, leavers.weights, seed=seed)
    progress("learning who leaves soon", 0.85)
    hazard = fit_hazard(journey, lessons.at_risk, learnt.vocabulary, seed=seed, threads=threads)
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
    return replace(model, snapshot=take_snapshot_of(journey, plan, lessons.snapshot, model)), learnt


def _require_both_labels(journey: Journey, log: EncodedLog, ends: SessionEnds, split: Split, end_us: int) -> int:
    """Return how many held-out prefixes there are; raises :class:`TooFewSessions` where one label is missing."""
    for what, sessions in (("training", split.training), ("held-out", split.held_out)):
        _, labels = labelled_prefixes(journey, log, ends, sessions, end_us)
        if not 0 < labels.sum() < len(labels):
            all_or_none = "none of" if not labels.any() else "all"
            raise TooFewSessions(
                f"{all_or_none} the {what} sessions are abandoned; the log must hold more of both kinds"
            )
    return len(labels)
