"""The page of alerts: where more or fewer people leave than is usual, since when, and what else moved then."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from insights.anomalies import Watched, expect_rates
from insights.counts import read_counts
from insights.episodes import Direction
from insights.find_alarms import annotations_near, as_found, find_alarms
from insights.pages.figure import Column, Field, Figure, Form, Lines, Mark, Page, Table, Unit, View
from insights.playbook.related import tactic_for
from insights.say_alarms import say_alarm, say_moved, say_time
from storage.records import Alarm, AlarmStatus, Annotation, AnnotationKind

SHOWN_DAYS = 35
"""Charts show so many of the latest days, unless the page's period says otherwise."""
_Z = 1.959964
_ID = re.compile(r"\[([0-9a-f]{16})\]$")


def page(view: View) -> Page:
    """Return the page."""
    alarms = view.records.alarms or find_alarms(view.facts, view.journey)
    opened = [one for one in alarms if one.status is not AlarmStatus.CLOSED]
    over = [one for one in alarms if one.status is AlarmStatus.CLOSED]
    if opened:
        lede = " ".join(say_alarm(one, view.journey.timezone) for one in opened)
    else:
        lede = (
            "No alarm is open: as far as so many sessions can tell, as many leave at each stage as is usual for the "
            "weekday, the hour and the trend."
        )
    return Page(
        "alerts",
        "Alerts",
        lede,
        (
            _alarms("open", "Open alarms", opened, view),
            _moved(opened or over[-1:], view),
            *_rates(view, alarms),
            _alarms("past", "Alarms that are over", over[::-1], view),
            _annotations(view),
        ),
        tuple(_forms(opened, view)),
    )


def alarm_of(choice: str) -> str:
    """Return the alarm's id that a choice of the page's forms names; empty where it names none."""
    found = _ID.search(choice.strip())
    return found[1] if found else choice.strip()


def _alarms(name: str, title: str, alarms: Sequence[Alarm], view: View) -> Figure:
    zone = view.journey.timezone
    columns = (
        Column("stage", "Stage"),
        Column("cohort", "Cohort"),
        Column("direction", "Exits"),
        Column("since", "Since", Unit.TIME),
        Column("since_low", "At the earliest", Unit.TIME),
        Column("since_high", "At the latest", Unit.TIME),
        Column("known", "Known at", Unit.TIME),
        Column("before", "Expected rate", Unit.SHARE),
        Column("after", "Observed rate", Unit.SHARE),
        Column("ratio", "Ratio", Unit.NUMBER),
        Column("ratio_low", "at least", Unit.NUMBER),
        Column("ratio_high", "at most", Unit.NUMBER),
        Column("together", "Cohorts that moved with it"),
        Column("noted", "Noted down near that time"),
        Column("state", "State"),
        Column("tactic", "In the playbook", link="playbook?tactic={}"),
    )
    rows = []
    for one in alarms:
        details = one.details
        near = annotations_near(one, view.records.annotations)
        rows.append(
            (
                one.stage,
                one.cohort or "everybody",
                one.direction,
                _iso(one.since_us),
                _iso(details.get("since_low_us", one.since_us)),
                _iso(details.get("since_high_us", one.since_us)),
                _iso(one.detected_us),
                one.rate_before,
                one.rate_after,
                one.ratio,
                one.ratio_low,
                one.ratio_high,
                ", ".join(details.get("together", ())),
                "; ".join(f"{say_time(note.at_us, zone)} {note.kind.value}: {note.text}" for note in near),
                one.status.value if one.closed_us is None else details.get("closing") or "closed by hand",
                tactic_for(
                    view.journey,
                    view.records.tactics,
                    source=f"alarm {one.id}",
                    stage=one.stage,
                    audience=one.cohort or "",
                ),
            )
        )
    return Figure(
        name,
        title,
        "Each stage's exit rate, exits per session that reached the stage, is compared hour by hour (day by day where "
        "a journey takes weeks) with what its own history lets expect. Evidence counts as an alarm that all stages and "
        "cohorts together would show by chance less than once in four weeks. Intervals are 95 % intervals; the ratio "
        "is measured over at most a week, and is somewhat too large in the first hours.",
        Table(columns, tuple(rows)),
        note="" if rows else "There are none.",
    )


def _moved(alarms: Sequence[Alarm], view: View) -> Figure:
    columns = (
        Column("alarm", "Alarm"),
        Column("kind", "Kind"),
        Column("name", "What"),
        Column("before", "Before", Unit.NUMBER),
        Column("after", "Since", Unit.NUMBER),
        Column("inputs", "Inputs of the model that hear it"),
        Column("words", "In words"),
    )
    rows = [
        (
            f"{one.stage} {one.direction} since {say_time(one.since_us, view.journey.timezone)}",
            thing["kind"],
            thing["name"],
            thing["before"],
            thing["after"],
            ", ".join(thing["inputs"]),
            say_moved(thing),
        )
        for one in alarms
        for thing in one.details.get("moved", ())
    ]
    return Figure(
        "moved",
        "What else moved",
        "Among the sessions that reached the stage: shares of those in which an event happens there, expected exits "
        "for each blocker, shares of cohorts, and the time that those who go on take, since the change and in the four "
        "weeks before at the same hours. Listed is what chance would show in one of twenty such lists. That things "
        "moved together does not say which of them others go back to.",
        Table(columns, tuple(rows)),
        note="" if rows else "Nothing that chance would not show.",
    )


