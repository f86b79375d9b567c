"""Judge one day of arrivals: each count and share against yesterday and against what is usual, with alarms."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from features.events import FloatArray
from insights.arrival_days import Measure, Part, Watched
from insights.usual import (
    LEAST_DAYS,
    bounds_of,
    limit_of,
    residuals_of,
    spread_of,
    usual_share,
    weekday_usual,
)

LEAST_DROP, LEAST_RISE = 0.7, 2.0
"""A volume is no alarm unless it is below .7 or above 2 times what is usual."""
LEAST_POINTS, LEAST_POINTS_MISSING = 0.01, 0.05
"""A share is no alarm unless it rose by one point, that of a missing field by five."""
LEAST_ROWS = 10
"""Nor unless that is ten rows more than usual."""
LEAST_SILENT_EVENTS = 20
"""A silence is no alarm unless so many events usually fall into it, and twice as many as into any earlier silence."""
_ENOUGH_TO_SCALE = 10


Steward = Callable[[Part], str]
"""Who answers for a part of the data."""


@dataclass(frozen=True, slots=True)
class Check:
    """One figure of one day: its value, yesterday's, the usual one and the limits beyond which it is an alarm.

    Volumes are counts, everything else a share of ``rows``; ``SILENCE`` is hours, and ``rows`` what usually falls into
    them. ``surprise`` is by how many standard
    deviations the value is off; it and the limits are None where too few days came before. ``since`` is the first of
    the days in a row on which it is an alarm.
    """

    day: date
    measure: Measure
    part: Part
    steward: str
    value: float
    rows: float
    yesterday: float | None = None
    usual: float | None = None
    low: float | None = None
    high: float | None = None
    surprise: float | None = None
    alarm: bool = False
    since: date | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the figure as JSON can hold it."""
        content = asdict(self) | asdict(self.part) | {"day": str(self.day), "text": self.describe()}
        content["since"] = None if self.since is None else str(self.since)
        del content["part"]
        return content

    def describe(self) -> str:
        """Return the figure in a sentence."""
        if self.measure is Measure.SILENCE:
            return f"{self._subject()}no event for {self.value:.0f} h, into which {self.rows:,.0f} events usually fall"
        compared = ""
        if self.usual is not None:
            on = f" on a {self.day:%A}" if self.measure is Measure.VOLUME else ""
            compared = f", usually {self._written(self.usual)}{on}"
        return f"{self._subject()}{self._written(self.value)}{compared}"

    def _subject(self) -> str:
        part = self.part
        where = next((f"{name}" for name in (part.event, part.channel, part.source) if name is not None), "all data")
        if part.field is not None:
            return f"{part.field} is missing in {where}: "
        told = self.measure in (Measure.VOLUME, Measure.SILENCE)
        return f"{where}: " if told else f"{where}: {self.measure} "

    def _written(self, value: float) -> str:
        if self.measure is Measure.VOLUME:
            return f"{value:,.0f} event" + ("" if round(value) == 1 else "s")
        return f"{value:.1%}"


def judge_volume(watched: Watched, days: tuple[date, ...], cells: int, steward: Steward) -> list[Check]:
    """Return the checks of the last of the ``days`` (D,), whose counts (C, D) reach as far into the day everywhere.

    A channel, source or event is compared with its usual count as it is and after the median ratio of all events has
    been taken out: an alarm needs both, so that a quiet day is told once, and not once for each event.
    """
    counts = watched.counts
    usual = weekday_usual(counts, np.array([day.weekday() for day in days]))
    scaled = usual * _day_factors(watched, usual)
    spread = spread_of(counts, scaled)
    limit = limit_of(len(days) - 1, cells)
    surprise = residuals_of(counts[:, -1], scaled[:, -1]) / spread
    now, before, alike = counts[:, -1], usual[:, -1], scaled[:, -1]
    low, high = bounds_of(alike, spread, limit)
    low = np.minimum(np.minimum(low, LEAST_DROP * np.minimum(before, alike)), before - LEAST_ROWS)
    high = np.maximum(np.maximum(high, LEAST_RISE * np.maximum(before, alike)), before + LEAST_ROWS)
    # What hardly came before is new, and no mistake.
    high[before < _ENOUGH_TO_SCALE] = np.inf
    return [
        Check(
            day=days[-1],
            measure=watched.measure,
            part=part,
            steward=steward(part),
            value=float(now[place]),
            rows=float(now[place]),
            yesterday=float(counts[place, -2]) if len(days) > 1 else None,
            usual=_known(before[place]),
            low=_known(np.maximum(low[place], 0.0)),
            high=_known(high[place]),
            surprise=_known(surprise[place]),
            alarm=bool(now[place] < low[place] or now[place] > high[place]),
        )
        for place, part in enumerate(watched.parts)
    ]


