"""Opportunities: each blocker at each stage as an issue with its worth, an intervention, an experiment and an owner.

A cohort has an issue of its own where a blocker stops it clearly more often than all others: at least
:data:`STANDS_OUT` times as often, and by more than chance among all cohorts that were looked at (the correction is
Benjamini and Hochberg's). Cohorts of which few people are affected have none (``insights.suppression``).
Such an issue is part of the one for everybody, so that their figures must not be added.

The order is that of the expected net gain per week, discounted by the chance that there is any, over the days of work.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import duckdb

from decisions.intervention import Effort, Intervention
from features.friction import Friction
from insights.affected import Affected, Cohort, Period, count_affected, dimensions_of, period_of
from insights.comparisons import Correction, adjust, p_of_shares
from insights.effects.kept import kept_effects
from insights.effects.measured import measured_effects
from insights.facts import Facts
from insights.filters import Filters
from insights.gain import Expected, Gain, MeasuredEffect, at_stake, expect, expected_gain
from insights.intervals import Estimate
from insights.opportunity_status import Status, former_ids, history_of, parse_status
from insights.proposal import Proposal, propose
from insights.suppression import min_cell
from journeys.journey import Journey
from storage.records import OpportunityStatus, Records

STANDS_OUT = 1.5
"""A cohort's rate is at least so many times that of all others for an issue of its own."""
LEAST_SESSIONS = 1.0
"""A blocker that fewer sessions are expected to be left for in all is no issue."""
_LEVEL, _LEAST_OTHERS = 0.05, 0.5


class Kind(StrEnum):
    """Whether an opportunity can be had soon.

    A quick win has an intervention that the journey declares to be one, and an experiment that the traffic can finish
    within eight weeks; all others are strategic.
    """

    QUICK_WIN = "quick win"
    STRATEGIC = "strategic"


@dataclass(frozen=True, slots=True)
class Plan:
    """What could be done: the intervention with the best expectation, what it would bring, and how to find out.

    ``priority`` is what opportunities are ranked by: net value per week and day of work, discounted by its chance.
    """

    intervention: Intervention
    expected: Expected
    gain: Gain
    proposal: Proposal

    @property
    def priority(self) -> float:
        """The expected net gain per week over the days of work; a gain counts with its chance, a loss wholly."""
        value, chance = self.gain.value.value, self.gain.chance
        return (value * chance if value > 0 else value) / self.intervention.days_of_work


@dataclass(frozen=True, slots=True)
class Opportunity:
    """A blocker at a stage, for everybody or one cohort.

    ``affected`` are the figures of the whole period, ``per_week`` the people of a week. ``times_others`` is how many
    times as often a cohort is stopped as all others. ``plan`` is None where no intervention for the blocker may be
    shown at the stage. ``history`` are the statuses that were set, the oldest first.
    """

    id: str
    stage: str
    friction: Friction
    cohort: Cohort | None
    affected: Affected
    per_week: Estimate
    times_others: float | None
    value_at_stake: Estimate | None
    revenue_at_stake: Estimate | None
    plan: Plan | None
    stage_owner: str
    history: tuple[OpportunityStatus, ...]

    @property
    def status(self) -> Status:
        """The status that was set last."""
        return parse_status(self.history[-1].status) if self.history else Status.PROPOSED

    @property
    def kind(self) -> Kind:
        """Whether it is a quick win or strategic."""
        quick = self.plan and self.plan.intervention.effort is Effort.QUICK_WIN and self.plan.proposal.feasible
        return Kind.QUICK_WIN if quick else Kind.STRATEGIC

    @property
    def cohort_text(self) -> str:
        """The cohort in words, ``device mobile``, or everybody."""
        return "everybody" if self.cohort is None else f"{self.cohort[0].replace('_', ' ')} {self.cohort[1]}"

    @property
    def done_us(self) -> int | None:
        """When the change was made, if the opportunity is done."""
        return self.history[-1].at_us if self.status is Status.DONE else None

    @property
    def owner(self) -> str:
        """Who owns the intervention, or the stage where there is none."""
        return self.plan.intervention.owner if self.plan else self.stage_owner


@dataclass(frozen=True, slots=True)
class Opportunities:
    """Opportunities in their order, the period that they are about, and whether a model named blockers at all.

    ``unseen`` are the latest statuses of opportunities that nobody is affected by in the period.
    """

    journey: str
    period: Period
    has_model: bool
    ranked: tuple[Opportunity, ...]
    unseen: tuple[OpportunityStatus, ...]

    def find(self, name: str) -> Opportunity | None:
        """Return an opportunity by its name."""
        return next((one for one in self.ranked if one.id == name), None)


