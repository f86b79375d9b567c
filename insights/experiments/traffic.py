"""Whether an experiment's size can be reached: how many people would enter it each day, and how they fare today."""

import math
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from decisions.experiments import SECONDS_PER_DAY, ExperimentPlan, Metric, PlanError, Population, StoppingRule
from features.events import US_PER_SECOND
from features.table import CONTEXT_COLUMNS
from insights.experiments.live_tables import outcome_table
from insights.experiments.measures import GOALS, SESSIONS, measure_of
from insights.experiments.sizing import MetricKind, Sizing, size
from insights.facts import Facts
from journeys.journey import Journey
from storage.asked import Asked, asked_since
from storage.behaviour import cohorts_of
from storage.exposure_store import Exposure

LOOK_BACK_DAYS = 28
_LEAST_PEOPLE = 100
"""With fewer people nothing is said of the traffic: the baseline would be a guess."""
_DAY_US = round(SECONDS_PER_DAY * US_PER_SECOND)


@dataclass(frozen=True, slots=True)
class Traffic:
    """People who would enter an experiment, over all variants, and what the primary metric is of them today.

    ``deviation`` is the standard deviation of one person where the metric is no rate; ``source`` says in words where
    the figures are from.
    """

    people_per_day: float
    baseline: float
    deviation: float | None
    source: str


@dataclass(frozen=True, slots=True)
class Reach:
    """The size that a plan needs against the traffic; ``days`` are those in which it is reached."""

    traffic: Traffic
    sizing: Sizing
    per_arm: int
    days: float

    def describe(self) -> str:
        """Return the size and the traffic in a sentence."""
        total, days = self.per_arm * self.sizing.fixed.arms, math.ceil(self.days)
        entering, today = self.traffic.people_per_day, self.traffic.baseline
        return (
            f"It needs {self.per_arm:,} people in each variant, {total:,} in all; "
            f"{entering:,.{0 if entering >= 10 else 1}f} a day would enter, with "
            f"{f'{today:.3g}' if self.sizing.kind is not MetricKind.PROPORTION else f'{100 * today:.3g}%'} today "
            f"({self.traffic.source}), so it takes {days:,} day{'' if days == 1 else 's'}."
        )


def ledger_traffic(connection: Connection, journey: Journey, plan: ExperimentPlan, now_us: int) -> Traffic | None:
    """Return the traffic of the latest four weeks by the ledger; None where it has hardly anybody.

    Counted are people at the first decision at which something could be shown to them and they belong to the
    population; of the metric, those whose window is over.
    """
    since_us, window_us = now_us - LOOK_BACK_DAYS * _DAY_US, round(plan.window_seconds * US_PER_SECOND)
    found = _first_of(connection, journey, plan.population, since_us)
    mature = [one for one in found if one.at_us + window_us <= now_us]
    if len(mature) < _LEAST_PEOPLE:
        return None
    days = max(1.0, (now_us - found[0].at_us) / _DAY_US)
    values = _per_person(connection, journey, plan, mature, window_us)
    return Traffic(
        people_per_day=len(found) / days * _entering(journey, plan),
        baseline=values[0],
        deviation=values[1],
        source=f"by the ledger, of {len(mature):,} people in {days:.0f} days",
    )


def facts_traffic(facts: Facts, journey: Journey, plan: ExperimentPlan) -> Traffic:
    """Return the traffic of a log: visitors in whom a blocker is named in a stage of the population.

    Raises :class:`PlanError` for a metric of which a log says too little, and where it has hardly anybody.
    """
    if plan.primary_metric != Metric.GOAL:
        raise PlanError(
            f"a log says nothing of {plan.primary_metric} in the experiment: give --people-per-day, --baseline and, "
            "for what is no rate, --deviation"
        )
    who = plan.population
    conditions, values = ["named IS NOT NULL"], list[list[str]]()
    for column, chosen in (("stage", who.stages), ("named", who.blockers), *who.cohorts.items()):
        if chosen:
            if column not in ("stage", "named", *CONTEXT_COLUMNS, *journey.cohorts):
                raise PlanError(f"the log's facts do not have {column!r}: give --people-per-day and --baseline")
            conditions.append(f'{"stages." if column == "stage" else ""}"{column}" IN (SELECT unnest(?))')
            values.append(list(chosen))
    with facts.connect() as connection:
        row = connection.execute(
            f"""SELECT count(DISTINCT visitor_id), count(DISTINCT CASE WHEN outcome = 'goal' THEN visitor_id END)
            FROM stages JOIN sessions USING (session) WHERE {" AND ".join(conditions)}""",
            values,
        ).fetchone()
    people, goals = row or (0, 0)
    if people < _LEAST_PEOPLE:
        raise PlanError(f"only {people} people of the log belong to the population: take a longer log, or others in")
    days = max(1.0, (facts.last_at_us - facts.first_at_us) / _DAY_US)
    source = f"by the log, of {people:,} people in {days:.0f} days"
    return Traffic(people / days * _entering(journey, plan), goals / people, None, source)


