"""Opportunities as tables for a terminal, and as plain values for machines."""

from collections.abc import Iterator
from typing import Any

from decisions.experiment_size import ExperimentSize
from insights.intervals import Estimate
from insights.opportunities import Opportunities, Opportunity, Plan
from journeys.tables import FittedTable
from storage.records import OpportunityStatus

MOST_SHOWN = 15
"""So many opportunities are shown; the JSON has all."""


def opportunity_tables(found: Opportunities) -> Iterator[FittedTable]:
    """Yield the ranking and the experiments that are proposed for its first ones."""
    shown = found.ranked[:MOST_SHOWN]
    rows = [
        (
            one.id,
            f"{one.per_week.value:,.1f}",
            _rounded(one.value_at_stake),
            one.plan.intervention.name if one.plan else "none",
            _rounded(one.plan.gain.value) if one.plan else "-",
            f"{one.plan.intervention.days_of_work:g}" if one.plan else "-",
            one.owner or "-",
            one.status.value,
        )
        for one in shown
    ]
    left_out = f", the first {MOST_SHOWN} of {len(found.ranked)}" if len(found.ranked) > MOST_SHOWN else ""
    yield FittedTable(
        f"Opportunities of {found.journey}, {found.period.first} to {found.period.last}, per week{left_out}",
        ("Opportunity", "People", "At stake", "Intervention", "Gain", "Days", "Owner", "Status"),
        rows,
        numbers=("People", "At stake", "Gain", "Days"),
    )
    rows_of_experiments = [
        (one.id, *_experiment(one.plan)) for one in shown if one.plan is not None and one.plan.proposal.feasible
    ]
    yield FittedTable(
        "Experiments that the traffic can finish within eight weeks",
        ("Opportunity", "Hypothesis", "Visitors", "Days"),
        rows_of_experiments,
        numbers=("Visitors", "Days"),
    )


def to_json(found: Opportunities) -> dict[str, Any]:
    """Return the opportunities as plain values, estimates as value, low and high."""
    return {
        "journey": found.journey,
        "first": str(found.period.first),
        "last": str(found.period.last),
        "weeks": found.period.weeks,
        "opportunities": [_one(one) for one in found.ranked],
        "unseen": [_status(status) for status in found.unseen],
    }


def _one(one: Opportunity) -> dict[str, Any]:
    return {
        "id": one.id,
        "stage": one.stage,
        "friction": one.friction.name,
        "problem_type": str(one.friction.problem_type),
        "cohort": None if one.cohort is None else {one.cohort[0]: one.cohort[1]},
        "times_others": one.times_others,
        "sessions": _ends(one.affected.sessions),
        "people": _ends(one.affected.people),
        "people_per_week": _ends(one.per_week),
        "value_at_stake_per_week": _ends(one.value_at_stake),
        "revenue_at_stake_per_week": _ends(one.revenue_at_stake),
        "kind": one.kind.value,
        "status": one.status.value,
        "stage_owner": one.stage_owner,
        "plan": None if one.plan is None else _plan(one.plan),
        "history": [_status(status) for status in one.history],
    }


def _plan(plan: Plan) -> dict[str, Any]:
    proposal = plan.proposal
    return {
        "intervention": plan.intervention.name,
        "owner": plan.intervention.owner,
        "effort_days": plan.intervention.days_of_work,
        "effect": _ends(plan.expected.effect),
        "evidence": plan.expected.evidence.value,
        "experiment": plan.expected.experiment,
        "shown_per_week": plan.gain.shown,
        "goals_per_week": _ends(plan.gain.goals),
        "gain_per_week": _ends(plan.gain.value),
        "chance": plan.gain.chance,
        "priority": plan.priority,
        "proposal": {
            "hypothesis": proposal.hypothesis,
            "metric": proposal.metric,
            "watched": list(proposal.watched),
            "visitors_per_day": proposal.visitors_per_day,
            "size": None if proposal.size is None else _size(proposal.size),
            "detectable": proposal.detectable,
            "feasible": proposal.feasible,
            "reason": proposal.reason,
        },
    }


def _size(size: ExperimentSize) -> dict[str, Any]:
    return {
        "baseline": size.baseline,
        "treated": size.treated,
        "alpha": size.alpha,
        "power": size.power,
        "arms": size.arms,
        "per_arm": size.per_arm,
        "total": size.total,
        "days": size.days,
    }


def _status(status: OpportunityStatus) -> dict[str, Any]:
    return {
        "opportunity": status.opportunity_id,
        "status": status.status,
        "reason": status.reason,
        "author": status.author,
        "at_us": status.at_us,
    }


def _ends(estimate: Estimate | None) -> dict[str, float] | None:
    return None if estimate is None else {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _rounded(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{estimate.value:,.1f}"


def _experiment(plan: Plan) -> tuple[str, str, str]:
    size = plan.proposal.size
    counted = ("-", "-") if size is None else (f"{size.total:,}", f"{size.days:,}")
    return plan.proposal.hypothesis, *counted
