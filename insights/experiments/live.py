"""The analysis of a live experiment: what the service keeps, as tables, handed to the analysis of any experiment."""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Engine

from decisions.experiments import ExperimentPlan, PlanError, from_json
from features.events import US_PER_SECOND
from insights.experiments.analyse import analyse_people
from insights.experiments.ask import ask_plan
from insights.experiments.explanation_trial import ExplanationTrial, find_explanation_trial
from insights.experiments.join import join
from insights.experiments.live_tables import exposure_table, outcome_table
from insights.experiments.measures import measure_of
from insights.experiments.question import AnalysisError, Question
from insights.experiments.result import Analysis
from journeys.journey import Journey
from storage.crossovers import count_crossovers
from storage.database import writing
from storage.experiment_store import ExperimentStore, KeptExperiment, Status
from storage.exposure_store import ExposureStore

_LONGER_US = 86_400 * US_PER_SECOND
"""Results are renewed for a day beyond the last window: outcomes may come late."""


@dataclass(frozen=True, slots=True)
class LiveAnalysis:
    """What a live experiment has come to.

    ``crossovers`` are users whose devices met different variants, ``models`` the versions by which people were
    diagnosed when they were first exposed.
    """

    kept: KeptExperiment
    plan: ExperimentPlan
    analysis: Analysis
    crossovers: int
    models: tuple[str, ...]
    trial: ExplanationTrial | None

    def to_json(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return {
            "experiment": self.plan.name,
            "analysis": self.analysis.to_json(),
            "crossovers": self.crossovers,
            "models": list(self.models),
            "explanation_trial": self.trial.to_json() if self.trial else None,
        }


def analyse_live(engine: Engine, journey: Journey, name: str, now_us: int) -> LiveAnalysis:
    """Return what an experiment of the service has come to by now; people whose window is not over are left out.

    Raises ``storage.experiment_store.ExperimentRefused`` for an unknown one, :class:`PlanError` for a draft, and
    ``insights.experiments.question.AnalysisError`` where there is nobody to compare yet.
    """
    kept = ExperimentStore(engine, journey.name).find(name)
    if kept.status is Status.DRAFT:
        raise PlanError(f"{name} has not been started: `dropoff experiment start {journey.name} {name}` does that")
    plan = from_json(kept.declaration)
    store = ExposureStore(engine, journey.name)
    exposures = list(store.of_experiment(name))
    if not exposures:
        raise AnalysisError(f"nobody has taken part in {name} yet, so there is nobody to compare")
    with engine.connect() as connection:
        met = exposure_table(connection, journey, exposures)
        did = outcome_table(connection, journey, exposures)
    asked = Question(
        measure_of(plan.primary_metric),
        planned_per_arm=kept.planned_per_arm,
        ends_us=(kept.started_us or now_us) + round(plan.planned_seconds * US_PER_SECOND),
        before=True,
    )
    question = ask_plan(plan, met, did, asked)
    crossovers = count_crossovers(engine, journey.name, name)
    joined = join(met, did, question, known_until_us=now_us)
    # One assignment id never meets two variants; who crosses over are users of several.
    people = replace(joined, counts=replace(joined.counts, crossed=crossovers))
    analysis = analyse_people(people, question)
    trial = find_explanation_trial(plan, people, analysis) if plan.is_explanation_trial else None
    return LiveAnalysis(kept, plan, analysis, crossovers, tuple(store.model_versions(name)), trial)


def keep_result(engine: Engine, journey: Journey, found: LiveAnalysis) -> None:
    """Keep what an experiment has come to, so that it is known without being worked out again."""
    with writing(engine) as connection:
        ExperimentStore(engine, journey.name).keep_result(connection, found.plan.name, found.to_json())


def renew_results(engine: Engine, journey: Journey, now_us: int) -> None:
    """Keep what the experiments that run have come to by now, so that pages show it; nothing of those without people.

    Those that were stopped are analysed as long as the window of their last people is open.
    """
    for kept in ExperimentStore(engine, journey.name).all():
        if kept.status is Status.DRAFT or _is_over(kept, now_us):
            continue
        try:
            keep_result(engine, journey, analyse_live(engine, journey, kept.name, now_us))
        except AnalysisError:
            # Nobody to compare yet; what the page says of it.
            continue


def _is_over(kept: KeptExperiment, now_us: int) -> bool:
    if kept.stopped_us is None or kept.result is None:
        return False
    ends_us = kept.stopped_us + round(from_json(kept.declaration).window_seconds * US_PER_SECOND)
    return now_us > ends_us + _LONGER_US
