"""One opportunity in detail: what is known of it, the proposed experiment, its history, and what followed a change."""

from collections.abc import Iterator
from datetime import UTC, datetime

from features.events import US_PER_SECOND
from insights.before_after import MOST_DAYS, BeforeAfter, Outcome, compare_before_after
from insights.gain import Evidence
from insights.intervals import Estimate
from insights.opportunities import Opportunity, Plan
from insights.pages.figure import Column, Figure, Table, Unit, Value, View
from insights.pages.next_steps import ends_of
from insights.pages.write import write, write_interval
from insights.proposal import MOST_WEEKS

_Said = tuple[str, Value]


def describe(view: View, one: Opportunity) -> list[Figure]:
    """Return the figures about an opportunity."""
    figures = [_facts(view, one)]
    if one.plan is not None:
        figures.append(_experiment(one, one.plan))
    if one.history:
        figures.append(_history(one))
    if one.done_us is not None:
        compared = compare_before_after(view.journey, view.facts, one.stage, one.done_us, view.filters)
        figures += [_before_after(one, compared, unit) for unit in (Unit.SHARE, Unit.MONEY)]
    return figures


def _facts(view: View, one: Opportunity) -> Figure:
    rows = tuple(_say_facts(view, one))
    definition = (
        "What is known of the opportunity. People and sessions are expected numbers with intervals at 95%; values are "
        "per week in the unit of the journey's goal value. The difference to other sessions is an association."
    )
    columns = (Column("what", "About it"), Column("value", "Known"))
    return Figure("detail", f"{one.id} in detail", definition, Table(columns, rows))


def _say_facts(view: View, one: Opportunity) -> Iterator[_Said]:
    affected = one.affected
    yield "Blocker", f"{one.friction.name}: {one.friction.description} ({one.friction.problem_type})"
    yield "Stage", f"{one.stage}, owned by {one.stage_owner or 'nobody'}"
    times = f", {one.times_others:.1f} times as often as all others" if one.times_others else ""
    yield "Whom", f"{one.cohort_text}{times}"
    yield "Sessions left for it in the period", _estimated(affected.sessions, Unit.COUNT)
    yield "Visitors behind them in the period", _estimated(affected.people, Unit.COUNT)
    yield "Visitors per week", _estimated(one.per_week, Unit.COUNT)
    yield "Sessions that reached the stage", write(affected.reached.sessions, Unit.COUNT)
    yield "Value at stake per week", _estimated(one.value_at_stake, Unit.MONEY)
    if one.revenue_at_stake:
        yield "Revenue at stake per week", _estimated(one.revenue_at_stake, Unit.MONEY)
    yield "Kind", one.kind
    yield "Status", one.status
    if one.plan is None:
        others = [item.title for item in view.journey.interventions if one.friction in item.treats]
        yield "Intervention", f"none for this stage; elsewhere: {', '.join(others)}"
        return
    plan = one.plan
    yield (
        "Intervention",
        f"“{plan.intervention.title}”, owned by {plan.intervention.owner}: {plan.intervention.message}",
    )
    yield "Days of work", write(plan.intervention.days_of_work, Unit.NUMBER)
    source = "a randomised experiment" if plan.expected.evidence is Evidence.MEASURED else "a prior, not measured yet"
    name = f" ({plan.expected.experiment})" if plan.expected.experiment else ""
    effect = plan.expected.effect
    yield (
        "Expected rise of the goal where it really stops people",
        f"{_estimated(effect, Unit.SHARE)}; {source}{name}",
    )
    yield "Sessions per week that would see it", write(plan.gain.shown, Unit.COUNT)
    yield "Further goals per week", _estimated(plan.gain.goals, Unit.NUMBER)
    yield "Net gain per week", _estimated(plan.gain.value, Unit.MONEY)
    yield "Chance of any net gain", write(plan.gain.chance, Unit.SHARE)


def _experiment(one: Opportunity, plan: Plan) -> Figure:
    proposal, size = plan.proposal, plan.proposal.size
    rows: list[_Said] = [
        ("Hypothesis", proposal.hypothesis),
        ("Primary metric", proposal.metric),
        ("Watched beside it", ", ".join(proposal.watched)),
        ("Visitors per day in the experiment", write(proposal.visitors_per_day, Unit.NUMBER)),
    ]
    if size is not None and size.days is not None and size.weeks is not None:
        rows += [
            ("Visitors per arm", f"{size.per_arm:,}"),
            ("Visitors in all", f"{size.total:,}"),
            ("Duration", f"{size.days:,} days, in whole weeks {size.weeks:,}"),
        ]
    if proposal.detectable is not None:
        rows.append((f"Least rise that {MOST_WEEKS} weeks find", f"{100 * proposal.detectable:.1f} points"))
    rows.append(("Feasible", "yes" if proposal.feasible else f"no: {proposal.reason}"))
    definition = (
        "A proposal: randomised by visitor in two arms of one size, two-sided at 5% with a power of 80%, among those "
        "in whom the blocker is named and the intervention is expected to pay, the holdout left out."
    )
    columns = (Column("what", "Part"), Column("value", "Proposed"))
    return Figure("experiment", f"The experiment on {one.id}", definition, Table(columns, tuple(rows)))


def _history(one: Opportunity) -> Figure:
    columns = (
        Column("since", "Since", Unit.TIME),
        Column("status", "Status"),
        Column("by", "By"),
        Column("reason", "Reason"),
    )
    rows = tuple((_moment(entry.at_us), entry.status, entry.author, entry.reason) for entry in one.history)
    definition = "Every status that the opportunity was given; the last one holds. Not filtered."
    return Figure("history", f"What became of {one.id}", definition, Table(columns, rows))


def _before_after(one: Opportunity, compared: BeforeAfter | None, unit: Unit) -> Figure:
    columns = (
        Column("outcome", "Outcome"),
        Column("before", "Before", unit),
        Column("before_low", "Low", unit),
        Column("before_high", "High", unit),
        Column("after", "After", unit),
        Column("after_low", "Low", unit),
        Column("after_high", "High", unit),
        Column("difference", "Difference", unit),
        Column("difference_low", "Low", unit),
        Column("difference_high", "High", unit),
    )
    definition = (
        f"Up to {MOST_DAYS} days before and as many after the change, whole weeks where there are any, without the day "
        "of the change. The micro-conversion is the next step at the stage, the others are outcomes of the journey; "
        "value per session is what goals brought over all sessions with an end. Intervals are at 95%, over visitors. "
        "Without a figure, the stage was not measured on both sides."
    )
    if compared is None:
        period = "The log has no day before the change, or none after it yet."
        rows: tuple[tuple[Value, ...], ...] = ()
    else:
        before, after = compared.before, compared.after
        period = f"{before.first} to {before.last} against {after.first} to {after.last}."
        rows = tuple(
            (entry.outcome, *ends_of(entry.before), *ends_of(entry.after), *ends_of(entry.difference))
            for entry in compared.outcomes
            if (entry.outcome is Outcome.VALUE) == (unit is Unit.MONEY)
        )
    name, title = ("value_before_after", "Value") if unit is Unit.MONEY else ("before_after", "Conversion")
    note = f"Before/after, not randomised: whatever else changed at the time is in these differences too. {period}"
    return Figure(name, f"{title} before and after {one.id}", definition, Table(columns, rows), note=note)


def _estimated(estimate: Estimate | None, unit: Unit) -> str:
    if estimate is None:
        return "not known"
    return f"{write(estimate.value, unit)} ({write_interval(estimate.low, estimate.high, unit)})"


def _moment(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / US_PER_SECOND, UTC).isoformat(timespec="seconds")
