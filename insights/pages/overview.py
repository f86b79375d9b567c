"""The overview: a few figures in large digits, where people stop, what they met there, and what to do next."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from insights.days import day_of
from insights.filters import Filters
from insights.overview import DEFAULT_DAYS, Overview, Totals, look_over, period_before, total
from insights.pages.choose import days_of
from insights.pages.figure import Bars, Column, Figure, Lines, Mark, Page, Table, Tile, Unit, Value, View
from insights.pages.next_steps import ends_of, list_alarms, next_steps
from insights.pages.write import write
from storage.records import Alarm, AlarmStatus

_MOST_BLOCKERS = 8


def page(view: View) -> Page:
    """Return the overview of the chosen sessions."""
    first, last = days_of(view.facts)
    found = look_over(view.journey, view.facts, view.filters, first=first, last=last)
    alarms = tuple(alarm for alarm in view.records.alarms if alarm.status is not AlarmStatus.CLOSED)
    figures = [
        *_tiles(found, alarms),
        next_steps(view, found, alarms),
        _days(view),
        _stages(found),
        _blockers(found),
        _changes(view, found),
        *([list_alarms(alarms)] if alarms else []),
    ]
    lede = f"{view.journey.description} How many made it, where the others stopped, and what stood in their way."
    return Page("overview", "Overview", lede, tuple(figures))


def _tiles(found: Overview, alarms: tuple[Alarm, ...]) -> Iterator[Figure]:
    now, before = found.now, found.before
    yield _tile(
        "sessions",
        "Sessions",
        "Sessions that began in the period: attempts at the journey, cut where nothing happened for its timeout.",
        Unit.COUNT,
        now.sessions,
        before.sessions if before else None,
        page="funnel",
    )
    ends, before_ends = ends_of(now.conversion), ends_of(before.conversion if before else None)
    yield Figure(
        "conversion",
        "Conversion",
        "Sessions that reached the goal among those with an end: goal, abandoned, or another end. Sessions still open "
        "are left out. The interval is Wilson's at 95%, wider where people came several times.",
        _row(
            ("conversion", "Conversion", Unit.SHARE, ends[0]),
            ("low", "Low", Unit.SHARE, ends[1]),
            ("high", "High", Unit.SHARE, ends[2]),
            ("before", "Period before", Unit.SHARE, before_ends[0]),
            ("goals", "Goals", Unit.COUNT, now.goals),
            ("ended", "Sessions with an end", Unit.COUNT, now.ended),
        ),
        Tile("conversion", "low", "high", "before", "funnel", rise_is_good=True),
    )
    yield _tile(
        "abandoned",
        "Abandoned",
        "Sessions that ended without the goal: by an event that says so, or by silence past the journey's timeout.",
        Unit.COUNT,
        now.abandoned,
        before.abandoned if before else None,
        page="blockers",
    )
    if now.revenue is not None:
        yield _tile(
            "revenue",
            "Revenue",
            "The sum of what the goals of these sessions brought, as their events say.",
            Unit.MONEY,
            now.revenue,
            before.revenue if before else None,
            page="opportunities",
            rise_is_good=True,
        )
    yield _tile(
        "open_alarms",
        "Open alarms",
        "Rates that have left what is usual and that nobody has closed; not filtered.",
        Unit.COUNT,
        len(alarms),
        None,
        page="alerts",
    )


def _tile(
    name: str,
    title: str,
    definition: str,
    unit: Unit,
    value: Value,
    before: Value,
    *,
    page: str,
    rise_is_good: bool | None = None,
) -> Figure:
    table = _row((name, title, unit, value), ("before", "Period before", unit, before))
    return Figure(name, title, definition, table, Tile(name, before="before", page=page, rise_is_good=rise_is_good))


def _row(*cells: tuple[str, str, Unit, Value]) -> Table:
    columns = tuple(Column(name, label, unit) for name, label, unit, _ in cells)
    return Table(columns, (tuple(value for *_, value in cells),))


def _days(view: View) -> Figure:
    with view.facts.connect(view.filters) as connection:
        rows = connection.execute(
            """SELECT strftime(local_day, '%Y-%m-%d'), count(*), count(*) FILTER (outcome = 'goal'),
                count(*) FILTER (outcome = 'goal') / nullif(count(*) FILTER (outcome <> 'open'), 0)
            FROM sessions GROUP BY local_day ORDER BY local_day"""
        ).fetchall()
    settled = view.facts.settled_day.isoformat()
    rows = [(day, sessions, goals, share if day <= settled else None) for day, sessions, goals, share in rows]
    columns = (
        Column("day", "Day", Unit.DAY),
        Column("sessions", "Sessions", Unit.COUNT),
        Column("goals", "Goals", Unit.COUNT),
        Column("conversion", "Conversion", Unit.SHARE),
    )
    days = {row[0] for row in rows}
    marks = []
    for annotation in view.records.annotations:
        day = day_of(annotation.at_us, view.facts.timezone).isoformat()
        if day in days:
            marks.append(Mark(day, annotation.text))
    definition = (
        "Conversion of the sessions that began on each day, in the journey's time zone. It ends with the latest day of "
        "which nearly all sessions have ended: of later ones, those that end quickly would count alone. Dashed lines "
        "are what was noted down for that day."
    )
    chart = Lines("day", ("conversion",), marks=tuple(marks))
    return Figure("days", "Conversion by day", definition, Table(columns, tuple(map(tuple, rows))), chart)


def _stages(found: Overview) -> Figure:
    columns = (
        Column("stage", "Stage", link="funnel"),
        Column("rate", "Exit rate", Unit.SHARE),
        Column("low", "Low", Unit.SHARE),
        Column("high", "High", Unit.SHARE),
        Column("exits", "Exits", Unit.COUNT),
        Column("sessions", "Sessions in the stage", Unit.COUNT),
    )
    rows = tuple((one.stage, *ends_of(one.rate), one.exits, one.sessions) for one in found.stages)
    definition = (
        "Of the sessions that stood in a stage or passed through it, and do not stand there still, the part abandoned "
        "with this as the furthest stage, with its interval at 95%."
    )
    return Figure(
        "stages", "Where people stop", definition, Table(columns, rows), Bars("stage", ("rate",), "low", "high")
    )


def _blockers(found: Overview) -> Figure:
    columns = (
        Column("blocker", "Blocker", link="blockers"),
        Column("people", "Sessions left for it", Unit.COUNT),
        Column("low", "Low", Unit.COUNT),
        Column("high", "High", Unit.COUNT),
        Column("share", "Of all abandoned", Unit.SHARE),
        Column("problem_type", "Problem type"),
    )
    rows = tuple(
        (
            one.friction.lower(),
            one.people.value,
            one.people.low,
            one.people.high,
            one.share,
            one.problem_type.replace("_", " "),
        )
        for one in found.blockers[:_MOST_BLOCKERS]
    )
    definition = (
        "The expected number of abandoned sessions that were left for each friction: the sum of the calibrated "
        "probabilities that the diagnosis gives them, with its interval at 95%. It states association. What is not "
        "listed was left for reasons that leave no trace here."
    )
    chart = Bars("blocker", ("people",), "low", "high", horizontal=True)
    return Figure("blockers", "What stood in their way", definition, Table(columns, rows), chart)


def _changes(view: View, found: Overview) -> Figure:
    now, before, periods = _compared(view, found)
    columns = (
        Column("period", "Period"),
        Column("sessions", "Sessions", Unit.COUNT),
        Column("goals", "Goals", Unit.COUNT),
        Column("conversion", "Conversion", Unit.SHARE),
        Column("low", "Low", Unit.SHARE),
        Column("high", "High", Unit.SHARE),
        Column("abandoned", "Abandoned", Unit.COUNT),
        Column("revenue", "Revenue", Unit.MONEY),
    )
    compared = zip(periods, (now, before), strict=False) if before else ()
    rows = tuple(
        (period, one.sessions, one.goals, *ends_of(one.conversion), one.abandoned, one.revenue)
        for period, one in compared
        if one
    )
    note = "" if rows else "The log does not reach back far enough to compare."
    definition = (
        "The chosen period against as many days just before it; where none is chosen, the last seven days of which "
        "nearly all sessions have ended against the seven before. Intervals are at 95%: where they overlap widely, a "
        "difference may be chance."
    )
    return Figure("changes", "Against the period before", definition, Table(columns, rows), note=note)


def _compared(view: View, found: Overview) -> tuple[Totals, Totals | None, tuple[str, ...]]:
    first, last = days_of(view.facts)
    filters, now, before = view.filters, found.now, found.before
    if filters.since is None:
        until = filters.until or min(last - timedelta(days=1), view.facts.settled_day)
        filters = replace(filters, since=until - timedelta(days=DEFAULT_DAYS - 1), until=until)
        with view.facts.connect(filters) as connection:
            now = total(connection)
    earlier = period_before(filters, first=first, last=last)
    if earlier is None:
        return now, None, ()
    if view.filters.since is None:
        with view.facts.connect(earlier) as connection:
            before = total(connection)
    return now, before, (_days_of(filters), _days_of(earlier))


def _days_of(filters: Filters) -> str:
    return f"{write(str(filters.since), Unit.DAY)} to {write(str(filters.until), Unit.DAY) if filters.until else 'now'}"
