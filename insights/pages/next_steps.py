"""What the overview's figures come to: the open alarms, and what to do next."""

from collections.abc import Iterator
from datetime import UTC, datetime

from insights.intervals import Estimate
from insights.overview import Overview
from insights.pages.figure import Column, Figure, Sentences, Table, Unit, Value, View
from insights.pages.write import write
from insights.playbook.look import choose_entries, look_up
from journeys.journey import Journey
from storage.records import Alarm


def ends_of(estimate: Estimate | None) -> tuple[float | None, float | None, float | None]:
    """Return an estimate and the ends of its interval, as three cells of a table."""
    return (estimate.value, estimate.low, estimate.high) if estimate else (None, None, None)


def list_alarms(alarms: tuple[Alarm, ...]) -> Figure:
    """Return the alarms that nobody has closed."""
    columns = (
        Column("since", "Since", Unit.TIME),
        Column("stage", "Stage", link="alerts"),
        Column("cohort", "Cohort"),
        Column("before", "Exit rate before", Unit.SHARE),
        Column("after", "Exit rate since", Unit.SHARE),
        Column("status", "Status"),
    )
    rows = tuple(
        (
            datetime.fromtimestamp(alarm.since_us / 1e6, UTC).isoformat(timespec="seconds"),
            alarm.stage,
            alarm.cohort or "everybody",
            alarm.rate_before,
            alarm.rate_after,
            str(alarm.status),
        )
        for alarm in alarms
    )
    definition = "Alarms that nobody has closed: a rate has left what is usual for its hour and weekday. Not filtered."
    return Figure("alarms", "Open alarms in detail", definition, Table(columns, rows))


def next_steps(view: View, found: Overview, alarms: tuple[Alarm, ...]) -> Figure:
    """Return what the figures of the overview suggest to do, each step with the figure it rests on."""
    columns = (Column("sentence", "What to do"), Column("page", "Where", link="{}"))
    definition = (
        "The figures of this page as steps: open alarms first, then the stage with the most exits and the commonest "
        "blocker, with who owns them, what is due, and what is to be tested again. Each names the figure it rests on."
    )
    rows = tuple(_say_steps(view, found, alarms))
    table = Table(columns, rows)
    return Figure("next", "What to do next", definition, table, Sentences("sentence", "page"))


def _say_steps(view: View, found: Overview, alarms: tuple[Alarm, ...]) -> Iterator[tuple[Value, ...]]:
    journey = view.journey
    owners = {stage.name: stage.owner for stage in journey.stages}
    if alarms:
        many = "alarm is" if len(alarms) == 1 else "alarms are"
        yield f"Look at the alarms: {len(alarms):,} {many} open, the latest at the stage {alarms[-1].stage}.", "alerts"
    if worst := max((one for one in found.stages if one.exits), key=lambda one: one.exits, default=None):
        owned = f" {owners[worst.stage]} owns the stage." if owners.get(worst.stage) else ""
        share = write(ends_of(worst.rate)[0], Unit.SHARE)
        yield (
            f"Start at the stage {worst.stage}: {worst.exits:,} sessions ended there, {share} of those that stood in "
            f"it.{owned}",
            "overview#stages",
        )
    if found.blockers:
        top = found.blockers[0]
        yield (
            f"Look into {top.friction.lower()}: about {top.people.value:,.0f} abandoned sessions "
            f"({write(top.share, Unit.SHARE)}) were probably left for it.{_treated(journey, top.friction)}",
            "overview#blockers",
        )
    due = [one for one in view.records.milestones if one.done_us is None]
    if due:
        next_due = min(due, key=lambda one: one.due)
        owner = f" ({next_due.owner})" if next_due.owner else ""
        yield f"Due on {write(str(next_due.due), Unit.DAY)}: {next_due.title}{owner}.", "governance"
    yield from _say_retests(view)


def _say_retests(view: View) -> Iterator[tuple[Value, ...]]:
    due = choose_entries(look_up(view.journey, view.records.tactics, view.facts.built_at_us), due=True)
    if due:
        more = f" {len(due) - 1:,} more are due." if len(due) > 1 else ""
        yield f"Test again: {due[0].what} ({due[0].tactic.owner}); {due[0].why_due}.{more}", "playbook?status=due"


def _treated(journey: Journey, friction: str) -> str:
    treating = [one for one in journey.interventions if any(treated.name == friction for treated in one.treats)]
    if not treating:
        return ""
    first = treating[0]
    owner = f", owned by {first.owner}," if first.owner else ""
    return f" The intervention “{first.title}”{owner} is meant for it: test it in an experiment."
