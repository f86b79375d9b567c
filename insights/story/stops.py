"""Where people stop: the stages that most sessions of the week were abandoned at, and who owns them."""

from insights.intervals import estimate_share
from insights.pages.figure import Bars, Column, Figure, Table, Unit, Value
from insights.story.section import Section, Telling
from insights.story.sentence import Sentence, cell, say

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
            "{left} of the {reached} sessions that stood at {stage} were abandoned there: {share} ({low} to {high}).",
            **cells,
        )
        said += say("The stage {stage} is owned by {owner}.", owner=owner, stage=cells["stage"])
    return Section("stops", "Where people stop", tuple(said), (figure,))


def _stops(telling: Telling) -> Figure:
    with telling.facts.connect(telling.week.filters) as connection:
        counts = connection.execute(
            """SELECT stage, count(*), count_if(exited) AS gone, median(dwell_seconds) FILTER (exited)
            FROM stages JOIN (SELECT session, outcome FROM sessions) USING (session)
            WHERE outcome <> 'open' AND stage IS NOT NULL AND stages.events > 0
            GROUP BY stage, stage_index HAVING gone > 0 ORDER BY gone DESC, stage_index"""
        ).fetchall()
    owners = {stage.name: stage.owner for stage in telling.journey.stages}
    rows: list[tuple[Value, ...]] = []
    for stage, reached, left, dwell in counts:
        share = estimate_share(left, reached)
        ends = (share.value, share.low, share.high) if share else (None, None, None)
        rows.append((stage, reached, left, *ends, dwell, owners.get(stage) or telling.journey.owner or None))
    columns = (
        Column("stage", "Stage"),
        Column("reached", "Stood there", Unit.COUNT),
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
