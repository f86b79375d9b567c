"""What to do next: the week's foremost opportunities and what is due, each with who owns it."""

from insights.opportunities import Opportunity, find_opportunities
from insights.opportunity_status import OPEN
from insights.pages.figure import Column, Figure, Table, Unit, Value
from insights.story.section import Section, Telling
from insights.story.sentence import FigureRef, Sentence, cell, say

TOLD = 3
"""So many opportunities are told of; their page has all."""
LISTED = 10


def tell_ahead(telling: Telling) -> Section:
    """Return what to do next."""
    figure, due = _opportunities(telling), _milestones(telling)
    said = list[Sentence]()
    for row in range(min(TOLD, len(figure.table.rows))):
        cells = {column.name: cell(figure, row, column.name) for column in figure.table.columns}
        said += _say_opportunity(cells)
    for row in range(len(due.table.rows)):
        said += say("By {due}, {owner}: {title}", **{name: cell(due, row, name) for name in ("title", "due", "owner")})
    figures = tuple(one for one in (figure, due) if one.table.rows)
    return Section("ahead", "What to do next, and who owns it", tuple(said), figures)


def _say_opportunity(cells: dict[str, FigureRef | None]) -> list[Sentence]:
    def some(*names: str) -> dict[str, FigureRef | None]:
        return {name: cells[name] for name in names}

    whom = "" if cells["cohort"] is None else " for {cohort}"
    who = some("cohort") if whom else {}
    said = say(
        "{what} against {blocker} at {stage}" + whom + " ({kind}, {days} days of work, {status}): {people} sessions a "
        "week are expected to be concerned ({low} to {high}).",
        **some("what", "blocker", "stage", "kind", "days", "status", "people", "low", "high"),
        **who,
    )
    if cells["experiment"] is None:
        said += say(
            "What {what} is worth there is not measured yet; believed is {gain} a week, net of costs ({gain_low} to "
            "{gain_high}).",
            **some("what", "gain", "gain_low", "gain_high"),
        )
    said += say(
        "An experiment on {what} at {stage} needs {visitors} visitors, which takes {experiment_days} days.",
        **some("what", "stage", "visitors", "experiment_days"),
    )
    return [*said, *say("{what} is owned by {owner}.", **some("what", "owner"))]


def _opportunities(telling: Telling) -> Figure:
    found = find_opportunities(telling.journey, telling.facts, telling.week.filters, telling.records)
    listed = [one for one in found.ranked if one.plan and one.status in OPEN][:LISTED]
    columns = (
        Column("opportunity", "Opportunity"),
        Column("what", "Intervention"),
        Column("blocker", "Blocker"),
        Column("stage", "Stage"),
        Column("cohort", "Cohort"),
        Column("kind", "Kind"),
        Column("days", "Days of work", Unit.NUMBER),
        Column("status", "Status"),
        Column("people", "Sessions a week, expected", Unit.COUNT),
        Column("low", "from", Unit.COUNT),
        Column("high", "to", Unit.COUNT),
        Column("gain", "Net value a week", Unit.MONEY),
        Column("gain_low", "from", Unit.MONEY),
        Column("gain_high", "to", Unit.MONEY),
        Column("experiment", "Measured by"),
        Column("visitors", "Visitors of an experiment", Unit.COUNT),
        Column("experiment_days", "Days of an experiment", Unit.COUNT),
        Column("owner", "Owner"),
    )
    return Figure(
        "ahead",
        "The foremost opportunities",
        "Blockers at stages of the week, with the intervention of the best expectation, in the order of what a day of "
        "work is expected to bring. Values are net of costs; they are what the journey declares unless an experiment "
        "is named.",
        Table(columns, tuple(_row(one) for one in listed)),
    )


def _row(one: Opportunity) -> tuple[Value, ...]:
    plan = one.plan
    if plan is None:
        raise ValueError(f"the opportunity {one.id} has no plan")
    value, size = plan.gain.value, plan.proposal.size if plan.proposal.feasible else None
    return (
        one.id,
        f"\N{LEFT DOUBLE QUOTATION MARK}{plan.intervention.title}\N{RIGHT DOUBLE QUOTATION MARK}",
        one.friction.name,
        one.stage,
        f"{one.cohort[0]} {one.cohort[1]}" if one.cohort else None,
        str(one.kind),
        plan.intervention.days_of_work,
        str(one.status),
        one.per_week.value,
        one.per_week.low,
        one.per_week.high,
        value.value,
        value.low,
        value.high,
        plan.expected.experiment,
        size.total if size else None,
        size.days if size else None,
        one.owner or None,
    )


def _milestones(telling: Telling) -> Figure:
    columns = (Column("due", "Due", Unit.DAY), Column("title", "What"), Column("owner", "Who"))
    rows = [
        (one.due.isoformat(), one.title, one.owner or None)
        for one in sorted(telling.records.milestones, key=lambda one: one.due)
        if one.done_us is None
    ]
    return Figure("milestones", "What is due", "Milestones that are not done.", Table(columns, tuple(rows)))
