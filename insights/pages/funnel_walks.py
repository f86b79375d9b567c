"""The figures of the funnel's page about single events: stays, ways out, what comes after, and circles."""

from collections.abc import Sequence

from insights.dwell import Stay
from insights.loops import Loop, LoopDay
from insights.pages.columns import dwell_columns, dwell_values, share_columns, share_values
from insights.pages.figure import Bars, Column, Figure, Lines, Sankey, Table, Unit
from insights.paths import STEPS, LastDay, Link, Path, links_after
from insights.walks import Walks


def show_stays(stays: Sequence[Stay]) -> Figure:
    """Return the figure of stays at events and pages."""
    columns = (
        Column("event", "Event or page"),
        Column("times", "Times", Unit.COUNT),
        *dwell_columns(),
        Column("exits", "Last before leaving", Unit.COUNT),
        *share_columns("exit_share", "Share last before leaving"),
    )
    rows = tuple(
        (
            stay.name + (f": {stay.element}" if stay.element else ""),
            stay.times,
            *dwell_values(stay.dwell),
            stay.exits,
            *share_values(stay.exit_share),
        )
        for stay in stays
    )
    return Figure(
        "stays",
        "How long people stay at an event or page",
        "The time from an event to the next of its session, and how often the event was the last of an abandoned "
        "session; nobody knows how long that one held. The commonest kinds of events.",
        Table(columns, rows),
        Bars("event", ("median_seconds",), "median_low", "median_high", horizontal=True) if rows else None,
    )


def show_before_leaving(links: Sequence[Link]) -> Figure:
    """Return the figure of streams to leaving."""
    return Figure(
        "before_leaving",
        "The last steps before leaving",
        f"The last {STEPS} events of abandoned sessions: -1 is the last, -2 the one before. At each place the "
        "commonest events are told apart.",
        _link_table(links),
        Sankey("source", "target", "sessions") if links else None,
    )


def show_paths(paths: Sequence[Path]) -> Figure:
    """Return the figure of the commonest last events."""
    columns = (
        Column("path", "Last events"),
        Column("sessions", "Sessions", Unit.COUNT),
        *share_columns("share", "Of abandoned sessions"),
    )
    rows = tuple((" > ".join(path.names), path.count, *share_values(path.share)) for path in paths)
    return Figure(
        "paths",
        "The commonest ways out",
        f"The last {STEPS} events of abandoned sessions in their order; a shorter way is a whole session.",
        Table(columns, rows),
        Bars("path", ("share",), "share_low", "share_high", horizontal=True) if rows else None,
    )


def show_last_days(days: Sequence[LastDay]) -> Figure:
    """Return the figure of last events over days."""
    columns = (
        Column("day", "Day", Unit.DAY),
        Column("event", "Last event"),
        Column("exits", "Abandoned sessions", Unit.COUNT),
        Column("sessions", "Of these with it last", Unit.COUNT),
        *share_columns("share", "Share"),
    )
    rows = tuple((one.day.isoformat(), one.name, one.exits, one.count, *share_values(one.share)) for one in days)
    return Figure(
        "last_days",
        "Last events from day to day",
        "Of the abandoned sessions that began on a day, the share with each of the commonest events as their last.",
        Table(columns, rows),
        Lines("day", ("share",), "share_low", "share_high", series="event") if rows else None,
    )


def show_after(walks: Walks, event: str) -> Figure:
    """Return the figure of streams after an event."""
    links = links_after(walks, event)
    return Figure(
        "after",
        f"What comes after {event}" if event else "What comes after an event",
        f"The {STEPS} events after the first {event or 'such event'} of each session: +1 is the next. Sessions with "
        "fewer flow into how they ended. Another event: add after=NAME to the address.",
        _link_table(links),
        Sankey("source", "target", "sessions") if links else None,
    )


def show_returns(loops: Sequence[Loop]) -> Figure:
    """Return the figure of back-and-forths."""
    return Figure(
        "returns",
        "Back and forth",
        "Three events in a row of which the third is the first again. Beside the exit rate of these sessions is that "
        "of the others in which one of the events came; the two may differ in much else.",
        _loop_table(loops, " > ", repeat_first=True),
        Bars("events", ("sessions",), horizontal=True) if loops else None,
    )


def show_cycles(loops: Sequence[Loop]) -> Figure:
    """Return the figure of rounds."""
    return Figure(
        "cycles",
        "Round and round",
        "Two to four events gone through twice or more in a row, told once for each round after the first.",
        _loop_table(loops, " > ", repeat_first=False),
        Bars("events", ("sessions",), horizontal=True) if loops else None,
    )


def show_loop_days(days: Sequence[LoopDay]) -> Figure:
    """Return the figure of back-and-forths over days."""
    columns = (
        Column("day", "Day", Unit.DAY),
        Column("sessions", "Sessions", Unit.COUNT),
        Column("looping", "Went back and forth", Unit.COUNT),
        *share_columns("share", "Share"),
    )
    rows = tuple((day.day.isoformat(), day.sessions, day.looping, *share_values(day.share)) for day in days)
    return Figure(
        "loop_days",
        "Back and forth from day to day",
        "The share of the sessions begun on a day in which the third of three events in a row was the first again.",
        Table(columns, rows),
        Lines("day", ("share",), "share_low", "share_high") if rows else None,
    )


def _link_table(links: Sequence[Link]) -> Table:
    columns = (Column("source", "From"), Column("target", "To"), Column("sessions", "Sessions", Unit.COUNT))
    return Table(columns, tuple((link.source, link.target, link.count) for link in links))


def _loop_table(loops: Sequence[Loop], between: str, *, repeat_first: bool) -> Table:
    columns = (
        Column("events", "Events"),
        Column("times", "Times", Unit.COUNT),
        Column("sessions", "Sessions", Unit.COUNT),
        *share_columns("exit_rate", "Abandoned"),
        *share_columns("exit_rate_without", "Abandoned without it"),
    )
    rows = tuple(
        (
            between.join([*loop.names, *(loop.names[:1] if repeat_first else ())]),
            loop.times,
            loop.sessions,
            *share_values(loop.exit_rate),
            *share_values(loop.exit_rate_without),
        )
        for loop in loops
    )
    return Table(columns, rows)
