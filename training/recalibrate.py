"""Recalibrate: the same booster with odds shifted stage by stage, for when odds have moved but signs have not."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from decisions.calibration import Calibrator, logit
from decisions.exposure import stage_rows
from decisions.risk import RiskModel
from features.build import build
from features.events import Cutoffs, EncodedLog
from features.plan import Plan, compile_plan
from features.read_log import ReadSummary
from features.source import CANONICAL, Source
from features.staging import Progress
from features.store_path import without_password
from journeys.ends import SessionEnds, find_ends
from journeys.journey import Journey
from storage.history import Action
from training.evaluate import Evaluation, describe, score_rows, stage_names
from training.fit import Rows, Settings
from training.hazard import held_out_sessions
from training.importance import draw_sample
from training.leaving import describe_leaving, foresee, tally_leaving
from training.metrics import Block, measure
from training.paired import Gain
from training.pictures.gallery import pictures_of
from training.prefixes import labelled_prefixes
from training.promote import on_rows, promote_if_better
from training.register import register
from training.row_profile import RowProfile
from training.sample import read_sample
from training.snapshot import sampled_snapshot
from training.split import BoolArray, TooFewSessions, forward_split
from training.stage_shifts import cross_fitted_gain, fit_shifts
from training.trained import EXAMPLE_ROWS, DataIdentity, TrainedModel, as_date, digest_files


@dataclass(frozen=True, slots=True)
class Recalibration:
    """What a recalibration came to: held-out figures with the former calibrator and with the new one.

    Where shifts gained nothing beyond chance, nothing was registered: ``model`` is the former and ``evaluation`` None.
    """

    model: RiskModel
    former: Evaluation
    evaluation: Evaluation | None
    summary: ReadSummary
    promoted: bool
    promotion: str

    def to_json(self) -> dict[str, object]:
        """Return what ``dropoff recalibrate --json`` writes."""
        return {
            "model_version": self.model.version,
            "registered": self.evaluation is not None,
            "promoted": self.promoted,
            "promotion": self.promotion,
            "calibrator": self.model.calibrator.to_json(),
            "before": self.former,
            "held_out": self.evaluation,
        }


def recalibrate(
    journey: Journey,
    path: Path,
    model: RiskModel,
    *,
    home: Path,
    mlruns: Path,
    since_us: int | None = None,
    seed: int = 7,
    source: Source = CANONICAL,
    quarantine: Path | None = None,
    resamples: int = 0,
    progress: Progress = lambda _phase, _fraction: None,
    on_read: Callable[[ReadSummary], None] = lambda _summary: None,
) -> Recalibration:
    """Shift the calibrator's odds to the log's sessions that started at ``since_us`` or later; register the version.

    Where shifts gain nothing beyond chance on sessions that they were not fitted to, nothing is registered. The latest
    quarter of the sessions judges: the new version becomes champion if it beats the one there is on them by more than
    chance. Earlier events count as the visitors' history. Raises ``features.log_files.LogError`` and
    ``training.split.TooFewSessions``.
    """
    plan = compile_plan(journey.table)
    log, sampled_share, summary = read_sample(
        journey, plan, path, seed=seed, source=source, quarantine=quarantine, progress=progress
    )
    on_read(summary)
    end_us = summary.last_at_us
    ends = _only_since(find_ends(plan, log, journey, end_us), log, since_us)
    try:
        split = forward_split(log, ends, journey.horizon_seconds)
    except TooFewSessions as error:
        if since_us is None:
            raise
        raise TooFewSessions(
            f"{error}; sessions that began before {as_date(since_us)} are left out; the log ends at {as_date(end_us)}"
        ) from error
    progress("calibrating", 0.0)
    cutoffs, rows = _labelled(journey, plan, log, ends, split.training, end_us)
    held_out_cutoffs, held_out_rows = _labelled(journey, plan, log, ends, split.held_out, end_us)
    features, labels = held_out_rows.features, held_out_rows.labels
    formerly = score_rows(plan, log, held_out_cutoffs, features, labels, model)
    former = describe(journey, formerly, resamples=resamples)
    calibrator, gain = recalibrator(model, rows, cutoffs)
    if calibrator is None:
        told = (
            f"shifted odds gain nothing beyond chance, log loss {gain.after:.5f} against {gain.before:.5f} on sessions "
            f"that they were not fitted to, standard error of the difference {gain.error:.5f}"
        )
        return Recalibration(model, former, None, summary, promoted=False, promotion=told)
    renewed = replace(model, version="unregistered", calibrator=calibrator)
    snapshot, _ = sampled_snapshot(journey, plan, log, renewed, log_end_us=end_us, seed=seed)
    renewed = replace(renewed, snapshot=snapshot)
    progress("evaluating", 0.5)
    held_out = replace(formerly, risks=renewed.predict(features))
    leaving = None
    if model.hazard is not None:
        late = held_out_sessions(log, ends, split)
        foreseen = foresee(journey, plan, log, ends, late, end_us, model.vocabulary, model.hazard)
        leaving = describe_leaving(model.hazard, tally_leaving(model.hazard, foreseen), stage_names(journey))
    evaluation = {**describe(journey, held_out, resamples=resamples), "leaving_soon": leaving}
    progress("registering", 0.0)
    trained = TrainedModel(
        journey=journey,
        model=renewed,
        settings=Settings(**model.card["settings"]),
        trials=[],
        tuning=_figures(renewed, rows, cutoffs),
        seed=seed,
        data=DataIdentity(
            path=without_password(path),
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
        training_rows=RowProfile.of(journey.table, rows.features, rows.labels, int(split.training.sum())),
        example=rows.features[:EXAMPLE_ROWS],
        held_out=held_out,
        held_out_rows=RowProfile.of(journey.table, features, labels, int(split.held_out.sum())),
        calibration_losses={"former": gain.before, "shifted": gain.after},
        pictures=pictures_of(journey, renewed, held_out, draw_sample(features, seed), evaluation),
        recalibrated_from=model.version,
    )
    registered = register(trained, home=home, mlruns=mlruns)
    promoted, promotion = promote_if_better(
        journey,
        registered.version,
        on_rows(held_out, features, beyond_chance=True),
        home=home,
        mlruns=mlruns,
        action=Action.RECALIBRATE,
    )
    progress("registering", 1.0)
    return Recalibration(registered, former, evaluation, summary, promoted, promotion)


def recalibrator(model: RiskModel, rows: Rows, cutoffs: Cutoffs) -> tuple[Calibrator | None, Gain]:
    """Return the model's calibrator with shifts for labelled prefixes (R,), and their cross-fitted gain.

    The shifts add to those that it has; None where they gain nothing beyond chance.
    """
    stage_count = len(model.table.stages) + 1
    stages, logits = stage_rows(model.table, rows.features), logit(model.predict(rows.features))
    gain = cross_fitted_gain(logits, rows.labels, stages, cutoffs.session, stage_count)
    if not gain.is_beyond_chance:
        return None, gain
    shifts = np.array(model.calibrator.shifts or np.zeros(stage_count))
    shifts += fit_shifts(logits, rows.labels, stages, cutoffs.session, stage_count)
    return replace(model.calibrator, shifts=tuple(float(shift) for shift in shifts)), gain


def _only_since(ends: SessionEnds, log: EncodedLog, since_us: int | None) -> SessionEnds:
    if since_us is None:
        return ends
    return replace(ends, usable=np.where(log.at_us[log.starts[:-1]] >= since_us, ends.usable, 0))


def _labelled(
    journey: Journey, plan: Plan, log: EncodedLog, ends: SessionEnds, sessions: BoolArray, end_us: int
) -> tuple[Cutoffs, Rows]:
    cutoffs, labels = labelled_prefixes(journey, log, ends, sessions, end_us)
    return cutoffs, Rows(build(plan, log, cutoffs), labels, cutoffs.after)


def _figures(model: RiskModel, rows: Rows, cutoffs: Cutoffs) -> Block:
    return measure(rows.labels, model.predict(rows.features), cutoffs.session)