def _rates(view: View, alarms: Sequence[Alarm]) -> Iterator[Figure]:
    """Yield a figure for each stage: what was observed, day by day, against what was expected."""
    filters = replace(view.filters, since=None, until=None)
    counts = read_counts(view.facts, view.journey, filters, cohorts=False)
    # What is expected, is expected as if what alarms are about had not been: nothing is looked for again.
    watched = expect_rates(counts, [one for alarm in alarms if (one := as_found(alarm, counts)) is not None])
    for place, cell in enumerate(counts.cells):
        rows = tuple(_days(watched, place, view))
        mine = [one for one in alarms if one.stage == cell.stage]
        shown = {str(row[0]) for row in rows}
        yield Figure(
            f"rate_{cell.stage}",
            f"Exits at {cell.stage}",
            "Exits per session that reached the stage on a day, and what was expected from the days before it: level, "
            "weekday, hour and trend. The band holds 95 of 100 usual days.",
            Table(
                (
                    Column("day", "Day", Unit.DAY),
                    Column("observed", "Observed", Unit.SHARE),
                    Column("expected", "Expected", Unit.SHARE),
                    Column("low", "Usual from", Unit.SHARE),
                    Column("high", "to", Unit.SHARE),
                    Column("reached", "Sessions that reached it", Unit.COUNT),
                    Column("exits", "Exits", Unit.COUNT),
                ),
                rows,
            ),
            Lines(
                "day",
                ("observed", "expected"),
                "low",
                "high",
                marks=tuple(mark for mark in _marks(mine, view.records.annotations, view) if mark.x in shown),
            )
            if rows
            else None,
            "" if rows else "Two weeks of history are needed before anything can be expected.",
        )


def _days(watched: Watched, cell: int, view: View) -> Iterator[tuple[str, float, float, float, float, int, int]]:
    counts, filters = watched.counts, view.filters
    # Steps of an hour may begin before midnight where a zone lies half an hour off.
    first_day = np.datetime64(say_time(int(counts.calendar.starts_us[0]) + 3_600_000_000, view.journey.timezone)[:10])
    days = np.unique(counts.calendar.day)
    for day in days[-SHOWN_DAYS:] if filters.since is None else days:
        name = str(first_day + int(day))
        if (filters.since and name < str(filters.since)) or (filters.until and name > str(filters.until)):
            continue
        steps = np.flatnonzero((counts.calendar.day == day) & (np.arange(len(counts.calendar)) < counts.matured))
        known = steps[np.isfinite(watched.rates[cell, steps])]
        n = counts.entered[cell, known].astype(np.float64)
        if not n.sum():
            continue
        rates, scale = watched.rates[cell, known], watched.scale[cell, known]
        expected = float((n * rates).sum() / n.sum())
        variance = float((n * rates * (1 - rates) * scale).sum()) / n.sum() ** 2
        wide = _Z * float(np.sqrt(variance + (expected * watched.errors[cell, known[-1]]) ** 2))
        exits = int(counts.exited[cell, known].sum())
        yield (
            name,
            float(exits / n.sum()),
            expected,
            max(expected - wide, 0.0),
            min(expected + wide, 1.0),
            int(n.sum()),
            exits,
        )


def _marks(alarms: Sequence[Alarm], annotations: Sequence[Annotation], view: View) -> Iterator[Mark]:
    zone = view.journey.timezone
    for one in alarms:
        who = "" if one.cohort is None else f" of {one.cohort}"
        what = "more exits" if one.direction == Direction.RISE else "fewer exits"
        yield Mark(say_time(one.since_us, zone)[:10], f"{what}{who} since {say_time(one.since_us, zone)[11:]}")
    for note in annotations:
        yield Mark(say_time(note.at_us, zone)[:10], f"{note.kind.value}: {note.text}")


def _annotations(view: View) -> Figure:
    columns = (
        Column("at", "When", Unit.TIME),
        Column("kind", "Kind"),
        Column("text", "What was done"),
        Column("author", "By"),
    )
    rows = [(_iso(one.at_us), one.kind.value, one.text, one.author) for one in view.records.annotations[::-1]]
    return Figure(
        "annotations",
        "Noted down",
        "What people noted down: releases, policies, campaigns. By this page, by POST /v1/annotations, or by "
        f"dropoff annotate {view.journey.name} --at TIME TEXT.",
        Table(columns, tuple(rows)),
        note="" if rows else "Nothing yet.",
    )


def _forms(opened: Sequence[Alarm], view: View) -> Iterator[Form]:
    kinds = tuple(kind.value for kind in AnnotationKind)
    yield Form(
        "annotate",
        "Note something down",
        "Note down",
        (
            Field("at", f"When ({view.journey.timezone})", "datetime-local"),
            Field("kind", "Kind", options=kinds, value=kinds[0]),
            Field("text", "What was done"),
            Field("author", "By"),
        ),
    )
    if not opened:
        return
    zone = view.journey.timezone
    choices = tuple(
        f"{one.stage}, {one.cohort or 'everybody'}: {one.direction} since {say_time(one.since_us, zone)} [{one.id}]"
        for one in opened
    )
    for name, title, button in (
        ("acknowledge", "Say that somebody looks after an alarm", "Acknowledge"),
        ("close", "Close an alarm by hand", "Close"),
    ):
        yield Form(
            name,
            title,
            button,
            (Field("alarm", "Alarm", options=choices, value=choices[0]), Field("author", "By")),
        )


def _iso(at_us: int) -> str:
    return f"{np.datetime64(int(at_us), 'us')}Z"
