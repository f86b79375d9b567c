"""What was tried, and what worked: counts of what was shown, and a randomised comparison where there is one."""

from datetime import UTC, datetime

from features.table import TREATMENT_PREFIX
from insights.effects.kept import kept_effects
from insights.intervals import estimate_difference, estimate_share
from insights.pages.figure import Column, Figure, Table, Unit, Value
from insights.story.section import Section, Telling
from insights.story.sentence import Sentence, cell, say

TOLD = 5
"""So many interventions are told of; the figure has all."""
LEAST_HELD_OUT = 30
"""A comparison is told from so many visitors on either side on."""


def tell_trials(telling: Telling) -> Section:
    """Return what was shown in the week and what people did with it."""
    total, figure = _shown(telling)
    said = list(say("Interventions were shown {shown} times.", shown=cell(total, 0, "shown")))
    for row in range(min(TOLD, len(figure.table.rows))):
        cells = {name: cell(figure, row, name) for name in ("what", "shown", "clicked", "share", "low", "high")}
        said += say("{what} was shown {shown} times and taken up {clicked} times: {share} ({low} to {high}).", **cells)
    return Section("trials", "What was tried", tuple(said), (total, figure) if figure.table.rows else (total,))


def tell_results(telling: Telling) -> Section:
    """Return what worked and how sure that is: what nobody has randomised is not measured yet."""
    comparison = _comparison(telling)
    said = list[Sentence]()
    if comparison.table.rows:
        cells = {
            name: cell(comparison, 0, name, telling.facts.timezone, randomised=True)
            for name in ("since", "share", "visitors", "share_held_out", "held_out", "points", "low", "high")
        }
        said += say(
            "In the randomised comparison since {since}, {share} of {visitors} visitors who could be shown something "
            "reached the goal, and {share_held_out} of the {held_out} in the holdout: an effect of {points} percentage "
            "points (interval {low} to {high}).",
            **cells,
        )
    measured = measured_figure(telling)
    for row in range(min(TOLD, len(measured.table.rows))):
        names = ("what", "points", "low", "high", "shown", "nothing", "first", "last")
        cells = {name: cell(measured, row, name, telling.facts.timezone, randomised=True) for name in names}
        said += say(
            "By randomised decisions from {first} to {last}, the effect of {what} on reaching the goal is {points} "
            "percentage points (interval {low} to {high}), from {shown} people who were shown it and {nothing} shown "
            "nothing.",
            **cells,
        )
    _, figure = _shown(telling)
    known = set(measured.table.column("intervention"))
    rows = [row for row, name in enumerate(figure.table.column("intervention")) if name not in known]
    tried = {f"what_{row}": cell(figure, row, "what") for row in rows[:TOLD]}
    if tried:
        named = ", ".join(f"{{{name}}}" for name in tried)
        said += say(f"Not measured yet is what each of these changes: {named}.", **tried)
    figures = tuple(one for one in (comparison, measured, figure) if one.table.rows)
    return Section("results", "What worked, and how sure we are", tuple(said), figures)


def measured_figure(telling: Telling) -> Figure:
    """Return what single interventions were measured to do, over all blockers, the clearest first."""
    found = kept_effects(telling.facts.folder).get("")
    declared = {one.name: one for one in telling.journey.interventions}
    rows: list[tuple[Value, ...]] = []
    if found is not None:
        days = [datetime.fromtimestamp(us / 1e6, UTC).date().isoformat() for us in (found.first_us, found.last_us)]
        measured = [
            (one, one.measured.effect, one.measured.error)
            for one in found.overall
            if one.measured.effect is not None and one.measured.error and one.intervention in declared
        ]
        for one, effect, _ in sorted(measured, key=lambda each: -abs(each[1].value / each[2])):
            points = (round(100 * end, 1) for end in (effect.value, effect.low, effect.high))
            people = one.measured.shown.people, one.measured.nothing.people
            what = _quoted(declared[one.intervention].title)
            rows.append((one.intervention, what, *points, *people, *days))
    columns = (
        Column("intervention", "Intervention"),
        Column("what", "What it is"),
        Column("points", "Percentage points", Unit.NUMBER),
        Column("low", "from", Unit.NUMBER),
        Column("high", "to", Unit.NUMBER),
        Column("shown", "People shown", Unit.COUNT),
        Column("nothing", "People shown nothing", Unit.COUNT),
        Column("first", "Since", Unit.DAY),
        Column("last", "Until", Unit.DAY),
    )
    definition = (
        "How much more often the goal was reached by those who were shown an intervention than by those who were shown "
        "nothing, among randomised decisions, each weighed by the inverse of its probability; intervals of 95 %."
    )
    return Figure("measured", "Measured on single interventions", definition, Table(columns, tuple(rows)))


