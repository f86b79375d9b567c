"""The page about effects: what each intervention does about each blocker, what is known and what is worth testing."""

from collections.abc import Sequence

from decisions.intervention import Intervention
from insights.effects.cells import Arm
from insights.effects.effects import NO_BLOCKER, Effect, Effects
from insights.effects.kept import kept_effects
from insights.effects.knowledge import Knowledge
from insights.effects.period import period_of
from insights.pages.figure import Bars, Column, Field, Figure, Heat, Page, Sentences, Table, Unit, Value, View
from insights.pages.next_steps import ends_of
from journeys.journey import Journey

SLUG = "effects"
_MOST_TESTS = 12
_KNOWN = (Knowledge.PAYS, Knowledge.HARMS, Knowledge.DOES_NOT_PAY)


def page(view: View) -> Page:
    """Return the page, over all decisions that chance made; filters do not apply to it."""
    kept = kept_effects(view.facts.folder)
    by = view.chosen("by")
    found = kept.get(by) or kept.get("")
    options = tuple(name for name in kept if name)
    choices = (Field("by", "By", options=options, value=found.grouped_by, required=False),) if found else ()
    lede = (
        "What each intervention does about each blocker, from decisions in which chance had a say: what is known, what "
        "is not, and what would be worth a test."
    )
    return Page(SLUG, "Effects", lede, effect_figures(found, view.journey) if found else (_nothing(),), choices=choices)


def effect_figures(found: Effects, journey: Journey) -> tuple[Figure, ...]:
    """Return the figures of a journey's effects."""
    titles = {one.name: one for one in journey.interventions}
    return (
        _known(found, titles),
        _map(found, titles),
        _overall(found, titles),
        _tests(found, titles),
        _table(found, titles),
    )


def rests_on(found: Effects) -> str:
    """Return the sentence on what the figures rest on."""
    left = f" {found.at_unknown_odds:,} made at unknown odds are left out." if found.at_unknown_odds else ""
    return (
        f"Randomised: {found.decisions:,} decisions about {found.people:,} people, {period_of(found)}, each weighed by "
        f"the inverse of its logged probability; intervals of 95 % over people.{left}"
    )


def _known(found: Effects, titles: dict[str, Intervention]) -> Figure:
    columns = (
        Column("sentence", "What is known"),
        Column("what", "Knowledge"),
        Column("cells", "Pairs", Unit.COUNT),
    )
    rows: list[tuple[Value, ...]] = []
    for knowledge in Knowledge:
        cells = [one for one in found.cells if one.knowledge is knowledge]
        if cells:
            rows.append((_said(knowledge, cells, titles), str(knowledge), len(cells)))
    definition = (
        "Pairs of a blocker, as it was named first, and an intervention. It pays where even the lower end of the "
        "interval brings more than showing costs, and does not pay where even the upper end brings less. The largest "
        "are named."
    )
    return Figure(
        "known", "What is known", definition, Table(columns, tuple(rows)), Sentences("sentence"), rests_on(found)
    )


def _said(knowledge: Knowledge, cells: Sequence[Effect], titles: dict[str, Intervention]) -> str:
    many = "1 pair" if len(cells) == 1 else f"{len(cells):,} pairs"
    told = {
        Knowledge.PAYS: f"Showing is known to pay in {many}",
        Knowledge.HARMS: f"Fewer reach the goal with it in {many}",
        Knowledge.DOES_NOT_PAY: f"Showing is known not to pay in {many}",
        Knowledge.UNKNOWN: f"Not known yet: {many}",
        Knowledge.UNTRIED: f"Never tried, or with too few people: {many}",
    }[knowledge]
    if knowledge not in _KNOWN:
        return f"{told}."
    largest = max(cells, key=lambda one: abs(one.belief.effect))
    title = f"\N{LEFT DOUBLE QUOTATION MARK}{titles[largest.intervention].title}\N{RIGHT DOUBLE QUOTATION MARK}"
    return f"{told}, first of all {title} where {_blocker(largest)} was named."


def _map(found: Effects, titles: dict[str, Intervention]) -> Figure:
    columns = (
        Column("blocker", "Named first"),
        Column("intervention", "Intervention"),
        Column("effect", "Further goals of those shown", Unit.SHARE),
        Column("low", "From", Unit.SHARE),
        Column("high", "To", Unit.SHARE),
        Column("shown", "People shown", Unit.COUNT),
        Column("knowledge", "Known"),
    )
    rows = tuple(
        (
            ", ".join(part for part in (_blocker(one), one.group) if part),
            titles[one.intervention].title,
            *ends_of(one.belief.interval),
            one.measured.shown.people,
            str(one.knowledge),
        )
        for one in found.cells
        if one.belief.is_measured
    )
    definition = (
        "The rise of the goal's probability by showing an intervention instead of nothing, where a blocker was named "
        "first: randomised, with the interval of 95 %. Each is drawn towards those of the same kind as far as it is "
        "not known itself. Fields that are empty were not measured."
    )
    chart = Heat("intervention", "blocker", "effect") if rows else None
    return Figure("map", "What works for which blocker", definition, Table(columns, rows), chart)


