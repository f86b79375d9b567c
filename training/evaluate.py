"""Evaluate a model: every prefix, after each number of events, by stage and by cohort, against the base rate."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from decisions.risk import RiskModel
from features.build import build
from features.events import Cutoffs, EncodedLog, FloatArray, IntArray, TextArray
from features.plan import Plan, compile_plan
from features.read_log import ReadSummary, read_log
from features.source import CANONICAL, Source
from features.staging import Progress
from journeys.journey import Journey
from training.cutoffs import after_every_event
from training.labels import find_ends, label
from training.metrics import Block, measure, session_weights

EVENT_COUNTS = (1, 2, 3, 5, 8, 10, 13, 21)
BEFORE_THE_FIRST_STAGE = "before the first stage"

Evaluation = dict[str, object]


@dataclass(frozen=True, slots=True)
class Scored:
    """Labelled and scored prefixes (R,): what every figure is computed from."""

    labels: FloatArray
    risks: FloatArray
    sessions: IntArray
    after: IntArray
    stages: FloatArray
    cohorts: dict[str, TextArray]


def evaluate_log(
    journey: Journey,
    path: Path,
    model: RiskModel,
    *,
    source: Source = CANONICAL,
    quarantine: Path | None = None,
    progress: Progress = lambda _phase, _fraction: None,
) -> tuple[Evaluation, ReadSummary]:
    """Return the block of every prefix of every session in a log whose end is known, batch by batch."""
    plan = compile_plan(journey.table)
    parts: list[Scored] = []
    with read_log(
        path,
        plan,
        timeout_seconds=journey.session_timeout_seconds,
        source=source,
        quarantine=quarantine,
        progress=progress,
    ) as log:
        end_us = log.summary.last_at_us
        numbered = 0
        for batch in log.batches():
            ends = find_ends(plan, batch, journey, end_us)
            chosen = ~np.isnan(ends.outcome) | (journey.horizon_seconds is not None)
            cutoffs = after_every_event(batch, np.where(chosen, ends.usable, 0))
            labels = label(ends, cutoffs, journey.horizon_seconds, end_us)
            known = ~np.isnan(labels)
            cutoffs, labels = cutoffs.take(known), labels[known]
            rows = build(plan, batch, cutoffs)
            part = score_rows(plan, batch, cutoffs, rows, labels, model)
            parts.append(_renumbered(part, numbered))
            numbered += batch.session_count
    return describe(journey, _joined(parts)), log.summary


def score_rows(
    plan: Plan, log: EncodedLog, cutoffs: Cutoffs, rows: FloatArray, labels: FloatArray, model: RiskModel
) -> Scored:
    """Return the rows (R, F) of a log's cutoffs with their risks, stages and cohorts."""
    return Scored(
        labels=labels,
        risks=model.predict(rows) if len(rows) else np.array([]),
        sessions=cutoffs.session,
        after=cutoffs.after,
        stages=rows[:, plan.feature_names.index("stage_index")],
        cohorts={name: column[cutoffs.session] for name, column in cohorts_of(log).items()},
    )


def cohorts_of(log: EncodedLog) -> dict[str, TextArray]:
    """Return each session's cohorts (S,): device, source, and whether the log knows the visitor from before."""
    returning = np.zeros(log.session_count, np.bool_)
    returning[1:] = log.visitor_ids[1:] == log.visitor_ids[:-1]
    return {
        "device": log.context["device"],
        "source": log.context["source"],
        "visitor": np.where(returning, "returning", "new").astype(object),
    }


def describe(journey: Journey, scored: Scored) -> Evaluation:
    """Return the block of figures of scored prefixes; cohorts smaller than 1 % of the rows are left out."""

    def block(rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Block:
        return measure(scored.labels[rows], scored.risks[rows], scored.sessions[rows])

    names = [BEFORE_THE_FIRST_STAGE, *(stage.name for stage in journey.stages)]
    stage_rows = np.where(np.isnan(scored.stages), 0, np.nan_to_num(scored.stages) + 1).astype(np.int64)
    by_stage = {name: block(stage_rows == place) for place, name in enumerate(names) if (stage_rows == place).any()}
    by_cohort = {}
    for cohort, values in scored.cohorts.items():
        known = values.astype(object)
        for value in sorted({value for value in known if value is not None}):
            rows = known == value
            if rows.mean() >= 0.01:
                by_cohort[f"{cohort}={value}"] = block(rows)
    return {
        **measure(scored.labels, scored.risks, scored.sessions),
        "session_weighted": measure(scored.labels, scored.risks, scored.sessions, session_weights(scored.sessions)),
        "by_events": {str(count): block(scored.after == count) for count in EVENT_COUNTS},
        "by_stage": by_stage,
        "by_cohort": by_cohort,
    }


def _renumbered(part: Scored, offset: int) -> Scored:
    return Scored(part.labels, part.risks, part.sessions + offset, part.after, part.stages, part.cohorts)


def _joined(parts: list[Scored]) -> Scored:
    return Scored(
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.risks for part in parts]),
        np.concatenate([part.sessions for part in parts]),
        np.concatenate([part.after for part in parts]),
        np.concatenate([part.stages for part in parts]),
        {name: np.concatenate([part.cohorts[name] for part in parts]) for name in parts[0].cohorts},
    )


__all__ = ["EVENT_COUNTS", "Evaluation", "Scored", "cohorts_of", "describe", "evaluate_log", "score_rows"]
