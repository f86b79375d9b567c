"""Measure a model's diagnosis on a log whose sessions' true blockers are known."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from decisions.diagnosis import NOTHING
from decisions.risk import RiskModel
from features.engine import HERE, Engine
from features.events import EncodedLog, IntArray
from features.plan import Plan, compile_plan
from features.source import CANONICAL, Source
from features.staging import Progress
from journeys.ends import SessionEnds, find_ends
from journeys.journey import Journey
from training.blame import Blamed, Figures, abstention_curve, confidence_calibration, false_blame, measure_blame
from training.deletion import deletion_test
from training.diagnosed import diagnose_rows
from training.intervals import RESAMPLES
from training.leavers import learning_rows
from training.moments import DECISION_STAGE, Read, at_decision_point, at_session_end
from training.rivals import rival_scores
from training.sample import read_sample
from training.split import Split, TooFewSessions, forward_split
from training.stability import duplicated_features, irrelevant_event, refit_agreement, shuffled_labels
from training.trained import digest_files
from training.truth import Truth, TruthError

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Planted:
    """A log whose sessions (S,) have a true blocker: its place, or -1 for none."""

    plan: Plan
    log: EncodedLog
    ends: SessionEnds
    blockers: IntArray
    caused: BoolArray
    """Whether the blocker made the visitor leave."""
    measured: BoolArray
    """Known to the truth, ended as the log tells, and held out where the model was trained on the log."""


def evaluate_diagnosis(
    journey: Journey,
    path: Path,
    model: RiskModel,
    truth: Truth,
    *,
    refits: int = 20,
    resamples: int = RESAMPLES,
    seed: int = 7,
    source: Source = CANONICAL,
    engine: Engine = HERE,
    progress: Progress = lambda _phase, _fraction: None,
) -> Figures:
    """Return how right, how sure and how stable the named blockers are; raises ``training.truth.TruthError``
    where the truth is of other sessions.

    Where the log is the one that the model was trained on, only sessions later than all training are measured.
    """
    plan = compile_plan(journey.table)
    log, _, summary = read_sample(journey, plan, path, seed=seed, source=source, engine=engine, progress=progress)
    ends = find_ends(plan, log, journey, summary.last_at_us)
    try:
        split, too_few = forward_split(log, ends, journey.horizon_seconds), None
    except TooFewSessions as error:
        split, too_few = None, str(error)
    trained_on = model.card.get("data", {}).get("digest") == digest_files(path)
    planted, counts = _join(plan, log, ends, truth, split.held_out if split is not None and trained_on else None)
    at_end = at_session_end(plan, log, ends, planted.measured)
    progress("comparing with the truth", 0.0)
    against = _against_truth(journey, model, truth, planted, at_end, resamples, seed)
    progress("comparing with the truth", 1.0)
    figures = {"sessions": "held out" if split is not None and trained_on else "all", **counts, **against}
    if split is None:
        lacking = {"stability": None, "deletion": None, "duplicated_feature": None, "shuffled_labels": None}
        return {**figures, **lacking, "note": f"nothing could be learnt anew from this log: {too_few}"}
    return figures | _learnt_anew(model, truth, planted, split, at_end, refits, resamples, seed, progress)


def _join(
    plan: Plan, log: EncodedLog, ends: SessionEnds, truth: Truth, held_out: BoolArray | None
) -> tuple[_Planted, dict[str, int]]:
    """Return the log with its truth, and how many sessions of either cannot be measured and why."""
    place = truth.places(log.session_ids)
    known = place >= 0
    if not known.any():
        raise TruthError(
            f"{truth.path} knows no session of the log: it has for example {truth.session_ids[0]!r}, "
            f"the log {log.session_ids[0]!r}"
        )
    blockers = np.where(known, truth.blockers[place], NOTHING)
    caused = known & truth.caused_exit[place]
    ended = ~np.isnan(ends.outcome) & (ends.usable > 0)
    stayed = caused & (ends.outcome == 0)
    measured = known & ended & ~stayed
    if held_out is not None:
        measured &= held_out
    counts = {
        "sessions_measured": int(measured.sum()),
        "truth_rows_repeated": truth.repeated,
        "truth_sessions_not_in_log": len(truth.session_ids) - int(known.sum()),
        "log_sessions_without_truth": int((~known).sum()),
        "sessions_still_open": int((known & ~ended).sum()),
        "caused_exits_that_did_not_leave": int(stayed.sum()),
    }
    if not (measured & caused).any():
        raise TruthError(
            f"{truth.path} names no blocker that ended a session that can be measured; it needs at least "
            "one to compare with"
        )
    return _Planted(plan, log, ends, blockers, caused, measured), counts


def _against_truth(
    journey: Journey, model: RiskModel, truth: Truth, planted: _Planted, at_end: Read, resamples: int, seed: int
) -> Figures:
    places, names = truth.planted, tuple(friction.name for friction in journey.frictions)
    at_decision = at_decision_point(planted.plan, planted.log, planted.ends, planted.measured)
    every_end, every_decision = (_blame(model, read, planted, rivals=True) for read in (at_end, at_decision))
    caused, left = planted.caused[at_end.sessions], planted.ends.outcome[at_end.sessions] == 1
    session_end, decision_point = every_end.take(caused), every_decision.take(planted.caused[at_decision.sessions])
    quiet = model.predict(at_end.rows[caused]) < journey.policy.low_risk
    return {
        "planted": [names[place] for place in places.tolist()],
        "session_end": {
            **measure_blame(session_end, places, names, resamples=resamples, seed=seed),
            "kept_quiet_by_low_risk": float(quiet.mean()),
        },
        "decision_point": {
            "definition": _decision_point(journey),
            "never_reached": int(caused.sum()) - len(decision_point.blockers),
            **measure_blame(decision_point, places, names, resamples=resamples, seed=seed),
        },
        **false_blame(every_end, places, caused, left, resamples=resamples, seed=seed),
        "abstention": {
            "session_end": abstention_curve(session_end, places),
            "decision_point": abstention_curve(decision_point, places),
        },
        "confidence": {
            "session_end": confidence_calibration(_of_those_who_left(every_end, at_end, planted)),
            "decision_point": confidence_calibration(_of_those_who_left(every_decision, at_decision, planted)),
        },
    }


def _learnt_anew(
    model: RiskModel,
    truth: Truth,
    planted: _Planted,
    split: Split,
    at_end: Read,
    refits: int,
    resamples: int,
    seed: int,
    progress: Progress,
) -> Figures:
    learning = learning_rows(planted.plan, planted.log, planted.ends, split.training, seed=seed)
    left, later = planted.ends.outcome[at_end.sessions] == 1, split.held_out[at_end.sessions]
    caused = planted.caused[at_end.sessions]
    blocked = at_end.take(caused & later if (caused & later).any() else caused)
    agreement = refit_agreement(
        model,
        learning,
        blocked,
        refits=refits,
        seed=seed,
        tell=lambda done: progress("learning from other visitors", done),
    )
    duplicated = duplicated_features(
        model,
        learning,
        blocked,
        truth.planted,
        seed=seed,
        tell=lambda done: progress("declaring features twice", done),
    )
    shuffled = measure_blame(
        _blame(shuffled_labels(model, learning, seed=seed), at_end.take(caused), planted, rivals=False),
        truth.planted,
        tuple(friction.name for friction in model.table.frictions),
        resamples=resamples,
        seed=seed,
    )
    return {
        "stability": {
            **agreement,
            "irrelevant_event": irrelevant_event(model, planted.plan, planted.log, planted.ends, at_end),
        },
        "deletion": deletion_test(model, at_end.rows[left], learning.rows, seed=seed),
        "duplicated_feature": duplicated,
        "shuffled_labels": {
            name: shuffled[name] for name in ("n", "top1", "top1_forced", "majority", "named", "intervals")
        },
    }


def _blame(model: RiskModel, read: Read, planted: _Planted, *, rivals: bool) -> Blamed:
    return Blamed(
        diagnose_rows(model, read.rows),
        planted.blockers[read.sessions],
        read.persons,
        rival_scores(model, read.rows) if rivals else {},
    )


def _of_those_who_left(blamed: Blamed, read: Read, planted: _Planted) -> Blamed:
    """Return all abandoned sessions; a blocker that did not make the visitor leave is none."""
    blockers = np.where(planted.caused[read.sessions], blamed.blockers, NOTHING)
    return replace(blamed, blockers=blockers).take(planted.ends.outcome[read.sessions] == 1)


def _decision_point(journey: Journey) -> str:
    if len(journey.stages) <= DECISION_STAGE:
        return "this journey has fewer than three stages, so no session has one"
    names = " or ".join(repr(stage.name) for stage in journey.stages[DECISION_STAGE:][:1])
    return f"right after the event that first enters the stage {names} (the third declared one) or a later one"
