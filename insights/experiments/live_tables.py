"""A live experiment's exposures and outcomes as the tables that an analysis reads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import Connection

from decisions.experiments import Metric
from decisions.rewards import goal_value
from features.table import CONTEXT_COLUMNS
from insights.experiments.measures import GOALS, SESSIONS
from insights.experiments.people import ExposureTable, OutcomeTable
from journeys.journey import Journey
from storage.behaviour import Behaviour, cohorts_of, risks_of, visitors_of
from storage.exposure_store import Exposure

OTHER = "other_blocker"
"""The slice of what might have been treated in place of the named blocker, in an explanation trial."""


def exposure_table(connection: Connection, journey: Journey, exposures: Sequence[Exposure]) -> ExposureTable:
    """Return who met which variant, with what was known of them then.

    Covariates are the visits before and the risk at the decision; slices are stage, blocker, and the cohorts.
    """
    risks = risks_of(connection, {one.decision_id for one in exposures})
    names = (*CONTEXT_COLUMNS, *journey.cohorts)
    cohorts = cohorts_of(connection, journey.name, {one.session_id for one in exposures}, names)

    def texts(values: Iterable[str | None]) -> np.ndarray:
        return np.array([value or "" for value in values], object)

    return ExposureTable(
        units=texts(one.assignment_id for one in exposures),
        variants=texts(one.variant for one in exposures),
        at_us=np.array([one.first_us for one in exposures], np.int64),
        covariates={
            "visits": np.array([one.visits for one in exposures], float),
            "risk": np.array([risks.get(one.decision_id, np.nan) for one in exposures], float),
        },
        slices={
            "stage": texts(one.stage for one in exposures),
            "blocker": texts(one.blocker for one in exposures),
            **({OTHER: texts(one.other_blocker for one in exposures)} if any(map(_other, exposures)) else {}),
            **{name: texts(cohorts.get(one.session_id, {}).get(name) for one in exposures) for name in names},
        },
    )


def outcome_table(connection: Connection, journey: Journey, exposures: Sequence[Exposure]) -> OutcomeTable:
    """Return what those who were exposed did, before and after, on whichever device of theirs.

    The net value is the goal's value less the costs of what was recommended, as the policy reckons them; sessions that
    reach the goal more than once have its value once.
    """
    units = {one.visitor_id: one.assignment_id for one in exposures}
    behaviour = Behaviour(connection, journey.name, visitors_of(connection, journey.name, units))
    shown = list(behaviour.recommended())
    goals = sorted(behaviour.goals(journey.ends.goal), key=lambda goal: (goal.at_us, goal.event_id))
    rows = _Rows()
    paid: set[str] = set()
    costs = {one.name: one for one in journey.interventions}
    by_session: dict[str, list[tuple[int, float]]] = {}
    for one in shown:
        intervention = costs.get(one.name)
        # What is declared no more cannot be reckoned any more.
        if intervention is not None:
            by_session.setdefault(one.session_id, []).append((one.at_us, intervention.cost_if_converted))
            rows.add(one.decision_id, one.unit, one.at_us, net_value=-intervention.cost - journey.policy.annoyance)
        if one.dismissed_us is not None:
            rows.add(f"{one.decision_id} dismissed", one.unit, one.dismissed_us, dismissed=1.0)
    for goal in goals:
        brought = goal_value(goal.properties, journey.revenue)
        net = 0.0
        if goal.session_id not in paid:
            paid.add(goal.session_id)
            given = sum(cost for at_us, cost in by_session.get(goal.session_id, ()) if at_us <= goal.at_us)
            net = journey.policy.goal_value - given
        rows.add(goal.event_id, goal.unit, goal.at_us, goal=1.0, goals=1.0, revenue=brought or 0.0, net_value=net)
    exposed_in = {one.session_id: one.first_us for one in exposures}
    for began in behaviour.began():
        # The session of the exposure counts from the exposure on.
        at_us = exposed_in.get(began.session_id, began.at_us)
        rows.add(f"{began.session_id} began", began.unit, at_us, **{SESSIONS: 1.0})
    return rows.table()


def _other(exposure: Exposure) -> str | None:
    return exposure.other_blocker


@dataclass
class _Rows:
    ids: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    at_us: list[int] = field(default_factory=list)
    values: list[Mapping[str, float]] = field(default_factory=list)

    def add(self, identity: str, unit: str, at_us: int, **values: float) -> None:
        self.ids.append(identity)
        self.units.append(unit)
        self.at_us.append(at_us)
        self.values.append(values)

    def table(self) -> OutcomeTable:
        names = (Metric.GOAL, Metric.REVENUE, Metric.NET_VALUE, Metric.DISMISSED, GOALS, SESSIONS)
        return OutcomeTable(
            units=np.array(self.units, object),
            values={str(name): np.array([one.get(name, np.nan) for one in self.values], float) for name in names},
            at_us=np.array(self.at_us, np.int64),
            ids=np.array(self.ids, object),
        )
