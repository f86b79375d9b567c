"""The page about the funnel: how far sessions get, where they stop, how long they stay, by what way, and in circles."""

from collections.abc import Sequence

from insights.dwell import measure_stays
from insights.loops import count_looping_days, find_cycles, find_returns
from insights.pages.columns import dwell_columns, dwell_values, share_columns, share_values
from insights.pages.figure import Bars, Column, Figure, Lines, Page, Table, Unit, View
from insights.pages.funnel_walks import (
    show_after,
    show_before_leaving,
    show_cycles,
    show_last_days,
    show_loop_days,
    show_paths,
    show_returns,
    show_stays,
)
from insights.paths import count_last_days, links_before_leaving, paths_before_leaving
from insights.stages import StageCount, StageDay, count_days, count_stages
from insights.walks import Walks, read_walks

SHOWN = 12
"""Of events, ways out and circles so many are shown, the commonest."""


def page(view: View) -> Page:
    """Return the page; ``after`` in the address chooses the event whose followers are shown."""
    with view.facts.connect(view.filters) as connection:
        stages = count_stages(view.journey, connection)
        days = count_days(view.journey, connection)
        walks = read_walks(connection)
    return Page(
        "funnel",
        "Funnel",
        "How far sessions get, where they are abandoned, how long they stay at each stage and page, the last steps "
        "before leaving, and where people go in circles.",
        (
            _funnel(stages),
            _exits(stages),
            _exit_days(days),
            _dwell(stages),
            _dwell_days(days),
            show_stays(measure_stays(walks, SHOWN)),
            show_before_leaving(links_before_leaving(walks)),
            show_paths(paths_before_leaving(walks, most=SHOWN)),
            show_last_days(count_last_days(walks)),
            show_after(walks, _event(view, walks)),
            show_returns(find_returns(walks, SHOWN)),
            show_cycles(find_cycles(walks, SHOWN)),
            show_loop_days(count_looping_days(walks)),
        ),
    )


def _event(view: View, walks: Walks) -> str:
    """The event whose followers are shown: the one in the address, else the commonest that enters the second stage."""
    asked = [value for name, value in view.query if name == "after" and value in walks.names]
    entering = [name for stage in view.journey.stages[1:] for name in stage.filter.names if name in walks.names]
    return asked[0] if asked else next(iter((*entering, *walks.names)), "")


def _funnel(stages: Sequence[StageCount]) -> Figure:
    columns = (
        Column("stage", "Stage"),
        Column("reached", "Sessions that reached it", Unit.COUNT),
        *share_columns("reached_share", "Of all sessions"),
        Column("advanced", "Got further", Unit.COUNT),
        *share_columns("advance_rate", "Share that got further"),
    )
    rows = tuple(
        (
            stage.stage,
            stage.reached,
            *share_values(stage.reached_share),
            stage.advanced,
            *share_values(stage.advance_rate),
        )
        for stage in stages
    )
    return Figure(
        "stages",
        "How far sessions get",
        "Sessions that reached each stage or a later one, and how many of them reached a later one or the goal. The "
        "share that got further leaves out sessions that are still open there. Whiskers are 95 % intervals of Wilson, "
        "which take sessions to be independent.",
        Table(columns, rows),
        Bars("stage", ("reached_share",), "reached_share_low", "reached_share_high", horizontal=True) if rows else None,
    )


def _exits(stages: Sequence[StageCount]) -> Figure:
    columns = (
        Column("stage", "Stage"),
        Column("exited", "Abandoned here", Unit.COUNT),
        *share_columns("exit_rate", "Exit rate"),
        Column("competing", "Ended otherwise", Unit.COUNT),
        Column("open", "Still open", Unit.COUNT),
    )
    rows = tuple(
        (stage.stage, stage.exited, *share_values(stage.exit_rate), stage.competing, stage.open) for stage in stages
    )
    return Figure(
        "exits",
        "Where sessions are abandoned",
        "The exit rate of a stage is the share of the sessions that reached it which were abandoned with it as the "
        "furthest, those still open there left out. Whiskers are 95 % intervals.",
        Table(columns, rows),
        Bars("stage", ("exit_rate",), "exit_rate_low", "exit_rate_high") if rows else None,
    )


def _exit_days(days: Sequence[StageDay]) -> Figure:
    columns = (
        Column("day", "Day", Unit.DAY),
        Column("stage", "Stage"),
        Column("reached", "Reached", Unit.COUNT),
        Column("exited", "Abandoned here", Unit.COUNT),
        *share_columns("exit_rate", "Exit rate"),
    )
    rows = tuple(
        (day.day.isoformat(), day.stage, day.reached, day.exited, *share_values(day.exit_rate)) for day in days
    )
    return Figure(
        "exit_days",
        "Exit rates from day to day",
        "The exit rate of each stage for the sessions that began on a day in the journey's time zone. The latest days "
        "may change while sessions are still open.",
        Table(columns, rows),
        Lines("day", ("exit_rate",), "exit_rate_low", "exit_rate_high", series="stage") if rows else None,
    )


def _dwell(stages: Sequence[StageCount]) -> Figure:
    columns = (
        Column("stage", "Stage"),
        Column("sessions", "Sessions", Unit.COUNT),
        *dwell_columns(),
        Column("exits", "Abandoned here", Unit.COUNT),
        Column("median_of_exits", "Median of those", Unit.SECONDS),
    )
    rows = tuple(
        (
            stage.stage,
            stage.dwell.count if stage.dwell else 0,
            *dwell_values(stage.dwell),
            stage.exited,
            stage.dwell_of_exits.median if stage.dwell_of_exits else None,
        )
        for stage in stages
    )
    return Figure(
        "dwell",
        "How long sessions stay at a stage",
        "From the event that reached the stage to the one that reached the next, or to the last sign of life. Stages "
        "that were skipped do not count. Whiskers are the 95 % interval of the median.",
        Table(columns, rows),
        Bars("stage", ("median_seconds",), "median_low", "median_high") if rows else None,
    )


def _dwell_days(days: Sequence[StageDay]) -> Figure:
    columns = (
        Column("day", "Day", Unit.DAY),
        Column("stage", "Stage"),
        Column("median_seconds", "Median stay", Unit.SECONDS),
    )
    rows = tuple((day.day.isoformat(), day.stage, day.median_seconds) for day in days)
    return Figure(
        "dwell_days",
        "Stays from day to day",
        "The median stay at each stage of the sessions that began on a day.",
        Table(columns, rows),
        Lines("day", ("median_seconds",), series="stage") if rows else None,
    )
