"""Opportunities: what to do next, the best first, with what it is worth and how to find out whether it works."""

from collections.abc import Sequence

from insights.opportunities import STANDS_OUT, Opportunities, Opportunity, find_opportunities
from insights.opportunity_status import Status
from insights.pages.figure import Bars, Column, Field, Figure, Form, Page, Table, Unit, Value, View
from insights.pages.next_steps import ends_of
from insights.pages.opportunity_detail import describe
from insights.playbook.names import audience_of_cohort
from insights.playbook.related import tactic_for

SLUG = "opportunities"
_MOST_BARS = 12


def page(view: View) -> Page:
    """Return the ranking, its bars, and one opportunity in detail: the chosen one, by default the first."""
    found = find_opportunities(view.journey, view.facts, view.filters, view.records)
    given = view.chosen("opportunity")
    chosen = found.find(given) or (found.ranked[0] if found.ranked else None)
    figures = [_ranking(view, found), _gains(found.ranked), _efforts(found.ranked)]
    if chosen is not None:
        figures += describe(view, chosen)
    if found.unseen:
        figures.append(_unseen(found))
    lede = (
        "Each blocker at each stage as an issue: whom it stops, what that is worth, what could be done, and the "
        "experiment that would tell. Figures are per week."
    )
    names = tuple(one.id for one in found.ranked)
    choices = (Field("opportunity", "In detail", options=names, value=chosen.id),) if chosen else ()
    return Page(SLUG, "Opportunities", lede, tuple(figures), (_status_form(names, chosen),), choices)


def _ranking(view: View, found: Opportunities) -> Figure:
    columns = (
        Column("opportunity", "Opportunity", link=f"{SLUG}?opportunity={{}}"),
        Column("problem_type", "Problem type"),
        Column("cohort", "Whom"),
        Column("people", "People", Unit.COUNT),
        Column("people_low", "Low", Unit.COUNT),
        Column("people_high", "High", Unit.COUNT),
        Column("at_stake", "Value at stake", Unit.MONEY),
        Column("intervention", "Intervention"),
        Column("gain", "Expected gain", Unit.MONEY),
        Column("gain_low", "Low", Unit.MONEY),
        Column("gain_high", "High", Unit.MONEY),
        Column("evidence", "Evidence"),
        Column("effort_days", "Days of work", Unit.NUMBER),
        Column("priority", "Per day of work", Unit.MONEY),
        Column("kind", "Kind"),
        Column("stage_owner", "Stage owner"),
        Column("owner", "Intervention owner"),
        Column("status", "Status"),
        Column("tactic", "In the playbook", link="playbook?tactic={}"),
    )
    definition = (
        "Per week. People: visitors expected to have left for the blocker, from the calibrated probabilities of the "
        "diagnosis. Value at stake: the sessions left for it x how often other sessions at the stage reach the goal x "
        "what a goal is worth to the journey; an association. Expected gain: what the intervention is believed to add "
        "where it is expected to pay, less its costs; a prior until an experiment has measured it. The order is that "
        "of the gain, discounted by the chance that there is any, per day of work; a loss is not discounted. A quick "
        "win is declared one and can be tested within eight weeks. A cohort has a line of its own where the blocker "
        f"stops it at least {STANDS_OUT:g} times as often as all others; its people are also in the line for everybody."
    )
    note = "" if found.has_model else "No model has named blockers in this log: train one first."
    rows = tuple(_ranked_row(view, one) for one in found.ranked)
    return Figure("ranking", "What to do next, the best first", definition, Table(columns, rows), note=note)


def _ranked_row(view: View, one: Opportunity) -> tuple[Value, ...]:
    plan = one.plan
    return (
        one.id,
        one.friction.problem_type,
        one.cohort_text,
        *ends_of(one.per_week),
        ends_of(one.value_at_stake)[0],
        plan.intervention.title if plan else "none for this stage",
        *ends_of(plan.gain.value if plan else None),
        plan.expected.evidence if plan else None,
        plan.intervention.days_of_work if plan else None,
        plan.priority if plan else None,
        one.kind,
        one.stage_owner,
        plan.intervention.owner if plan else None,
        one.status,
        tactic_for(
            view.journey,
            view.records.tactics,
            source=f"opportunity {one.id}",
            stage=one.stage,
            audience=audience_of_cohort(one.cohort),
            blocker=one.friction.name,
        ),
    )


def _gains(ranked: Sequence[Opportunity]) -> Figure:
    columns = (
        Column("opportunity", "Opportunity", link=f"{SLUG}?opportunity={{}}"),
        Column("gain", "Expected gain per week", Unit.MONEY),
        Column("low", "Low", Unit.MONEY),
        Column("high", "High", Unit.MONEY),
    )
    rows = tuple((one.id, *ends_of(one.plan.gain.value)) for one in ranked[:_MOST_BARS] if one.plan)
    definition = (
        "The expected net gain per week of the first opportunities, with its interval at 95%: mostly how sure the "
        "belief in the intervention is. Below nothing it would cost more than it brings."
    )
    chart = Bars("opportunity", ("gain",), "low", "high", horizontal=True)
    return Figure("gains", "What it may bring", definition, Table(columns, rows), chart)


def _efforts(ranked: Sequence[Opportunity]) -> Figure:
    columns = (
        Column("opportunity", "Opportunity", link=f"{SLUG}?opportunity={{}}"),
        Column("days", "Days of work", Unit.NUMBER),
        Column("experiment_days", "Days of experiment", Unit.NUMBER),
    )
    rows = tuple(
        (one.id, one.plan.intervention.days_of_work, _days(one)) for one in ranked[:_MOST_BARS] if one.plan is not None
    )
    definition = (
        "Days of one person's work until the intervention runs, as the journey declares or its kind usually takes, and "
        "days until the experiment has enough visitors; none where the traffic does not reach it within eight weeks."
    )
    chart = Bars("opportunity", ("days", "experiment_days"), horizontal=True)
    return Figure("efforts", "What it takes", definition, Table(columns, rows), chart)


def _days(one: Opportunity) -> int | None:
    proposal = one.plan.proposal if one.plan else None
    return proposal.size.days if proposal and proposal.size and proposal.feasible else None


def _unseen(found: Opportunities) -> Figure:
    columns = (Column("opportunity", "Opportunity"), Column("status", "Status"), Column("reason", "Reason"))
    rows = tuple((one.opportunity_id, one.status, one.reason) for one in found.unseen)
    definition = "Opportunities with a status of their own that hardly anybody is affected by in the chosen sessions."
    return Figure("unseen", "Not seen in this period", definition, Table(columns, rows))


def _status_form(names: tuple[str, ...], chosen: Opportunity | None) -> Form:
    fields = (
        Field("opportunity", "Opportunity", options=names, value=chosen.id if chosen else "")
        if names
        else Field("opportunity", "Opportunity"),
        Field("status", "Status", options=tuple(Status), value=chosen.status if chosen else ""),
        Field("reason", "Reason", "textarea", required=False),
        Field("at", "In force since, if not from now on", "date", required=False),
        Field("author", "Your name"),
    )
    return Form("status", "Set a status", "Save the status", fields)
