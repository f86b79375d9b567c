"""How well the hazard foresees who leaves soon: against the base rate, and against the idle time alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from decisions.hazard import Hazard
from features.build import build, silent_after
from features.duration import write_duration
from features.events import EncodedLog, FloatArray, IntArray
from features.plan import Plan
from features.vocabulary import Vocabulary
from journeys.ends import SessionEnds, label_leaving, silence_seconds
from journeys.journey import Journey
from training.cutoffs import after_every_event
from training.hazard import idle_ticks
from training.split import BoolArray
from training.tally import Tally

ALL, IDLE_ALONE, BASE_RATE_ALONE, BY_IDLE, BY_STAGE = "all", "idle alone", "base rate alone", "by idle", "by stage"

LeavingTallies = Mapping[tuple[str, float], Tally]
"""The tallies of moments, by what they are parted by and which part of it they are."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """Moments (R,): whether the visitor left soon, how probable it was said to be, and where and when that was."""

    labels: FloatArray
    probabilities: FloatArray
    by_idle_alone: FloatArray
    idle_seconds: FloatArray
    stages: FloatArray
    sessions: IntArray


def foresee(
    journey: Journey,
    plan: Plan,
    log: EncodedLog,
    ends: SessionEnds,
    sessions: BoolArray,
    log_end_us: int,
    vocabulary: Vocabulary,
    hazard: Hazard,
    *,
    silences: Sequence[float] | None = None,
) -> list[Foreseen]:
    """Return a part for right after every event of the sessions (S,), and one for each silence after it.

    Only moments count of which the outcome is known when the log ends. ``silences`` (seconds) are by default those that
    the hazard was learnt at.
    """
    every = after_every_event(log, np.where(sessions, ends.usable, 0))
    parts = []
    for tick in (0.0, *idle_ticks(journey)) if silences is None else silences:
        cutoffs = silent_after(log, every, tick, log_end_us) if tick else every
        labels = label_leaving(ends, cutoffs, hazard.within_seconds, silence_seconds(journey), log_end_us)
        known = ~np.isnan(labels)
        cutoffs, labels = cutoffs.take(known), labels[known]
        rows = build(plan, log, cutoffs)
        idle = np.full(len(labels), tick)
        parts.append(
            Foreseen(
                labels,
                hazard.predict(vocabulary.apply(rows), idle),
                hazard.by_idle_alone(idle),
                idle,
                rows[:, plan.feature_names.index("stage_index")],
                cutoffs.session,
            )
        )
    return parts


def tally_leaving(hazard: Hazard, parts: Sequence[Foreseen]) -> LeavingTallies:
    """Return the tallies of whole sessions' moments: all, by the idle time and by the base rate alone, and by part."""

    def joined(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    labels, said, sessions, idle = (joined(name) for name in ("labels", "probabilities", "sessions", "idle_seconds"))
    if not len(labels):
        return {}
    stages = np.where(np.isnan(joined("stages")), 0, np.nan_to_num(joined("stages")) + 1).astype(np.int64)

    def tally(rows: BoolArray) -> Tally:
        return Tally.of(labels[rows], said[rows], sessions[rows])

    return {
        (ALL, 0): Tally.of(labels, said, sessions),
        (IDLE_ALONE, 0): Tally.of(labels, joined("by_idle_alone"), sessions),
        (BASE_RATE_ALONE, 0): Tally.of(labels, np.full(len(labels), hazard.base_rate), sessions),
        **{(BY_IDLE, tick): tally(idle == tick) for tick in np.unique(idle).tolist()},
        **{(BY_STAGE, stage): tally(stages == stage) for stage in np.unique(stages).tolist()},
    }


def describe_leaving(hazard: Hazard, tallies: LeavingTallies, stage_names: Sequence[str]) -> dict[str, Any] | None:
    """Return the block of figures about leaving soon; None where no moment is known.

    The first of ``stage_names`` is that of no stage.
    """
    if not tallies:
        return None
    ticks, stages = (sorted(place for kind, place in tallies if kind == by) for by in (BY_IDLE, BY_STAGE))
    return {
        "within": write_duration(hazard.within_seconds),
        **tallies[ALL, 0].measure(),
        "idle_alone": tallies[IDLE_ALONE, 0].measure(),
        "base_rate_alone": tallies[BASE_RATE_ALONE, 0].measure(),
        "by_idle": {write_duration(tick): tallies[BY_IDLE, tick].measure() for tick in ticks},
        "by_stage": {stage_names[int(stage)]: tallies[BY_STAGE, stage].measure() for stage in stages},
    }
