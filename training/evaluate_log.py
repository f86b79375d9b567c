"""Evaluate a model on every ended session of a log, in bounded memory, here or on a cluster."""

from dataclasses import dataclass
from pathlib import Path

from decisions.risk import RiskModel
from features.engine import HERE, Engine
from features.plan import compile_plan
from features.read_log import ReadSummary, read_log
from features.source import CANONICAL, Source
from features.staging import Progress
from journeys.journey import Journey
from training.evaluate import Evaluation, Scored, describe, stage_names
from training.importance import Sample
from training.intervals import RESAMPLES
from training.leaving import describe_leaving
from training.prefixes import ScoredLog, ScorePrefixes


@dataclass(frozen=True, slots=True)
class EvaluatedLog:
    """The figures of a log, the prefixes kept as rows, some of them with all features, and what became of its events.

    The rows are those of all sessions, or of a sample of persons where there are very many.
    """

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
    engine: Engine = HERE,
    progress: Progress = lambda _phase, _fraction: None,
) -> EvaluatedLog:
    """Return the block of every prefix of every session in a log whose end is known, batch by batch."""
    with read_log(
        path,
        compile_plan(journey.table),
        timeout_seconds=journey.session_timeout_seconds,
        source=source,
        quarantine=quarantine,
        engine=engine,
        progress=progress,
    ) as read:
        work = ScorePrefixes.of_about(read.summary.used, journey, model, read.summary.last_at_us)
        known = ScoredLog.join(read.map(work))
        summary = read.summary
    progress("resampling visitors", 0.0)
    evaluation = describe_scored(journey, model, known, resamples=resamples)
    return EvaluatedLog(evaluation, known.scored, known.sample, summary)


def describe_scored(journey: Journey, model: RiskModel, known: ScoredLog, *, resamples: int = RESAMPLES) -> Evaluation:
    """Return the figures of a scored log, those about leaving soon among them."""
    leaving = model.hazard and describe_leaving(model.hazard, known.leaving, stage_names(journey))
    figures = describe(journey, known.scored, everything=known.tallies, resamples=resamples)
    return {**figures, "leaving_soon": leaving}
