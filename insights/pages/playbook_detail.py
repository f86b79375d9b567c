"""One tactic in detail: what is known of it, its evidence, the test that is proposed, and what became of it."""

from collections.abc import Iterator
from datetime import UTC, datetime

from features.events import US_PER_SECOND
from insights.audit_words import say_change
from insights.days import day_of
from insights.pages.figure import Column, Figure, Table, Unit, Value, View
from insights.pages.write import write
from insights.playbook.declare import declare_command
from insights.playbook.export import say_known
from insights.playbook.look import Entry
from insights.playbook.standing import US_PER_DAY
from insights.playbook.words import say_effect, say_metric, say_rise, say_source
from storage.playbook import Draft
from storage.playbook_store import tactic_subject
from storage.records import Records

_Said = tuple[str, Value]


def describe(view: View, records: Records, one: Entry) -> list[Figure]:
    """Return the figures about a tactic."""
    figures = [_facts(view, one)]
    if one.tactic.evidence:
        figures.append(_evidence(view, one))
    if one.test is not None:
        figures.append(_test(view, one, one.test))
    history = _history(view, records, one)
    return [*figures, history] if history.table.rows else figures


def _facts(view: View, one: Entry) -> Figure:
    columns = (Column("what", "About it"), Column("value", "Known"))
    definition = "What is known of the tactic. Effects are those of randomised experiments, with their 95% interval."
    return Figure("detail", f"{one.name} in detail", definition, Table(columns, tuple(_say_facts(view, one))))


def _say_facts(view: View, one: Entry) -> Iterator[_Said]:
    tactic = one.tactic
    yield "Tactic", one.what
    declared = next((item for item in view.journey.interventions if item.name == tactic.intervention), None)
    if declared is not None:
        yield "What people see", declared.message
    yield "Status", f"{tactic.status}, since {write(_day(view, tactic.changed_us), Unit.DAY)}"
    yield "Owner", tactic.owner
    yield "What is known", tactic.learning or "nothing yet: no experiment on it has ended"
    if tactic.experiment:
        yield "Tested by", f"the experiment {tactic.experiment}"
    if one.standing is not None:
        standing, metric = one.standing, say_metric(one.standing.latest.metric)
        measured = say_effect(standing.measured.effect, share=standing.is_share)
        many = len(standing.counted)
        yield "Measured", f"{metric} {measured}, in {many} randomised experiment{'s' if many > 1 else ''}"
        yield "Now, by its age", f"{metric} {say_known(one)}"
        days = standing.age_us // US_PER_DAY
        yield "Age of the latest evidence", f"{days:,} days; it still counts {standing.weight:.0%}"
        if many > 1:
            yield "How the experiments differ", _differ(standing.now.between, share=standing.is_share)
    if one.why_due:
        yield "Test it again", one.why_due
    yield "Opened", f"{write(_day(view, tactic.created_us), Unit.DAY)}, {say_source(tactic.source)}"


def _evidence(view: View, one: Entry) -> Figure:
    unit = Unit.SHARE if all(found.baseline is not None for found in one.tactic.evidence) else Unit.NUMBER
    # Without any analysis that page has no experiment to choose.
    analysed = any(kept.result for kept in view.records.experiments)
    columns = (
        Column("experiment", "Experiment", link="experiments?experiment={}" if analysed else "experiments"),
        Column("from", "From", Unit.DAY),
        Column("to", "To", Unit.DAY),
        Column("people", "People", Unit.COUNT),
        Column("metric", "What rises"),
        Column("effect", "Rise", unit),
        Column("low", "Low", unit),
        Column("high", "High", unit),
        Column("verdict", "Verdict"),
        Column("counts", "Counts"),
    )
    counted = one.standing.counted if one.standing else ()
    rows = tuple(
        (
            found.experiment,
            _day(view, found.from_us),
            _day(view, found.to_us),
            found.people,
            say_metric(found.metric),
            found.effect,
            found.low,
            found.high,
            found.verdict,
            "yes" if found in counted else "no",
        )
        for found in one.tactic.evidence
    )
    definition = (
        "Every randomised experiment on the tactic that has ended. The rise is absolute (a share's in percentage "
        "points), among those who could see the intervention, with the 95% interval that the experiment's stopping "
        "rule goes by. Invalid experiments, and those on another metric than the latest, do not count."
    )
    return Figure("evidence", f"Evidence for {one.name}", definition, Table(columns, rows))


def _test(view: View, one: Entry, test: Draft) -> Figure:
    again = "again: " if one.why_due else ""
    rows: list[_Said] = [("Hypothesis", test.hypothesis), ("Primary metric", say_metric(test.metric))]
    if test.per_arm is not None and test.people is not None:
        rows += [("Visitors per arm", f"{test.per_arm:,}"), ("Visitors in all", f"{test.people:,}")]
    if test.days is not None:
        rows.append(("Duration", f"{test.days:,} days"))
    rows.append(("Feasible", f"no: {test.reason}" if test.reason else "yes"))
    rows.append(("Declare it", declare_command(view.journey, one)))
    definition = (
        "A proposal: randomised by visitor in two arms of one size, two-sided at 5% with a power of 80%. Declare it "
        "with dropoff experiment new, or in the journey."
    )
    columns = (Column("what", "Part"), Column("value", "Proposed"))
    return Figure("test", f"The test proposed {again}{one.name}", definition, Table(columns, tuple(rows)))


def _history(view: View, records: Records, one: Entry) -> Figure:
    columns = (
        Column("at", "When", Unit.TIME),
        Column("by", "Who"),
        Column("did", "Did"),
        Column("change", "What changed"),
    )
    mine = [entry for entry in records.audit if entry.subject == tactic_subject(one.tactic.id)]
    rows = tuple(
        (
            datetime.fromtimestamp(entry.at_us / US_PER_SECOND, UTC).isoformat(timespec="seconds"),
            entry.actor,
            entry.action,
            say_change(entry, view.journey.timezone),
        )
        for entry in sorted(mine, key=lambda entry: -entry.at_us)
    )
    definition = "Every change of the tactic, the latest first. Not filtered."
    return Figure("history", f"What became of {one.name}", definition, Table(columns, rows))


def _differ(between: float, *, share: bool) -> str:
    if not between:
        return "by no more than chance"
    deviation = say_rise(between**0.5, share=share).removeprefix("+")
    return f"by more than chance: what they measure has a standard deviation of {deviation}"


def _day(view: View, at_us: int) -> str:
    return str(day_of(at_us, view.journey.timezone))
