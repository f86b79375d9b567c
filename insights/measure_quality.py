"""Measure the quality of the data, from the arrivals beside the facts or from a log itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from features.events import US_PER_SECOND
from features.plan import compile_plan
from features.read_log import ReadSummary, read_log
from features.source import CANONICAL, Source
from features.staging import Progress
from insights.arrival_days import ArrivalDays, Measure, Part, Watched
from insights.arrivals import write_arrivals
from insights.days import day_of
from insights.quality import DayTotals, Lateness, Quality
from insights.quality_checks import Check, Steward, judge_shares, judge_silence, judge_volume
from insights.usual import WINDOW_DAYS
from journeys.journey import Journey
from storage.records import RefusedRows

LOOKED_BACK_DAYS = 28
"""So many days before the last one are judged too, each by what came before it."""
LEAST_HOURS = 6
"""A day in progress is judged from this hour on; until then the day before is the last one."""
_SHARES = (Measure.LATE, Measure.CLOCK, Measure.DUPLICATES, Measure.UNKNOWN)


def quality_of_log(
    journey: Journey,
    path: Path,
    *,
    source: Source = CANONICAL,
    quarantine: Path | None = None,
    until: date | None = None,
    progress: Progress = lambda _phase, _fraction: None,
) -> tuple[Quality, ReadSummary]:
    """Return the quality of a log, on its last day or on ``until``; raises ``features.log_files.LogError``."""
    with (
        TemporaryDirectory(prefix="dropoff-") as folder,
        read_log(
            path,
            compile_plan(journey.table),
            timeout_seconds=journey.session_timeout_seconds,
            source=source,
            quarantine=quarantine,
            progress=progress,
        ) as log,
    ):
        progress("counting arrivals", 0.0)
        write_arrivals(log, journey, Path(folder))
        progress("judging days", 0.0)
        return measure_quality(Path(folder), journey, log.summary.last_at_us, until=until), log.summary


def measure_quality(
    folder: Path,
    journey: Journey,
    last_at_us: int,
    *,
    until: date | None = None,
    refused: Sequence[RefusedRows] = (),
) -> Quality:
    """Return the quality of the data whose arrivals are in ``folder``, on its last day or on ``until``.

    ``refused`` are rows that the service has refused, besides those of the log. Raises ``FactsError`` where the folder
    does not say how the log arrived.
    """
    with ArrivalDays(folder) as arrivals:
        last, hours = _last_day(arrivals.days, journey, last_at_us, until)
        days = arrivals.days[: arrivals.days.index(last) + 1]
        steward = _steward(journey, arrivals.channel_of_events())
        by_reason = _refused_by_reason(arrivals, journey, refused)
        shares = [arrivals.shares(measure) for measure in _SHARES]
        shares += [arrivals.missing(), _with_service(arrivals, journey, refused)]
        volume, so_far, by_hour = arrivals.volume(), arrivals.volume(hours), arrivals.hours()
        cells = len(volume.parts) + sum(len(watched.parts) for watched in shares) + len(by_hour)

        def judge(place: int) -> list[Check]:
            window = slice(max(0, place - WINDOW_DAYS), place + 1)
            seen, is_last = days[window], place == len(days) - 1
            checks = judge_volume(_cut(so_far if is_last else volume, window), seen, cells, steward)
            for watched in shares:
                checks += judge_shares(_cut(watched, window), seen, cells, steward)
            of_hours = {channel: events[window] for channel, events in by_hour.items()}
            return checks + judge_silence(of_hours, seen, hours if is_last else 24, journey.timezone, steward)

        judged = {days[place]: judge(place) for place in range(max(0, len(days) - 1 - LOOKED_BACK_DAYS), len(days))}
        _date_alarms(judged)
        checks = sorted(judged[last], key=lambda check: (not check.alarm, -abs(check.surprise or 0.0)))
        earlier = [check for day in reversed(days[:-1]) for check in judged.get(day, ()) if check.alarm]
        return Quality(
            journey=journey.name,
            day=last,
            hours=hours,
            checks=tuple(checks),
            earlier=tuple(earlier),
            days=tuple(_totals(days, volume, shares, judged)),
            lateness=_lateness(arrivals, last),
            refused=by_reason,
            unknown=_unknown(arrivals),
            unseen=_unseen(arrivals, journey),
        )


def _last_day(days: tuple[date, ...], journey: Journey, last_at_us: int, until: date | None) -> tuple[date, int]:
    """Return the day to be judged, and how many of its whole hours are over at the log's last event."""
    last = datetime.fromtimestamp(last_at_us / US_PER_SECOND, UTC).astimezone(ZoneInfo(journey.timezone))
    if until is not None and days[0] <= until < last.date():
        return until, 24
    if last.hour >= LEAST_HOURS or len(days) == 1:
        return days[-1], max(last.hour, 1)
    return days[-2], 24