def find_opportunities(
    journey: Journey,
    facts: Facts,
    filters: Filters | None = None,
    records: Records | None = None,
    measured: Sequence[MeasuredEffect] | None = None,
) -> Opportunities:
    """Return the opportunities of a journey in what the filters let through, the best first.

    ``measured`` are effects that were measured, the latest last; they take the place of what is declared. By default
    they are those that lie beside the facts.
    """
    if measured is None:
        measured = measured_effects(journey, kept_effects(facts.folder))
    chosen, statuses = filters or Filters(), (records or Records()).opportunity_statuses
    period = period_of(facts, chosen)
    with facts.connect(chosen) as connection:
        everybody = tuple(count_affected(connection))
        cohorts = standing_out(_count_cohorts(connection, dimensions_of(journey)), everybody)
        named = {
            (one.stage_index, one.friction, one.cohort): one
            for by in dict.fromkeys(one.cohort[0] for one, _ in cohorts if one.cohort)
            for one in count_affected(connection, by, least_people=min_cell())
        }
    known = {friction.name: friction for friction in journey.frictions}
    found: list[tuple[Affected, float | None]] = [(one, None) for one in everybody]
    found += [(named[one.stage_index, one.friction, one.cohort], times) for one, times in cohorts]
    opportunities = [
        _opportunity(journey, known[one.friction], one, times, period, statuses, measured)
        for one, times in found
        if one.friction in known and one.sessions.value >= LEAST_SESSIONS
    ]
    seen = {status.id for one in opportunities for status in one.history}
    latest = {status.opportunity_id: status for status in statuses if status.id not in seen}
    return Opportunities(
        journey.name, period, facts.model_version is not None, tuple(rank(opportunities)), tuple(latest.values())
    )


def rank(opportunities: Iterable[Opportunity]) -> list[Opportunity]:
    """Return the opportunities in their order: by priority, then those without a plan by value at stake, then by name.

    No two have one place, so that the order does not depend on the one in which they come.
    """

    def key(one: Opportunity) -> tuple[bool, float, float, str]:
        stake = one.value_at_stake.value if one.value_at_stake else 0.0
        return (one.plan is None, -(one.plan.priority if one.plan else 0.0), -stake, one.id)

    return sorted(opportunities, key=key)


def standing_out(cohorts: Sequence[Affected], everybody: Sequence[Affected]) -> list[tuple[Affected, float | None]]:
    """Return the cohorts that a blocker stops clearly more often than all others, with how many times as often.

    Compared is the expected share of the sessions at the stage that are left for the blocker; of the others at least
    half a session is taken to be.
    """
    wholes = {(one.stage_index, one.friction): one for one in everybody}
    times: list[float | None] = []
    p_values: list[float | None] = []
    for one in cohorts:
        whole = wholes[one.stage_index, one.friction]
        count, others = one.reached.sessions, whole.reached.sessions - one.reached.sessions
        left, left_others = one.sessions.value, max(_LEAST_OTHERS, whole.sessions.value - one.sessions.value)
        times.append(left / count * others / left_others if others else None)
        p_values.append(p_of_shares(round(left), count, min(round(left_others), others), others))
    adjusted = adjust(p_values, Correction.DISCOVERY)
    return [
        (one, ratio)
        for one, ratio, p_value in zip(cohorts, times, adjusted, strict=True)
        if ratio is not None and ratio >= STANDS_OUT and p_value is not None and p_value < _LEVEL
    ]


def _count_cohorts(connection: duckdb.DuckDBPyConnection, dimensions: Sequence[str]) -> list[Affected]:
    return [
        one for by in dimensions for one in count_affected(connection, by, least_people=min_cell(), with_named=False)
    ]


def _opportunity(
    journey: Journey,
    friction: Friction,
    affected: Affected,
    times: float | None,
    period: Period,
    statuses: Sequence[OpportunityStatus],
    measured: Sequence[MeasuredEffect],
) -> Opportunity:
    stage = journey.stages[affected.stage_index]
    revenue = affected.reached.revenue
    people = affected.people
    return Opportunity(
        id=former_ids(journey, stage.name, friction.name, affected.cohort)[0],
        stage=stage.name,
        friction=friction,
        cohort=affected.cohort,
        affected=affected,
        per_week=Estimate(*(part / period.weeks for part in (people.value, people.low, people.high))),
        times_others=times,
        value_at_stake=at_stake(affected, journey.policy.goal_value, period.weeks),
        revenue_at_stake=None if revenue is None else at_stake(affected, revenue, period.weeks),
        plan=plan_best(journey, affected, period, measured),
        stage_owner=stage.owner,
        history=history_of(statuses, former_ids(journey, stage.name, friction.name, affected.cohort)),
    )


def plan_best(
    journey: Journey, affected: Affected, period: Period, measured: Sequence[MeasuredEffect] = ()
) -> Plan | None:
    """Return what would bring most per day of work against a blocker at a stage; None where nothing may be shown."""
    stage = journey.stages[affected.stage_index].name
    plans = []
    for intervention in journey.interventions:
        if stage not in intervention.stages or affected.friction not in {one.name for one in intervention.treats}:
            continue
        expected = expect(intervention, affected.friction, stage, measured)
        gain = expected_gain(affected, intervention, expected, journey.policy, period.weeks)
        plans.append(
            Plan(
                intervention,
                expected,
                gain,
                propose(journey, affected, intervention, gain, period.days),
            )
        )
    return min(plans, key=lambda plan: (-plan.priority, plan.intervention.name), default=None)
