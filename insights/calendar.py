"""The steps that rates are watched in: hours of a journey of minutes, days of a journey of weeks."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import numpy as np

from features.events import US_PER_SECOND, IntArray
from insights.days import day_of, day_start_us

HOURLY_BELOW_SECONDS = 6 * 3_600.0
"""A session that may be silent for longer is watched by day: what becomes of it is not known within hours."""
_HOUR_US = 3_600 * US_PER_SECOND


class Step(StrEnum):
    """How long a step is."""

    HOUR = "hour"
    DAY = "day"

    @property
    def per_day(self) -> int:
        """Steps in a day, but for the days on which clocks change."""
        return 24 if self is Step.HOUR else 1


def step_for(timeout_seconds: float) -> Step:
    """Return the step that suits a journey's session timeout."""
    return Step.HOUR if timeout_seconds <= HOURLY_BELOW_SECONDS else Step.DAY


@dataclass(frozen=True, slots=True)
class Calendar:
    """T steps one after another: when each starts, and where it lies in the local week."""

    step: Step
    starts_us: IntArray
    """(T + 1,) microseconds since 1970, UTC; the last is the end of the last step."""
    weekday: IntArray
    """(T,) 0 = Monday, in the journey's time zone."""
    hour: IntArray
    """(T,) 0 to 23 in the journey's time zone; 0 where steps are days."""
    day: IntArray
    """(T,) the local days, numbered from the first."""

    def __len__(self) -> int:
        return len(self.weekday)

    def place(self, at_us: int) -> int:
        """Return the step that a moment lies in, which may lie outside."""
        return int(np.searchsorted(self.starts_us, at_us, side="right")) - 1


def make_calendar(first_at_us: int, last_at_us: int, step: Step, timezone: str) -> Calendar:
    """Return the whole local days from the first moment's to the last one's."""
    zone = ZoneInfo(timezone)
    first, last = (day_of(at_us, timezone) for at_us in (first_at_us, last_at_us))
    days = [first + timedelta(days=place) for place in range((last - first).days + 2)]
    midnights = np.array([day_start_us(day, timezone) for day in days], np.int64)
    if step is Step.DAY:
        weekday = np.array([day.weekday() for day in days[:-1]], np.int64)
        return Calendar(step, midnights, weekday, np.zeros_like(weekday), np.arange(len(weekday)))
    # Hours are counted in UTC, so that none is lost or doubled where clocks change.
    starts = np.arange(midnights[0] // _HOUR_US * _HOUR_US, midnights[-1] + 1, _HOUR_US, dtype=np.int64)
    local = [datetime.fromtimestamp(at / US_PER_SECOND, zone) for at in starts[:-1].tolist()]
    return Calendar(
        step,
        starts,
        np.array([moment.weekday() for moment in local], np.int64),
        np.array([moment.hour for moment in local], np.int64),
        np.array([(moment.date() - first).days for moment in local], np.int64),
    )
