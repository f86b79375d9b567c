"""Arrivals day by day, as matrices: a row for each part of the data that is watched, a column for each day."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from features.events import FloatArray
from insights.arrivals import ARRIVAL_TABLES
from insights.facts import FactsError


class Measure(StrEnum):
    """What is watched of the data."""

    VOLUME = "volume"
    LATE = "late events"
    CLOCK = "clock skew"
    DUPLICATES = "duplicates"
    UNKNOWN = "unknown events"
    MISSING = "missing fields"
    REFUSED = "refused rows"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class Part:
    """The part of the data that a figure is about: all of it where nothing is named."""

    channel: str | None = None
    source: str | None = None
    event: str | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """Counts of one measure: parts (C,), the counts that are watched and the rows that they are out of, (C, D) each.

    ``rows`` is NaN where the count itself is watched, and no share.
    """

    measure: Measure
    parts: tuple[Part, ...]
    counts: FloatArray
    rows: FloatArray


# What a part is grouped by, as (channel, source, event) in the columns of the table.
_BY = ("NULL, NULL, NULL", "channel, NULL, NULL", "NULL, source, NULL", "NULL, NULL, name")
_ALL, _CHANNELS, _SOURCES, _EVENTS = _BY
_SHARES = {
    Measure.LATE: ("late", "timed"),
    Measure.CLOCK: ("early", "timed"),
    Measure.DUPLICATES: ("duplicates", "events + duplicates"),
    Measure.UNKNOWN: ("CASE WHEN declared THEN 0 ELSE events END", "events"),
}


class ArrivalDays:
    """The arrivals in a folder, by day; close it, or use it in a ``with``. Raises :class:`FactsError` without them."""

    def __init__(self, folder: Path) -> None:
        self._connection = duckdb.connect(config={"threads": 2, "memory_limit": "1GB"})
        for table in ARRIVAL_TABLES:
            path = folder / f"{table}.parquet"
            if not path.is_file():
                raise FactsError(f"{folder} does not say how the log arrived; make the facts anew")
            quoted = str(path).replace("'", "''")
            self._connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{quoted}')")
        first, last = self.rows("SELECT min(local_day), max(local_day) FROM arrivals")[0]
        self.days: tuple[date, ...] = (
            () if first is None else tuple(first + timedelta(place) for place in range((last - first).days + 1))
        )

    def __enter__(self) -> "ArrivalDays":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return what a query over the tables finds."""
        return self._connection.execute(query).fetchall()

    def volume(self, hours: int = 24) -> Watched:
        """Return the events of each day before the local hour ``hours``: all, by channel, source and declared name."""
        where = f"local_hour < {hours}"
        queries = [self._query(by, "events", "0", "arrivals", where) for by in (_ALL, _CHANNELS, _SOURCES)]
        queries.append(self._query(_EVENTS, "events", "0", "arrivals", f"{where} AND declared"))
        watched = self._watched(Measure.VOLUME, queries)
        return Watched(watched.measure, watched.parts, watched.counts, np.full(watched.counts.shape, np.nan))

    def shares(self, measure: Measure) -> Watched:
        """Return the late, early, duplicated or unknown events of each day, all and by channel."""
        count, rows = _SHARES[measure]
        return self._watched(measure, [self._query(by, count, rows, "arrivals") for by in (_ALL, _CHANNELS)])

    def missing(self) -> Watched:
        """Return the events without a field: columns of all and by channel, properties by the event's name."""
        return self._watched(
            Measure.MISSING,
            [
                self._query(_ALL, "missing", "events", "fields", "NOT declared", "field"),
                self._query(_CHANNELS, "missing", "events", "fields", "NOT declared", "field"),
                self._query(_EVENTS, "missing", "events", "fields", "declared", "field"),
            ],
        )

    def refused(self) -> Watched:
        """Return the refused rows of each day, out of all rows of the day."""
        refused = "SELECT local_day, NULL, NULL, NULL, NULL, sum(rows), sum(rows) FROM refused GROUP BY local_day"
        others = self._query(_ALL, "0", "events + duplicates", "arrivals")
        return self._watched(Measure.REFUSED, [refused, others])

    def hours(self) -> dict[str | None, FloatArray]:
        """Return the events by day and hour, (D, 24), of each channel and, for None, of all."""
        found: dict[str | None, FloatArray] = {}
        query = "SELECT channel, local_day, local_hour, sum(events) FROM arrivals GROUP BY ALL"
        whole = np.zeros((len(self.days), 24))
        for channel, day, hour, events in self.rows(query):
            place = (day - self.days[0]).days
            whole[place, hour] += events
            if channel is not None:
                found.setdefault(channel, np.zeros(whole.shape))[place, hour] += events
        return {None: whole, **dict(sorted(found.items()))}

    def channel_of_events(self) -> dict[str, str | None]:
        """Return the channel that most events of each name came through."""
        query = (
            "SELECT name, arg_max(channel, n) FROM (SELECT name, channel, sum(events) AS n FROM arrivals GROUP BY ALL) "
            "GROUP BY name"
        )
        return dict(self.rows(query))

    def _query(self, by: str, count: str, rows: str, table: str, where: str = "true", field: str = "NULL") -> str:
        channel, source, event = by.split(", ")
        named = " AND ".join(f"{column} IS NOT NULL" for column in (channel, source, event) if column != "NULL")
        return (
            f"SELECT local_day, {channel} AS c, {source} AS s, {event} AS e, {field} AS f, "
            f"sum({count}), sum({rows}) FROM {table} WHERE {where} AND {named or 'true'} GROUP BY local_day, c, s, e, f"
        )

    def _watched(self, measure: Measure, queries: list[str]) -> Watched:
        places: dict[Part, int] = {}
        found: list[tuple[int, int, float, float]] = []
        for query in queries:
            for day, *names, count, rows in self.rows(query):
                # Refused rows may lie on days without any other.
                at = (day - self.days[0]).days if day is not None else -1
                if 0 <= at < len(self.days):
                    found.append((places.setdefault(Part(*names), len(places)), at, float(count), float(rows)))
        counts, rows_ = np.zeros((len(places), len(self.days))), np.zeros((len(places), len(self.days)))
        for part, at, count, number in found:
            counts[part, at] += count
            rows_[part, at] += number
        order = sorted(
            places, key=lambda part: [name or "" for name in (part.channel, part.source, part.event, part.field)]
        )
        chosen = np.array([places[part] for part in order], np.int64)
        return Watched(measure, tuple(order), counts[chosen], rows_[chosen])
