"""The life of an experiment: drafted, started once its size can be reached, stopped; all in the database's audit."""

import math
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine

from decisions.experiments import ExperimentPlan, PlanError, from_json, to_json
from decisions.layers import take_buckets
from decisions.plan_checks import is_name, refusals
from features.events import US_PER_SECOND
from insights.experiments.traffic import Reach, require_reach
from journeys.experiments import declared_names
from journeys.journey import Journey
from storage.database import writing
from storage.experiment_store import ExperimentStore, KeptExperiment, Status


@dataclass(frozen=True, slots=True)
class Standing:
    """An experiment in a list: how long it has run, and how many people are in each variant."""

    kept: KeptExperiment
    plan: ExperimentPlan
    days: float | None
    people: dict[str, int]

    @property
    def verdict(self) -> str | None:
        """The verdict of the latest analysis that was kept."""
        decision = (self.kept.result or {}).get("analysis", {}).get("decision", {})
        found: str | None = decision.get("verdict")
        return found

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "name": self.kept.name,
            "status": self.kept.status.value,
            "layer": self.plan.layer,
            "days": self.days,
            "people": self.people,
            "planned_per_arm": self.kept.planned_per_arm,
            "verdict": self.verdict,
            "stopped_for": self.kept.stopped_for,
        }


def draft(engine: Engine, journey: Journey, plan: ExperimentPlan, *, actor: str, now_us: int) -> list[str]:
    """Keep a draft, and return what has to be put right before it can be started.

    Raises :class:`PlanError` for what can never be started, nor be kept: a name that no experiment can have, and
    numbers that JSON has not.
    """
    if not is_name(plan.name):
        raise PlanError(f"{plan.name!r} is no name: use letters, digits, _ and -, at most 60")
    numbers = {
        "population's share": plan.population.share,
        "minimum effect": plan.minimum_effect or 0.0,
        "alpha": plan.alpha,
        "power": plan.power,
        **{f"weight of {one.name!r}": one.weight for one in plan.variants},
        **{f"margin of {one.metric!r}": one.margin for one in plan.guardrails},
    }
    for what, number in numbers.items():
        if not math.isfinite(number):
            raise PlanError(f"the {what} is {number:g}: write a number")
    with writing(engine) as connection:
        _write(connection, journey, plan, actor, now_us)
    return refusals(plan, declared_names(journey))


def plan_of(engine: Engine, journey: Journey, name: str, *, actor: str, now_us: int) -> ExperimentPlan:
    """Return the plan of an experiment; one that the journey declares, and is not kept yet, is kept as a draft.

    Raises ``storage.experiment_store.ExperimentRefused`` where there is none of that name.
    """
    store = ExperimentStore(engine, journey.name)
    declared = {plan.name: plan for plan in journey.experiments}.get(name)
    kept = {one.name: one for one in store.all()}.get(name)
    if declared is not None and (kept is None or kept.status is Status.DRAFT):
        if kept is None or from_json(kept.declaration) != declared:
            draft(engine, journey, declared, actor=actor, now_us=now_us)
        return declared
    return from_json(store.find(name).declaration)


def check_plan(engine: Engine, journey: Journey, plan: ExperimentPlan) -> None:
    """Raise :class:`PlanError` with all that keeps a plan from being started, the layer's others included."""
    found = refusals(plan, declared_names(journey))
    if found:
        raise PlanError(f"{plan.name} cannot be started: {'; '.join(found)}")
    store = ExperimentStore(engine, journey.name)
    with engine.connect() as connection:
        store.require_draft(connection, plan.name)
        _buckets(store, connection, plan)


def start(
    engine: Engine, journey: Journey, plan: ExperimentPlan, reach: Reach, *, actor: str, now_us: int
) -> KeptExperiment:
    """Let an experiment take people in, from now on.

    Raises :class:`PlanError` where it is incomplete, the traffic does not reach its size, or its layer is full.
    """
    check_plan(engine, journey, plan)
    require_reach(plan, reach)
    store = ExperimentStore(engine, journey.name)
    with writing(engine) as connection:
        spans = _buckets(store, connection, plan)
        store.start(connection, plan.name, spans, actor=actor, now_us=now_us, planned_per_arm=reach.per_arm)
    return store.find(plan.name)


def standings(engine: Engine, journey: Journey, now_us: int) -> list[Standing]:
    """Return all experiments as they stand, those that the journey declares and nobody has kept yet last."""
    from storage.exposure_store import ExposureStore

    exposures = ExposureStore(engine, journey.name)
    found = []
    for kept in ExperimentStore(engine, journey.name).all():
        plan = from_json(kept.declaration)
        ended_us = kept.stopped_us or now_us
        days = None if kept.started_us is None else (ended_us - kept.started_us) / US_PER_SECOND / 86_400
        counts = exposures.count_people(kept.name)
        found.append(Standing(kept, plan, days, {one.name: counts.get(one.name, 0) for one in plan.variants}))
    known = {one.kept.name for one in found}
    for plan in journey.experiments:
        if plan.name not in known:
            kept = KeptExperiment(plan.name, to_json(plan), Status.DRAFT, now_us, plan.layer)
            found.append(Standing(kept, plan, None, {one.name: 0 for one in plan.variants}))
    return found


def _write(connection: Connection, journey: Journey, plan: ExperimentPlan, actor: str, now_us: int) -> None:
    store = ExperimentStore(connection.engine, journey.name)
    store.write_draft(connection, to_json(plan), layer=plan.layer, actor=actor, now_us=now_us)


def _buckets(store: ExperimentStore, connection: Connection, plan: ExperimentPlan) -> tuple[tuple[int, int], ...]:
    others = [one for one in store.running(connection) if one.layer == plan.layer]
    try:
        return take_buckets((span for one in others for span in one.buckets), plan.population.share)
    except PlanError as error:
        names = ", ".join(one.name for one in others)
        raise PlanError(
            f"{plan.name} cannot be started while {names} runs in the layer {plan.layer!r}: {error}"
        ) from error
