"""Local days as moments: where each begins in a time zone, which is 23 or 25 hours after the last where clocks move."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from features.events import US_PER_SECOND, IntArray

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def day_of(at_us: int, timezone: str) -> date:
    """Return the local day of a moment."""
    return (_EPOCH + timedelta(microseconds=at_us)).astimezone(ZoneInfo(timezone)).date()


def day_start_us(day: date, timezone: str) -> int:
    """Return the first moment of a local day, also where its midnight is skipped or comes twice."""
    # Of a midnight that comes twice this is the first; a skipped one is, by the clock before, when the clock moves.
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone))
    return round((midnight - _EPOCH).total_seconds()) * US_PER_SECOND


def day_edges_us(first: date, last: date, timezone: str) -> IntArray:
    """Return (D + 1,) the first moments of the days from ``first`` to ``last``, and of the one after."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 2)]
    return np.array([day_start_us(day, timezone) for day in days], np.int64)