def _overall(found: Effects, titles: dict[str, Intervention]) -> Figure:
    columns = (
        Column("intervention", "Intervention"),
        Column("effect", "Further goals of those shown", Unit.SHARE),
        Column("low", "From", Unit.SHARE),
        Column("high", "To", Unit.SHARE),
        Column("least", "Pays from", Unit.SHARE),
        Column("shown", "People shown", Unit.COUNT),
        Column("nothing", "People not shown anything", Unit.COUNT),
        Column("knowledge", "Known"),
    )
    measured = [one for one in found.overall if one.measured.effect is not None]
    rows = tuple(
        (
            titles[one.intervention].title,
            *ends_of(one.measured.effect),
            one.least,
            one.measured.shown.people,
            one.measured.nothing.people,
            str(one.knowledge),
        )
        for one in sorted(measured, key=lambda one: -one.belief.effect)
    )
    definition = (
        "Over all blockers, as measured, not drawn together: randomised, with the interval of 95 %. It pays "
        "from where a further goal is worth more than the showing costs, those who would have come anyway included."
    )
    chart = Bars("intervention", ("effect",), "low", "high", horizontal=True) if rows else None
    return Figure("overall", "What each intervention does in all", definition, Table(columns, rows), chart)


def _tests(found: Effects, titles: dict[str, Intervention]) -> Figure:
    columns = (
        Column("what", "What to test"),
        Column("worth", "Worth of knowing, a week", Unit.MONEY),
        Column("decisions", "Occasions a week", Unit.NUMBER),
        Column("effect", "Expected", Unit.SHARE),
        Column("low", "From", Unit.SHARE),
        Column("high", "To", Unit.SHARE),
        Column("source", "Source"),
        Column("least", "Pays from", Unit.SHARE),
        Column("people", "People needed", Unit.COUNT),
    )
    rows = tuple(
        (
            f"{titles[one.intervention].title}, where {_where(one)}",
            one.worth_of_knowing,
            one.decisions,
            *ends_of(one.belief.interval),
            "measured" if one.belief.is_measured else "declared",
            one.least,
            one.people_needed,
        )
        for one in found.worth_testing[:_MOST_TESTS]
    )
    definition = (
        "What is not known, by what knowing it would be worth: how much better the choice between showing and doing "
        "nothing would be on average (expected value of perfect information), times the occasions a week. People "
        "needed are those of a test with two arms, a power of 80 % and an error of 5 %."
    )
    chart = Bars("what", ("worth",), horizontal=True) if rows else None
    return Figure("tests", "Unknown, and worth testing", definition, Table(columns, rows), chart)


def _table(found: Effects, titles: dict[str, Intervention]) -> Figure:
    group = (Column("group", found.grouped_by.replace("_", " ").capitalize()),) if found.grouped_by else ()
    columns = (
        Column("blocker", "Named first"),
        Column("intervention", "Intervention"),
        *group,
        Column("match", "Declared to"),
        Column("knowledge", "Known"),
        Column("effect", "Drawn together", Unit.SHARE),
        Column("low", "From", Unit.SHARE),
        Column("high", "To", Unit.SHARE),
        Column("raw", "As measured", Unit.SHARE),
        Column("raw_low", "From", Unit.SHARE),
        Column("raw_high", "To", Unit.SHARE),
        Column("shown", "Shown", Unit.COUNT),
        Column("shown_people", "People", Unit.COUNT),
        Column("shown_goals", "Goals", Unit.COUNT),
        Column("nothing", "Nothing shown", Unit.COUNT),
        Column("nothing_people", "People", Unit.COUNT),
        Column("nothing_goals", "Goals", Unit.COUNT),
        Column("least", "Pays from", Unit.SHARE),
        Column("occasions", "Occasions a week", Unit.NUMBER),
    )
    rows = tuple(
        (
            _blocker(one),
            titles[one.intervention].title,
            *((one.group,) if group else ()),
            str(one.match),
            str(one.knowledge),
            *(ends_of(one.belief.interval) if one.belief.is_measured else (None,) * 3),
            *ends_of(one.measured.effect),
            *(value for arm in (one.measured.shown, one.measured.nothing) for value in _counts(arm)),
            one.least,
            one.decisions,
        )
        for one in found.cells
    )
    definition = (
        "Every pair with its counts: decisions, people and goals on both sides, the effect as measured (randomised, "
        "interval of 95 %) and drawn towards its kind."
    )
    return Figure("pairs", "All pairs", definition, Table(columns, rows))


def _counts(arm: Arm) -> tuple[Value, ...]:
    return (arm.decisions, arm.people, arm.goals)


def _blocker(one: Effect) -> str:
    return "nothing" if one.blocker == NO_BLOCKER else one.blocker


def _where(one: Effect) -> str:
    where = f"{_blocker(one)} is named"
    return f"{where}, {one.group}" if one.group else where


def _nothing() -> Figure:
    columns = (Column("sentence", "What is known"),)
    told = "Nothing is measured yet: no decision in which chance had a say has come to its end."
    return Figure(
        "known",
        "What is known",
        "What decisions of the service have shown.",
        Table(columns, ((told,),)),
        Sentences("sentence"),
    )
