"""The figures of Data health that are a table of checks each: values beside yesterday's, the usual ones and limits."""

from collections.abc import Iterable

from insights.arrival_days import Measure, Part
from insights.pages.figure import Bars, Column, Figure, Table, Unit
from insights.quality import Quality
from insights.quality_checks import Check

_SHARES = (Measure.LATE, Measure.CLOCK, Measure.DUPLICATES, Measure.UNKNOWN, Measure.REFUSED)


def volumes_of_origins(quality: Quality) -> Figure:
    """Return the events of each channel and source."""
    return _volumes(quality, "origins", "Volume by channel and source", of_events=False)


def volumes_of_events(quality: Quality) -> Figure:
    """Return the events of each name that the journey declares."""
    return _volumes(quality, "events", "Volume by event", of_events=True)


def flaws_by_channel(quality: Quality) -> Figure:
    """Return the shares that are told for every channel."""
    checks = [check for check in quality.checks if check.measure in _SHARES]
    return _share_table(
        "flaws",
        "Flaws by channel",
        "Late events, wrong clocks, duplicates, unknown names and refused rows of the day, beside yesterday's share, "
        "the usual one (the median of the days before) and the limit of an alarm.",
        sorted(checks, key=lambda check: (check.measure, check.part.channel or "")),
    )


def missing_fields(quality: Quality) -> Figure:
    """Return the shares of events that lack a field, the most surprising first."""
    checks = [check for check in quality.checks if check.measure is Measure.MISSING and (check.value or check.usual)]
    return _share_table(
        "missing",
        "Missing fields",
        "Share of a day's events without the field: the log's columns by channel, the journey's properties by event, "
        "for the events that carry them at all. What is usually missing is no alarm; five points more may be one.",
        sorted(checks, key=lambda check: (-abs(check.surprise or 0.0), _named(check))),
    )


def silences(quality: Quality) -> Figure:
    """Return the longest silence of each channel."""
    columns = (
        Column("channel", "Channel"),
        Column("hours", "Longest silence, hours", Unit.NUMBER),
        Column("missed", "Events that usually fall into it", Unit.NUMBER),
        Column("alarm", "Alarm"),
        Column("steward", "Who answers for it"),
    )
    checks = [check for check in quality.checks if check.measure is Measure.SILENCE]
    rows = tuple(
        (check.part.channel or "all", check.value, check.rows, _yes(check), check.steward)
        for check in sorted(checks, key=lambda check: check.part.channel or "")
    )
    definition = (
        "The most hours in a row without an event that ended on the day. An alarm: at least 20 events usually fall "
        "into them, and twice as many as into any silence before."
    )
    return Figure("silence", "Silences", definition, Table(columns, rows))


def _volumes(quality: Quality, name: str, title: str, *, of_events: bool) -> Figure:
    checks = [
        check
        for check in quality.checks
        if check.measure is Measure.VOLUME and check.part != Part() and (check.part.event is not None) == of_events
    ]
    checks.sort(key=lambda check: (check.part.source or "", -check.value))
    columns = (
        Column("part", "Event" if of_events else "Channel or source"),
        Column("events", "Events", Unit.COUNT),
        Column("yesterday", "Yesterday", Unit.COUNT),
        Column("usual", "Usual on this weekday", Unit.NUMBER),
        Column("alarm_below", "Alarm below", Unit.NUMBER),
        Column("alarm_above", "Alarm above", Unit.NUMBER),
        Column("alarm", "Alarm"),
        Column("steward", "Who answers for it"),
    )
    rows = tuple(
        (
            _named(check),
            int(check.value),
            _count(check.yesterday),
            check.usual,
            check.low,
            check.high,
            _yes(check),
            check.steward,
        )
        for check in checks
    )
    # Fifty bars are no picture.
    chart = None if of_events else Bars("part", ("events", "usual"), horizontal=True)
    definition = (
        "Events of the day beside yesterday's and the median of the same weekday before. An alarm also needs a fall "
        "below .7 or a rise above 2 times the usual, as it is and after what all events have in common is taken out."
    )
    return Figure(name, title, definition, Table(columns, rows), chart)


def _share_table(name: str, title: str, definition: str, checks: Iterable[Check]) -> Figure:
    columns = (
        Column("measure", "Measure"),
        Column("part", "Of"),
        Column("field", "Field"),
        Column("share", "Share", Unit.SHARE),
        Column("rows", "Out of", Unit.COUNT),
        Column("yesterday", "Yesterday", Unit.SHARE),
        Column("usual", "Usual", Unit.SHARE),
        Column("alarm_above", "Alarm above", Unit.SHARE),
        Column("alarm", "Alarm"),
        Column("steward", "Who answers for it"),
    )
    rows = tuple(
        (
            str(check.measure),
            _named(check),
            check.part.field,
            check.value,
            int(check.rows),
            check.yesterday,
            check.usual,
            None if check.high is None or check.high > 1 else check.high,
            _yes(check),
            check.steward,
        )
        for check in checks
    )
    return Figure(name, title, definition, Table(columns, rows))


def _named(check: Check) -> str:
    part = check.part
    if part.source is not None:
        return f"source {part.source}"
    return part.event or part.channel or "all"


def _yes(check: Check) -> str:
    return "ALARM" if check.alarm else ""


def _count(value: float | None) -> int | None:
    return None if value is None else int(value)
