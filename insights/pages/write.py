"""Values of a table as people read them; downloads hold the values themselves."""

import math
from collections.abc import Sequence
from datetime import date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from insights.pages.figure import Unit, Value

NOT_KNOWN = "\N{EN DASH}"
_NUMERIC = (Unit.COUNT, Unit.SHARE, Unit.SECONDS, Unit.MONEY, Unit.NUMBER)


def is_number(unit: Unit) -> bool:
    """Return whether values of the unit stand right-aligned, so that their digits can be compared."""
    return unit in _NUMERIC


def write(value: Value, unit: Unit, timezone: str = "UTC") -> str:
    """Return a value in words: shares in percent, seconds as a duration, times in ``timezone``."""
    match value:
        case None:
            return NOT_KNOWN
        case bool():
            return "yes" if value else "no"
        case str():
            return _write_text(value, unit, timezone)
    if math.isnan(value):
        return NOT_KNOWN
    match unit:
        case Unit.SHARE:
            return write_share(value)
        case Unit.SECONDS:
            return write_seconds(value)
        case Unit.MONEY:
            return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:,.2f}"
        case Unit.COUNT:
            return f"{value:,.0f}" if abs(value - round(value)) < 1e-9 or abs(value) >= 100 else f"{value:,.1f}"
        case _:
            return _write_number(value)


def write_interval(low: Value, high: Value, unit: Unit, timezone: str = "UTC") -> str:
    """Return an interval, for example ``4.1% to 5.2%``."""
    if low is None and high is None:
        return NOT_KNOWN
    return f"{write(low, unit, timezone)} to {write(high, unit, timezone)}"


def write_change(value: Value, before: Value, unit: Unit) -> str:
    """Return how a value compares with the one before: shares in percentage points, all else in percent of it."""
    if not isinstance(value, int | float) or not isinstance(before, int | float):
        return ""
    if unit is Unit.SHARE:
        points = 100 * (value - before)
        return f"{_sign(round(points, 1))}{abs(points):.1f} points"
    if before == 0:
        return ""
    relative = value / before - 1
    return f"{_sign(round(relative, 3))}{abs(relative):.1%}"


def write_share(share: float) -> str:
    """Return a share in percent, with as many digits as it takes to tell it from none and from all."""
    percent = 100 * share
    distance = min(abs(percent), abs(100 - percent))
    digits = 1 if distance >= 1 or distance == 0 else 2
    text = f"{percent:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if distance == 0 else text}%"


def write_seconds(seconds: float) -> str:
    """Return a duration in its two largest units, for example ``3 min 20 s``."""
    sign, size = ("-", -seconds) if seconds < 0 else ("", seconds)
    if size < 10:
        return f"{sign}{size:.1f}".removesuffix(".0") + " s"
    whole = round(size)
    units: Sequence[tuple[str, int]] = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    for (name, length), (smaller, part) in pairwise(units):
        if whole >= length:
            rounded = round(whole / part) * part
            if whole < rounded and whole // length < rounded // length:
                # 23 h and 59.9 min are a day.
                return sign + write_seconds(rounded)
            many, rest = divmod(rounded, length)
            return f"{sign}{many:,} {name}" + (f" {rest // part} {smaller}" if rest else "")
    return f"{sign}{whole} s"


def _write_text(text: str, unit: Unit, timezone: str) -> str:
    if unit is Unit.DAY:
        return write_day(date.fromisoformat(text[:10]))
    if unit is Unit.TIME:
        moment = local_time(text, timezone)
        return f"{write_day(moment.date())}, {moment:%H:%M}"
    return text


def write_day(day: date) -> str:
    """Return a day, for example ``Sun 1 Mar 2026``."""
    return f"{day:%a} {day.day} {day:%b %Y}"


def local_time(text: str, timezone: str) -> datetime:
    """Return a time of ISO 8601 on the clocks of ``timezone``; one without an offset stands on them already."""
    moment = datetime.fromisoformat(text)
    return moment.astimezone(ZoneInfo(timezone)) if moment.tzinfo else moment


def _write_number(value: float) -> str:
    size = abs(value)
    if size >= 1_000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}" if size >= 1e-3 else f"{value:.1e}"


def _sign(value: float) -> str:
    return "+" if value > 0 else "\N{MINUS SIGN}" if value < 0 else "±"
