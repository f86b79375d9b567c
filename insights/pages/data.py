"""Data health: what arrived, how late, how often twice, what was unknown, missing or refused."""

from collections.abc import Iterable

from insights.arrival_days import Measure, Part
from insights.measure_quality import measure_quality
from insights.name_proposals import propose
from insights.pages.data_checks import flaws_by_channel, missing_fields, silences, volumes_of_events, volumes_of_origins
from insights.pages.figure import Column, Figure, Lines, Page, Sentences, Table, Tile, Unit, Value, View
from insights.quality import Quality
from insights.quality_checks import Check
from insights.usual import LEAST_DAYS
from journeys.journey import Journey


def page(view: View) -> Page:
    """Return the page of the last day of the period; cohorts do not narrow it, since refused rows have none."""
    quality = measure_quality(
        view.facts.folder,
        view.journey,
        view.facts.last_at_us,
        until=view.filters.until,
        refused=view.records.refused,
    )
    since = view.filters.since
    figures = (
        _alarms(quality),
        *_tiles(quality),
        _days(quality, str(since) if since else ""),
        _shares(quality, str(since) if since else ""),
        volumes_of_origins(quality),
        volumes_of_events(quality),
        _lateness(quality),
        flaws_by_channel(quality),
        missing_fields(quality),
        _refused(quality),
        _names(quality, view.journey),
        silences(quality),
        _earlier(quality),
        _stewards(quality, view.journey),
    )
    until = "" if quality.hours == 24 else f", volumes until {quality.hours}:00"
    lede = (
        f"Whether the data can be trusted: {quality.day:%A}, {quality.day}{until}, against yesterday and what is "
        "usual. All sessions count here, whatever cohort is chosen."
    )
    return Page("data", "Data health", lede, figures)


def _alarms(quality: Quality) -> Figure:
    rows = [_told(check) for check in quality.alarms]
    return Figure(
        "alarms",
        "Alarms on the data",
        "Figures of the day beyond their limit, with who answers for the data. A limit leaves room for how much "
        "earlier days differed, so that chance raises about one alarm in eight weeks.",
        Table(_TOLD, tuple(rows)),
        Sentences("text") if rows else None,
        "" if rows else _why_none(quality),
    )


def _why_none(quality: Quality) -> str:
    if any(check.surprise is not None for check in quality.checks):
        return f"All {len(quality.checks):,} figures are within their limits."
    return f"Nothing is usual yet: that takes at least {LEAST_DAYS} days before this one."


_TOLD = (
    Column("text", "What"),
    Column("steward", "Who answers for it"),
    Column("measure", "Measure"),
    Column("since", "Since", Unit.DAY),
    Column("day", "Day", Unit.DAY),
)


def _told(check: Check) -> tuple[Value, ...]:
    return (
        f"{check.describe()} ({check.steward})." if check.steward else f"{check.describe()}.",
        check.steward,
        str(check.measure),
        None if check.since is None else str(check.since),
        str(check.day),
    )


def _tiles(quality: Quality) -> Iterable[Figure]:
    whole = {check.measure: check for check in quality.checks if check.part == Part()}
    titles = {
        Measure.VOLUME: ("Events", "Events of the day, each once; until the hour in the lede where the day goes on."),
        Measure.LATE: ("Late", "Share of the events that were received too late for advice about the session."),
        Measure.DUPLICATES: ("Duplicates", "Share of the events that had been received before, by their id."),
        Measure.UNKNOWN: ("Unknown", "Share of the events whose name the journey does not declare."),
        Measure.REFUSED: ("Refused", "Share of the rows that could not be used at all."),
    }
    for measure, (title, definition) in titles.items():
        check = whole.get(measure)
        if check is not None:
            unit = Unit.COUNT if measure is Measure.VOLUME else Unit.SHARE
            columns = (
                Column("now", title, unit),
                Column("yesterday", "Yesterday", unit),
                Column("usual", "Usual", unit),
            )
            table = Table(columns, ((check.value, check.yesterday, check.usual),))
            good = None if measure is Measure.VOLUME else False
            yield Figure(
                f"all_{title.lower()}", title, definition, table, Tile("now", before="yesterday", rise_is_good=good)
            )


def _days(quality: Quality, since: str) -> Figure:
    columns = (
        Column("day", "Day", Unit.DAY),
        Column("events", "Events", Unit.COUNT),
        Column("alarms", "Alarms", Unit.COUNT),
    )
    rows = tuple((str(one.day), one.events, one.alarms) for one in quality.days if str(one.day) >= since)
    definition = (
        "Events by the day on which they occurred, in the journey's time zone, each once; and that day's alarms."
    )
    return Figure("days", "Volume by day", definition, Table(columns, rows), Lines("day", ("events",)))