def reach_of(plan: ExperimentPlan, traffic: Traffic) -> Reach:
    """Return the size that a plan needs, and in how many days the traffic reaches it.

    Shares that are not equal need as many people in the smallest variant as equal ones would.
    """
    sizing = size(
        traffic.baseline,
        relative=plan.minimum_effect,
        kind=measure_of(plan.primary_metric).kind,
        deviation=traffic.deviation,
        visitors_per_day=traffic.people_per_day,
        alpha=plan.alpha,
        power=plan.power,
        arms=len(plan.variants),
    )
    chosen = sizing.fixed if plan.stopping_rule is StoppingRule.FIXED else sizing.always_valid
    return Reach(traffic, sizing, chosen.per_arm, chosen.per_arm / (min(plan.shares) * traffic.people_per_day))


def require_reach(plan: ExperimentPlan, reach: Reach) -> None:
    """Raise :class:`PlanError` where the traffic does not reach the size within the planned duration."""
    planned_days = plan.planned_seconds / SECONDS_PER_DAY
    if reach.days > planned_days:
        raise PlanError(
            f"{plan.name} cannot reach its size in the planned {planned_days:g} days. {reach.describe()} Plan for "
            "longer, look for a larger effect, take more people in, or fewer variants"
        )


def _entering(journey: Journey, plan: ExperimentPlan) -> float:
    return plan.population.share * (1 - journey.policy.holdout)


def _first_of(connection: Connection, journey: Journey, who: Population, since_us: int) -> list[Asked]:
    first: dict[str, Asked] = {}
    asked = [
        one
        for one in asked_since(connection, journey.name, since_us)
        if (not who.stages or one.stage in who.stages) and (not who.blockers or one.blocker in who.blockers)
    ]
    cohorts = cohorts_of(connection, journey.name, {one.session_id for one in asked}, tuple(who.cohorts))
    for one in asked:
        mine = cohorts.get(one.session_id, {})
        if all(mine.get(name) in values for name, values in who.cohorts.items()):
            first.setdefault(one.unit, one)
    return list(first.values())


def _per_person(
    connection: Connection, journey: Journey, plan: ExperimentPlan, people: list[Asked], window_us: int
) -> tuple[float, float | None]:
    """Return the primary metric's value, and its standard deviation per person where it is no rate."""
    exposures = [
        Exposure("", one.visitor_id, one.unit, "", one.at_us, one.session_id, one.decision_id, None, None, 0)
        for one in people
    ]
    table = outcome_table(connection, journey, exposures)
    places = {one.unit: place for place, one in enumerate(people)}
    row = np.array([places[unit] for unit in table.units], np.int64)
    began = np.array([one.at_us for one in people])[row] if len(row) else row
    at_us = table.at_us if table.at_us is not None else began
    inside = (at_us >= began) & (at_us <= began + window_us)

    def sums(name: str) -> np.ndarray:
        return np.bincount(row, np.where(inside, np.nan_to_num(table.values[name]), 0.0), len(people))

    kind, metric = measure_of(plan.primary_metric).kind, plan.primary_metric
    if kind is MetricKind.PROPORTION:
        return float((sums(metric) > 0).mean()), None
    if kind is MetricKind.RATIO:
        goals, sessions = sums(GOALS), sums(SESSIONS)
        ratio = float(goals.sum() / sessions.sum())
        return ratio, float((goals - ratio * sessions).std(ddof=1) / sessions.mean())
    values = sums(metric)
    return float(values.mean()), float(values.std(ddof=1))