def judge_shares(watched: Watched, days: tuple[date, ...], cells: int, steward: Steward) -> list[Check]:
    """Return the checks of the last of the ``days`` (D,); parts without a row on that day have none."""
    counts, rows = watched.counts, watched.rows
    usual = usual_share(counts, rows)
    expected = usual[:, None] * rows
    spread = spread_of(counts, expected, usual)
    _, high = bounds_of(expected[:, -1], spread, limit_of(len(days) - 1, cells))
    surprise = residuals_of(counts[:, -1], expected[:, -1]) / spread
    points = LEAST_POINTS_MISSING if watched.measure is Measure.MISSING else LEAST_POINTS
    checks = []
    for place in np.flatnonzero(rows[:, -1]).tolist():
        part, number = watched.parts[place], rows[place, -1]
        least = max(high[place] / number, usual[place] + points, usual[place] + LEAST_ROWS / number)
        value = counts[place, -1] / number
        checks.append(
            Check(
                day=days[-1],
                measure=watched.measure,
                part=part,
                steward=steward(part),
                value=float(value),
                rows=float(number),
                yesterday=float(counts[place, -2] / rows[place, -2]) if len(days) > 1 and rows[place, -2] else None,
                usual=_known(usual[place]),
                high=_known(least),
                surprise=_known(surprise[place]),
                alarm=bool(value > least),
            )
        )
    return checks


def judge_silence(
    hours: Mapping[str | None, FloatArray], days: tuple[date, ...], until: int, zone: str, steward: Steward
) -> list[Check]:
    """Return for each channel the longest silence that ends on the last day, before the hour ``until``.

    ``hours`` are the events by day and hour, (D, 24). What usually falls into a silence is the sum of the hours' means
    over the days before, nothing in the first week. Hours that daylight saving leaves out are no silence.
    """
    checks = []
    for channel, events in hours.items():
        part = Part(channel=channel)
        means = events[:-1].mean(axis=0) if len(days) > LEAST_DAYS else np.zeros(24)
        earlier = [_silence(events, days, place, 24, means, zone)[1] for place in range(1, len(days) - 1)]
        length, missed = _silence(events, days, len(days) - 1, until, means, zone)
        checks.append(
            Check(
                day=days[-1],
                measure=Measure.SILENCE,
                part=part,
                steward=steward(part),
                value=float(length),
                rows=float(missed),
                alarm=bool(missed >= max(LEAST_SILENT_EVENTS, 2 * max(earlier, default=0.0))),
            )
        )
    return checks


def _day_factors(watched: Watched, usual: FloatArray) -> FloatArray:
    """Return by how much each day's events differ from the usual, all parts alike, (C, D): 1 for all data together.

    It is the median of the events' ratios, each with the weight of its usual count.
    """
    of_events = np.array([part.event is not None for part in watched.parts], np.bool_)
    factors = np.ones(usual.shape)
    for day in range(usual.shape[1]):
        told = of_events & (usual[:, day] >= _ENOUGH_TO_SCALE)
        if told.any():
            ratios, weights = watched.counts[told, day] / usual[told, day], usual[told, day]
            order = np.argsort(ratios)
            half = np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)
            factors[:, day] = ratios[order][half]
    factors[[place for place, part in enumerate(watched.parts) if part == Part()]] = 1.0
    return factors


def _silence(
    events: FloatArray, days: tuple[date, ...], place: int, until: int, means: FloatArray, zone: str
) -> tuple[int, float]:
    """Return the hours of the longest silence that ends on a day, and what they usually hold; the day before counts."""
    longest, best, length, missed = 0, 0.0, 0, 0.0
    for day in (place - 1, place):
        for hour in range(24 if day < place else until):
            if day < 0 or not _exists(days[day], hour, zone):
                continue
            length, missed = (length + 1, missed + means[hour]) if events[day, hour] == 0 else (0, 0.0)
            if day == place and (missed, length) > (best, longest):
                longest, best = length, missed
    return longest, best


@lru_cache(maxsize=4_096)
def _exists(day: date, hour: int, zone: str) -> bool:
    """Whether an hour is on the clock that day: daylight saving leaves one out each spring."""
    local = datetime(day.year, day.month, day.day, hour, tzinfo=ZoneInfo(zone))
    return local.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local.replace(tzinfo=None)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