def _shares(quality: Quality, since: str) -> Figure:
    names = ("late", "duplicates", "unknown", "refused", "early")
    labels = ("Late", "Duplicates", "Unknown names", "Refused", "Clock skew")
    columns = (Column("day", "Day", Unit.DAY), *map(Column, names, labels, [Unit.SHARE] * len(names)))
    rows = tuple(
        (str(one.day), *(getattr(one, name) for name in names)) for one in quality.days if str(one.day) >= since
    )
    definition = (
        "Shares by day: late and clock skew of the events that say when they were received, the others of all rows of "
        "their kind. Clock skew is an event received more than five seconds before it occurred."
    )
    return Figure("shares", "Flaws by day", definition, Table(columns, rows), Lines("day", names))


def _lateness(quality: Quality) -> Figure:
    columns = (
        Column("channel", "Channel"),
        Column("events", "Events with a time of arrival", Unit.COUNT),
        Column("p50", "Half within", Unit.SECONDS),
        Column("p95", "95 % within", Unit.SECONDS),
        Column("p99", "99 % within", Unit.SECONDS),
        Column("most", "All within", Unit.SECONDS),
        Column("before", "95 % within, yesterday", Unit.SECONDS),
    )
    before = {one.channel: one.p95 for one in quality.lateness if (quality.day - one.day).days == 1}
    rows = tuple(
        (one.channel or "all", one.timed, one.p50, one.p95, one.p99, one.most, before.get(one.channel))
        for one in quality.lateness
        if one.day == quality.day
    )
    definition = "Time from an event to its arrival on the day; below zero where a clock is wrong."
    note = "" if rows else "No event says when it was received, so lateness and clocks cannot be told."
    return Figure("lateness", "How late events arrive", definition, Table(columns, rows), note=note)


def _refused(quality: Quality) -> Figure:
    columns = (Column("day", "Day", Unit.DAY), Column("reason", "Reason"), Column("rows", "Rows", Unit.COUNT))
    rows = tuple((None if day is None else str(day), reason, number) for day, reason, number in quality.refused)
    definition = (
        "Rows that could not be used, by the day on which they occurred or, where that is no time, arrived. Those that "
        "the running service has refused are among them."
    )
    return Figure(
        "refused_rows", "Refused rows, and why", definition, Table(columns, rows), note="" if rows else "None."
    )


def _names(quality: Quality, journey: Journey) -> Figure:
    columns = (
        Column("name", "Name"),
        Column("status", "Status"),
        Column("events", "Events", Unit.COUNT),
        Column("meaning", "Meaning"),
    )
    rows: list[tuple[Value, ...]] = [
        (name, "not declared", count, _proposed(name, journey)) for name, count in quality.unknown
    ]
    rows += [(name, "never seen", 0, journey.events[name]) for name in quality.unseen]
    definition = (
        "Names in the log that the journey does not declare, with the event that they may mean, and declared names "
        "that the log does not hold. Aliases in the journey's file say which names mean what; dropoff doctor proposes "
        "them."
    )
    return Figure(
        "names", "Names that do not fit", definition, Table(columns, tuple(rows)), note="" if rows else "None."
    )


def _proposed(name: str, journey: Journey) -> str | None:
    proposal = propose(name, tuple(journey.events))
    return None if proposal is None else f"Perhaps {proposal.meant}: {proposal.why}"


def _earlier(quality: Quality) -> Figure:
    rows = tuple(_told(check) for check in quality.earlier)
    definition = "Alarms of up to 28 days before, each judged by what came before it."
    return Figure("earlier", "Earlier alarms", definition, Table(_TOLD, rows), note="" if rows else "None.")


def _stewards(quality: Quality, journey: Journey) -> Figure:
    columns = (Column("origin", "Channel or source"), Column("steward", "Steward"), Column("declared", "Declared"))
    seen = {check.part.channel or check.part.source for check in quality.checks if check.part.event is None} - {None}
    rows = []
    for origin in sorted({*journey.stewards, *(name for name in seen if name)}):
        declared = "yes" if origin in journey.stewards else "no: the journey's owner stands in"
        rows.append((origin, journey.steward(origin), declared))
    definition = "Who answers for the data of each channel and source, as the journey declares it."
    return Figure("stewards", "Data stewards", definition, Table(columns, tuple(rows)))
