"""What changed: the week against the one before and the baseline, alarms, and what people have noted down."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import chain
from zoneinfo import ZoneInfo

from insights.comparisons import Correction, adjust, p_of_shares
from insights.filters import Filters
from insights.intervals import estimate_difference
from insights.pages.figure import Column, Figure, Table, Unit, Value
from insights.stages import count_stages
from insights.story.causal_words import has_causal_word
from insights.story.section import Section, Telling
from insights.story.sentence import Sentence, cell, say
from insights.suppression import min_cell

GOAL = "reached the goal"
CHANCE = 0.05
"""A difference is told where chance alone makes one as large less often than this, over all that were compared."""
_Counts = dict[str, tuple[int, int]]
"""By measure: of how many sessions, and how many of them."""


def tell_changes(telling: Telling) -> Section:
    """Return what changed."""
    sessions, changes = _sessions(telling), _changes(telling)
    alarms, notes = _alarms(telling), _notes(telling)
    figures = [figure for figure in (sessions, changes, alarms, notes) if figure.table.rows]
    sentences = (*_say_sessions(sessions), *_say_changes(changes), *_say_alarms(telling, alarms))
    return Section("changes", "What changed", (*sentences, *_say_notes(telling, notes)), tuple(figures))


def _sessions(telling: Telling) -> Figure:
    week = telling.week
    with telling.facts.connect(week.filters) as connection:
        now = connection.execute("SELECT count(*), count(DISTINCT visitor_id) FROM sessions").fetchall()[0]
    before = None
    if week.before:
        with telling.facts.connect(week.before) as connection:
            before = connection.execute("SELECT count(*) FROM sessions").fetchall()[0][0]
    columns = (
        Column("since", "From", Unit.DAY),
        Column("until", "To", Unit.DAY),
        Column("sessions", "Sessions", Unit.COUNT),
        Column("visitors", "Visitors", Unit.COUNT),
        Column("sessions_before", "Sessions the week before", Unit.COUNT),
    )
    row = (week.since.isoformat(), week.until.isoformat(), *now, before)
    return Figure("week", "The week", "Sessions that began in the week, and in the one before.", Table(columns, (row,)))


def _changes(telling: Telling) -> Figure:
    week = telling.week
    now, before, baseline = (_count(telling, one) for one in (week.filters, week.before, week.baseline))
    owners = {stage.name: stage.owner for stage in telling.journey.stages}
    # Of few people no share is told.
    compared = [(name, *counts, *before.get(name, (0, 0))) for name, counts in now.items() if counts[0] >= min_cell()]
    p_values = adjust([p_of_shares(hit, of, old, base) for _, of, hit, base, old in compared], Correction.DISCOVERY)
    columns = (
        Column("measure", "Measure"),
        Column("of", "Of sessions", Unit.COUNT),
        Column("share", "Share", Unit.SHARE),
        Column("share_before", "The week before", Unit.SHARE),
        Column("points", "Percentage points", Unit.NUMBER),
        Column("low", "from", Unit.NUMBER),
        Column("high", "to", Unit.NUMBER),
        Column("p_value", "p, corrected", Unit.NUMBER),
        Column("baseline", "Baseline", Unit.SHARE),
        Column("owner", "Owner"),
    )
    rows: list[tuple[Value, ...]] = []
    for (name, of, hit, base, old), p_value in zip(compared, p_values, strict=True):
        difference = estimate_difference(hit, of, old, base)
        ends = (difference.value, difference.low, difference.high) if difference else ()
        points = tuple(round(100 * one, 1) for one in ends) or (None, None, None)
        base_of, base_hit = baseline.get(name, (0, 0))
        usual = base_hit / base_of if base_of else None
        shares = (hit / of if of else None, old / base if base else None)
        rows.append((name, of, *shares, *points, p_value, usual, owners.get(name) or telling.journey.owner))
    return Figure(
        "changes",
        "The week against the one before",
        "The share of ended sessions that reached the goal, and of those that stood in each stage the share abandoned "
        "there; against the week before with Newcombe's interval, and the weeks before as the baseline.",
        Table(columns, tuple(rows)),
    )


def _count(telling: Telling, filters: Filters | None) -> _Counts:
    if filters is None:
        return {}
    with telling.facts.connect(filters) as connection:
        goal = connection.execute(
            "SELECT count(*), count(*) FILTER (outcome = 'goal') FROM sessions WHERE outcome <> 'open'"
        ).fetchall()[0]
        stages = [(one.stage, one.reached - one.open, one.exited) for one in count_stages(telling.journey, connection)]
    return {GOAL: (goal[0], goal[1])} | {stage: (of, left) for stage, of, left in stages if of}


def _say_sessions(figure: Figure) -> Sequence[Sentence]:
    sessions, visitors, before = (cell(figure, 0, name) for name in ("sessions", "visitors", "sessions_before"))
    if before is None:
        return say(
            "{sessions} sessions of {visitors} visitors began in the week.", sessions=sessions, visitors=visitors
        )
    return say(
        "{sessions} sessions of {visitors} visitors began in the week, against {before} the week before.",
        sessions=sessions,
        visitors=visitors,
        before=before,
    )


def _say_changes(figure: Figure) -> Sequence[Sentence]:
    said = list[Sentence]()
    for row, (name, p_value) in enumerate(
        zip(figure.table.column("measure"), figure.table.column("p_value"), strict=True)
    ):
        of, share, before = (cell(figure, row, column) for column in ("of", "share", "share_before"))
        points, low, high = (cell(figure, row, column) for column in ("points", "low", "high"))
        differs = isinstance(p_value, float) and p_value < CHANCE
        if name == GOAL and before is None:
            said += say("{share} of the {of} sessions that have ended reached the goal.", share=share, of=of)
        elif name == GOAL:
            chance = "more than chance alone would make it" if differs else "no more than chance alone would make it"
            said += say(
                "{share} of the {of} sessions that have ended reached the goal, against {before} the week before: "
                "{points} percentage points ({low} to {high}), which is " + chance + ".",
                share=share,
                of=of,
                before=before,
                points=points,
                low=low,
                high=high,
            )
        elif differs:
            said += say(
                "Of the {of} sessions that reached {stage}, {share} were abandoned there, against {before} the week "
                "before: {points} percentage points ({low} to {high}).",
                stage=cell(figure, row, "measure"),
                share=share,
                of=of,
                before=before,
                points=points,
                low=low,
                high=high,
            )
            said += say("In the weeks of the baseline {baseline} were.", baseline=cell(figure, row, "baseline"))
    return said


def _alarms(telling: Telling) -> Figure:
    since_us, until_us = _bounds_us(telling)
    columns = (
        Column("stage", "Stage"),
        Column("cohort", "Cohort"),
        Column("since", "Since", Unit.TIME),
        Column("before", "Usual", Unit.SHARE),
        Column("after", "Since then", Unit.SHARE),
        Column("status", "Status"),
    )
    rows = [
        (one.stage, one.cohort or "everybody", _iso(one.since_us), one.rate_before, one.rate_after, str(one.status))
        for one in telling.records.alarms
        if one.since_us < until_us and (one.closed_us is None or one.closed_us >= since_us)
    ]
    definition = "Alarms that stood in the week: exits from a stage that left what is usual there."
    return Figure("alarms", "Alarms", definition, Table(columns, tuple(rows)))


def _say_alarms(telling: Telling, figure: Figure) -> Sequence[Sentence]:
    zone = telling.facts.timezone
    return list(
        chain.from_iterable(
            say(
                "An alarm stands at {stage} for {cohort}: since {since} {after} are abandoned there, usually {before}.",
                **{name: cell(figure, row, name, zone) for name in ("stage", "cohort", "since", "after", "before")},
            )
            for row in range(len(figure.table.rows))
        )
    )


def _notes(telling: Telling) -> Figure:
    since_us, until_us = _bounds_us(telling)
    columns = (Column("at", "When", Unit.TIME), Column("kind", "Kind"), Column("text", "What"), Column("author", "Who"))
    rows = [
        (_iso(one.at_us), str(one.kind), one.text, one.author)
        for one in telling.records.annotations
        if since_us <= one.at_us < until_us
    ]
    return Figure("notes", "What was noted down", "Annotations of the week.", Table(columns, tuple(rows)))


def _say_notes(telling: Telling, figure: Figure) -> Sequence[Sentence]:
    said = list[Sentence]()
    for row, text in enumerate(figure.table.column("text")):
        cells = {name: cell(figure, row, name, telling.facts.timezone) for name in ("kind", "at", "text")}
        if has_causal_word(str(text)):
            # What somebody takes to be the cause is theirs to say; the figure has their words.
            said += say("A note ({kind}) was made for {at}.", kind=cells["kind"], at=cells["at"])
        else:
            said += say("A note ({kind}) was made for {at}: {text}", **cells)
    return said


def _bounds_us(telling: Telling) -> tuple[int, int]:
    zone = ZoneInfo(telling.facts.timezone)
    ends = (telling.week.since, telling.week.until + timedelta(days=1))
    since, until = (datetime.combine(day, time(), zone).timestamp() for day in ends)
    return round(since * 1e6), round(until * 1e6)


def _iso(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat()