def _quoted(title: str) -> str:
    return f"\N{LEFT DOUBLE QUOTATION MARK}{title}\N{RIGHT DOUBLE QUOTATION MARK}"


def _shown(telling: Telling) -> tuple[Figure, Figure]:
    with telling.facts.connect(telling.week.filters) as connection:
        counts = connection.execute(
            f"""SELECT element, count_if(ends_with(name, '_shown')) AS shown, count_if(ends_with(name, '_clicked')),
                count_if(ends_with(name, '_dismissed'))
            FROM events WHERE starts_with(name, '{TREATMENT_PREFIX}') GROUP BY element HAVING shown > 0
            ORDER BY shown DESC, element"""
        ).fetchall()
    declared = {one.name: one for one in telling.journey.interventions}
    rows: list[tuple[Value, ...]] = []
    for name, shown, clicked, dismissed in counts:
        one = declared.get(name)
        # A late click can belong to an intervention that was shown before the week.
        share = estimate_share(min(clicked, shown), shown)
        ends = (share.value, share.low, share.high) if share else (None, None, None)
        what = _quoted(one.title) if one else name
        rows.append((name, what, shown, clicked, dismissed, *ends, one.owner if one else None))
    columns = (
        Column("intervention", "Intervention"),
        Column("what", "What it is"),
        Column("shown", "Shown", Unit.COUNT),
        Column("clicked", "Taken up", Unit.COUNT),
        Column("dismissed", "Closed", Unit.COUNT),
        Column("share", "Taken up", Unit.SHARE),
        Column("low", "from", Unit.SHARE),
        Column("high", "to", Unit.SHARE),
        Column("owner", "Owner"),
    )
    total = Figure(
        "shown",
        "Interventions shown",
        "How often the sessions of the week were shown an intervention.",
        Table((Column("shown", "Shown", Unit.COUNT),), ((sum(shown for _, shown, *_ in counts),),)),
    )
    definition = "What the sessions of the week were shown, and how often it was taken up, with Wilson's interval."
    return total, Figure("trials", "What was tried", definition, Table(columns, tuple(rows)))


def _comparison(telling: Telling) -> Figure:
    columns = (
        Column("since", "Since", Unit.TIME),
        Column("visitors", "Could be shown something", Unit.COUNT),
        Column("share", "Reached the goal", Unit.SHARE),
        Column("held_out", "Held out", Unit.COUNT),
        Column("share_held_out", "Reached the goal, of these", Unit.SHARE),
        Column("points", "Percentage points", Unit.NUMBER),
        Column("low", "from", Unit.NUMBER),
        Column("high", "to", Unit.NUMBER),
    )
    rows: list[tuple[Value, ...]] = []
    counts = telling.records.count_holdout()
    both = counts.crossovers if counts is not None else 0
    if counts is not None and min(counts.visitors, counts.held_out) >= LEAST_HELD_OUT:
        found = estimate_difference(counts.converted, counts.visitors, counts.held_out_converted, counts.held_out)
        if found is not None:
            points = (round(100 * one, 1) for one in (found.value, found.low, found.high))
            shares = counts.converted / counts.visitors, counts.held_out_converted / counts.held_out
            since = datetime.fromtimestamp(counts.first_us / 1e6, UTC).isoformat()
            rows.append((since, counts.visitors, shares[0], counts.held_out, shares[1], *points))
    return Figure(
        "comparison",
        "Against the holdout",
        "Visitors are held out at random; those that were known to be one person when they were drawn are one. "
        "Compared are all whose session was once at risk for a reason that could be named, whatever was shown to them "
        "then; the interval of 95 % is Newcombe's. Users with visitors on both sides, which count where they stand: "
        f"{both:,}.",
        Table(columns, tuple(rows)),
    )