def _steward(journey: Journey, channel_of_events: Mapping[str, str | None]) -> Steward:
    def steward(part: Part) -> str:
        channel = channel_of_events.get(part.event) if part.event is not None else part.channel
        return journey.steward(channel, part.source)

    return steward


def _cut(watched: Watched, window: slice) -> Watched:
    return replace(watched, counts=watched.counts[:, window], rows=watched.rows[:, window])


def _refused_by_reason(
    arrivals: ArrivalDays, journey: Journey, refused: Sequence[RefusedRows]
) -> tuple[tuple[date | None, str, int], ...]:
    """Return the refused rows of the log and of the service by day and reason, the latest day first."""
    counted: dict[tuple[date | None, str], int] = {}
    found = [tuple(row) for row in arrivals.rows("SELECT local_day, reason, rows FROM refused")]
    found += [(day_of(one.hour_us, journey.timezone), one.reason, one.rows) for one in refused]
    for day, reason, rows in found:
        counted[day, reason] = counted.get((day, reason), 0) + int(rows)
    order = sorted(counted, key=lambda key: (key[0] is None, -(key[0] or date.min).toordinal(), -counted[key], key[1]))
    return tuple((day, reason, counted[day, reason]) for day, reason in order)


def _with_service(arrivals: ArrivalDays, journey: Journey, refused: Sequence[RefusedRows]) -> Watched:
    """Return the refused rows of each day, those of the service included."""
    watched = arrivals.refused()
    counts, rows = watched.counts.copy(), watched.rows.copy()
    for one in refused:
        place = (day_of(one.hour_us, journey.timezone) - arrivals.days[0]).days
        if 0 <= place < len(arrivals.days):
            counts[:, place] += one.rows
            rows[:, place] += one.rows
    return replace(watched, counts=counts, rows=rows)


def _date_alarms(judged: dict[date, list[Check]]) -> None:
    """Give each alarm the first of the days in a row on which it was one."""
    running: dict[tuple[Measure, Part], date] = {}
    for day, checks in judged.items():
        begun = {(one.measure, one.part): running.get((one.measure, one.part), day) for one in checks if one.alarm}
        judged[day] = [replace(one, since=begun.get((one.measure, one.part))) for one in checks]
        running = begun


def _totals(
    days: tuple[date, ...], volume: Watched, shares: Sequence[Watched], judged: Mapping[date, Sequence[Check]]
) -> Iterator[DayTotals]:
    whole = {watched.measure: watched.parts.index(Part()) for watched in shares if Part() in watched.parts}
    for place, day in enumerate(days):
        share: dict[Measure, float | None] = dict.fromkeys((*_SHARES, Measure.REFUSED))
        for watched in shares:
            at = whole.get(watched.measure)
            if watched.measure in share and at is not None and watched.rows[at, place]:
                share[watched.measure] = float(watched.counts[at, place] / watched.rows[at, place])
        yield DayTotals(
            day=day,
            events=int(volume.counts[volume.parts.index(Part()), place]),
            late=share[Measure.LATE],
            early=share[Measure.CLOCK],
            duplicates=share[Measure.DUPLICATES],
            unknown=share[Measure.UNKNOWN],
            refused=share[Measure.REFUSED],
            alarms=sum(check.alarm for check in judged.get(day, ())),
        )


def _lateness(arrivals: ArrivalDays, last: date) -> tuple[Lateness, ...]:
    found = arrivals.rows(
        "SELECT local_day, CASE WHEN NOT whole THEN coalesce(channel, 'no channel') END, timed, p50, p95, p99, most "
        f"FROM lateness WHERE local_day <= DATE '{last}' ORDER BY local_day DESC, whole DESC, channel"
    )
    return tuple(Lateness(*row) for row in found)


def _unknown(arrivals: ArrivalDays) -> tuple[tuple[str, int], ...]:
    found = arrivals.rows(
        "SELECT name, sum(events)::BIGINT AS n FROM arrivals WHERE NOT declared "
        "GROUP BY name ORDER BY n DESC, name LIMIT 100"
    )
    return tuple((str(name), int(count)) for name, count in found)


def _unseen(arrivals: ArrivalDays, journey: Journey) -> tuple[str, ...]:
    seen = {name for (name,) in arrivals.rows("SELECT DISTINCT name FROM arrivals")}
    return tuple(name for name in journey.events if name not in seen)
