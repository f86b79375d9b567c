"""Evaluate a model: every prefix, after each number of events, by stage and by cohort, against the base rate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from decisions.risk import RiskModel
from features.build import build
from features.events import Cutoffs, EncodedLog, FloatArray, IntArray, TextArray
from features.plan import Plan, compile_plan
from features.read_log import ReadSummary, read_log
from features.source import CANONICAL, Source
from features.staging import Progress
from journeys.ends import SessionEnds, find_ends
from journeys.journey import Journey
from training.blocks import MeasuredBlock, Partition, measure_parts, part_by_number, part_by_text
from training.cutoffs import after_every_event
from training.importance import SAMPLE_ROWS, Sample, draw_share, join_samples
from training.intervals import RESAMPLES
from training.labels import label
from training.leaving import Foreseen, describe_leaving, foresee
from training.metrics import session_weights
from training.split import number_texts, persons

EVENT_COUNTS = (1, 2, 3, 5, 8, 10, 13, 21)
BEFORE_THE_FIRST_STAGE = "before the first stage"
SMALLEST_COHORT = 0.01
SEED = 7

Evaluation = dict[str, object]


@dataclass(frozen=True, slots=True)
class Scored:
    """Labelled and scored prefixes (R,): what every figure is computed from."""

    labels: FloatArray
    risks: FloatArray
    sessions: IntArray
    persons: IntArray
    """Whose session it is; visitors that a user connects are one person."""
    after: IntArray
    stages: FloatArray
    cohorts: dict[str, TextArray]


@dataclass(frozen=True, slots=True)
class EvaluatedLog:
    """The figures of a log, what they were computed from, some of it with all features, and the log's rows."""

    evaluation: Evaluation
    scored: Scored
    sample: Sample
    summary: ReadSummary


def evaluate_log(
    journey: Journey,
    path: Path,
    model: RiskModel,
    *,
    source: Source = CANONICAL,
    quarantine: Path | None = None,
    resamples: int = RESAMPLES,
    progress: Progress = lambda _phase, _fraction: None,
) -> EvaluatedLog:
    """Return the block of every prefix of every session in a log whose end is known, batch by batch."""
    plan = compile_plan(journey.table)
    foreseen: list[Foreseen] = []

    def watch(batch: EncodedLog, ends: SessionEnds, end_us: int, numbered: int, _rows: FloatArray) -> None:
        if model.hazard is not None:
            sessions = ends.usable > 0
            parts = foresee(
                journey, plan, batch, ends, sessions, end_us, model.vocabulary, model.hazard, first_session=numbered
            )
            foreseen.extend(parts)

    scored, sample, summary = score_prefixes(
        journey, path, model, source=source, quarantine=quarantine, progress=progress, watch=watch
    )
    progress("resampling visitors", 0.0)
    leaving = model.hazard and describe_leaving(model.hazard, foreseen, stage_names(journey))
    evaluation = {**describe(journey, scored, resamples=resamples), "leaving_soon": leaving}
    return EvaluatedLog(evaluation, scored, sample, summary)


def score_prefixes(
    journey: Journey,
    path: Path,
    model: RiskModel,
    *,
    source: Source = CANONICAL,
    quarantine: Path | None = None,
    progress: Progress = lambda _phase, _fraction: None,
    watch: Callable[[EncodedLog, SessionEnds, int, int, FloatArray], None] = lambda *_batch: None,
) -> tuple[Scored, Sample, ReadSummary]:
    """Return every labelled prefix of the sessions of a log, batch by batch, a sample, and what became of its rows.

    ``watch`` is handed each batch with its ends, the log's end, the number of its first session, and the features of
    its prefixes (R, F).
    """
    plan = compile_plan(journey.table)
    parts, samples, person_ids = list[Scored](), list[Sample](), list[TextArray]()
    rng = np.random.default_rng(SEED)
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
            parts.append(replace(part, sessions=part.sessions + numbered))
            watch(batch, ends, end_us, numbered, rows)
            numbered += batch.session_count
            samples.append(draw_share(rows, SAMPLE_ROWS / log.summary.used, rng))
            person_ids.append(batch.persons)
    scored = _joined(parts)
    person = number_texts(np.concatenate(person_ids))
    scored = replace(scored, persons=person[scored.sessions])
    return scored, join_samples(samples, [len(part.labels) for part in parts]), log.summary


def score_rows(
    plan: Plan, log: EncodedLog, cutoffs: Cutoffs, rows: FloatArray, labels: FloatArray, model: RiskModel
) -> Scored:
    """Return the rows (R, F) of a log's cutoffs with their risks, stages and cohorts."""
    return Scored(
        labels=labels,
        risks=model.predict(rows) if len(rows) else np.array([]),
        sessions=cutoffs.session,
        persons=persons(log)[cutoffs.session],
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


def describe(journey: Journey, scored: Scored, *, resamples: int = RESAMPLES, seed: int = SEED) -> Evaluation:
    """Return the block of figures of scored prefixes, with intervals from so many resamples of the persons.

    Cohorts smaller than 1 % of the rows are left out.
    """
    everything = Partition(("all",), np.zeros(len(scored.labels), np.int64))
    partitions = [
        everything,
        part_by_number(scored.after, {count: str(count) for count in EVENT_COUNTS}),
        stage_partition(journey, scored),
        *(part_by_text(f"{cohort}=", values, SMALLEST_COHORT) for cohort, values in scored.cohorts.items()),
    ]

    def measured(parts: Sequence[Partition], weights: FloatArray | None = None) -> list[dict[str, MeasuredBlock]]:
        rows = (scored.labels, scored.risks, scored.sessions, scored.persons)
        return measure_parts(*rows, parts, weights=weights, resamples=resamples, seed=seed)

    whole, by_events, by_stage, *by_cohort = measured(partitions)
    [once] = measured([everything], session_weights(scored.sessions))
    return {
        **whole["all"],
        "session_weighted": once["all"],
        "by_events": by_events,
        "by_stage": by_stage,
        "by_cohort": {name: block for cohort in by_cohort for name, block in cohort.items()},
    }


def stage_names(journey: Journey) -> list[str]:
    """Return the stages' names, the first for sessions that have reached none."""
    return [BEFORE_THE_FIRST_STAGE, *(stage.name for stage in journey.stages)]


def stage_partition(journey: Journey, scored: Scored) -> Partition:
    """Part prefixes by the stage reached, in the journey's order; stages that none reached are left out."""
    stages = np.where(np.isnan(scored.stages), -1, scored.stages)
    names = {float(place - 1): name for place, name in enumerate(stage_names(journey)) if (stages == place - 1).any()}
    return part_by_number(stages, names)


def _joined(parts: list[Scored]) -> Scored:
    return Scored(
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.risks for part in parts]),
        np.concatenate([part.sessions for part in parts]),
        np.concatenate([part.persons for part in parts]),
        np.concatenate([part.after for part in parts]),
        np.concatenate([part.stages for part in parts]),
        {name: np.concatenate([part.cohorts[name] for part in parts]) for name in parts[0].cohorts},
    )


__all__ = ["EVENT_COUNTS", "Evaluation", "Scored", "cohorts_of", "describe", "evaluate_log", "score_rows"]
