"""How well the hazard foresees who leaves soon: against the base rate, and against the idle time alone."""

from collections.abc import Sequence
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
from training.metrics import measure
from training.split import BoolArray


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
    first_session: int = 0,
    silences: Sequence[float] | None = None,
) -> list[Foreseen]:
    """Return a part for right after every event of the sessions (S,), and one for each silence after it.

    Only moments count of which the outcome is known when the log ends. ``first_session`` is added to the numbers of the
    sessions; ``silences`` (seconds) are by default those that the hazard was learnt at.
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
                cutoffs.session + first_session,
            )
        )
    return parts


def describe_leaving(hazard: Hazard, parts: Sequence[Foreseen], stage_names: Sequence[str]) -> dict[str, Any] | None:
    """Return the block of figures about leaving soon; None where no moment is known.

    The first of ``stage_names`` is that of no stage.
    """
    if not sum(len(part.labels) for part in parts):
        return None

    def joined(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    labels, said, sessions, idle = (joined(name) for name in ("labels", "probabilities", "sessions", "idle_seconds"))
    stages = np.where(np.isnan(joined("stages")), 0, np.nan_to_num(joined("stages")) + 1).astype(np.int64)

    def block(rows: BoolArray) -> dict[str, Any]:
        return measure(labels[rows], said[rows], sessions[rows])

    return {
        "within": write_duration(hazard.within_seconds),
        **measure(labels, said, sessions),
        "idle_alone": measure(labels, joined("by_idle_alone"), sessions),
        "base_rate_alone": measure(labels, np.full(len(labels), hazard.base_rate), sessions),
        "by_idle": {write_duration(tick): block(idle == tick) for tick in np.unique(idle).tolist()},
        "by_stage": {name: block(stages == place) for place, name in enumerate(stage_names) if (stages == place).any()},
    }
