"""Where people stop: the stages that most sessions of the week were abandoned at, and who owns them."""

from insights.pages.figure import Bars, Column, Figure, Table, Unit, Value
from insights.stages import count_stages
from insights.story.section import Section, Telling
from insights.story.sentence import Sentence, cell, say
from insights.suppression import min_cell

TOLD = 3
"""So many stages are told of; the figure has all."""


def tell_stops(telling: Telling) -> Section:
    """Return where people stop."""
    figure = _stops(telling)
    said = list[Sentence]()
    for row in range(min(TOLD, len(figure.table.rows))):
        cells = {
            name: cell(figure, row, name) for name in ("left", "reached", "stage", "share", "low", "high", "owner")
        }
        owner = cells.pop("owner")
        said += say(
            "{left} of the {reached} sessions that reached {stage} were abandoned there: {share} ({low} to {high}).",
            **cells,
        )
        said += say("The stage {stage} is owned by {owner}.", owner=owner, stage=cells["stage"])
    return Section("stops", "Where people stop", tuple(said), (figure,))


def _stops(telling: Telling) -> Figure:
    with telling.facts.connect(telling.week.filters) as connection:
        counted = count_stages(telling.journey, connection)
    # Of few people no share is told.
    stages = [one for one in counted if one.exited and one.reached - one.open >= min_cell()]
    owners = {stage.name: stage.owner for stage in telling.journey.stages}
    rows: list[tuple[Value, ...]] = []
    for one in sorted(stages, key=lambda one: -one.exited):
        rate, stay = one.exit_rate, one.dwell_of_exits
        ends = (rate.value, rate.low, rate.high) if rate else (None, None, None)
        owner = owners.get(one.stage) or telling.journey.owner or None
        seconds = stay.median if stay else None
        rows.append((one.stage, one.reached - one.open, one.exited, *ends, seconds, owner))
    columns = (
        Column("stage", "Stage"),
        Column("reached", "Reached it, not open any more", Unit.COUNT),
        Column("left", "Abandoned there", Unit.COUNT),
        Column("share", "Share", Unit.SHARE),
        Column("low", "from", Unit.SHARE),
        Column("high", "to", Unit.SHARE),
        Column("dwell_seconds", "Median time there before", Unit.SECONDS),
        Column("owner", "Owner"),
    )
    return Figure(
        "stops",
        "Where people stop",
        "Of the ended sessions of the week that stood in a stage, how many were abandoned there, with Wilson's "
        "interval.",
        Table(columns, tuple(rows)),
        Bars("stage", ("share",), low="low", high="high") if rows else None,
    )
