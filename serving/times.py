"""Times at the edge: ISO 8601 text outside, microseconds since 1970 inside."""

from datetime import UTC, datetime, timedelta

from features.events import US_PER_SECOND
from serving.errors import ClientError

EARLIEST_US = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * US_PER_SECOND
"""An earlier event is a clock that was never set, most often 1970."""

_EPOCH_DIGITS = (10, 13, 16, 19)
_LATEST_NANOSECONDS = 1e20
# What a number is smaller than, and by what it is multiplied: seconds, milliseconds, microseconds; 0 for nanoseconds.
_UNITS = ((1e11, US_PER_SECOND), (1e14, 1_000), (1e17, 1), (_LATEST_NANOSECONDS, 0))
# Some clients tell whole seconds only.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


def parse_time(text: str, field: str) -> int:
    """Return ISO 8601 text as microseconds, read as UTC where it names no zone; raises :class:`ClientError`."""
    try:
        moment = datetime.fromisoformat(text)
        zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return (zoned - _EPOCH) // _US
    except (ValueError, OverflowError) as error:
        raise ClientError(
            422, "invalid_time", f"{text[:40]!r} is no time: write it like 2026-03-01T12:30:00Z.", field
        ) from error


def parse_moment(said: str | float, field: str) -> int:
    """Return what a client says about a moment as microseconds: ISO 8601 text, or a number since 1970.

    Numbers are told apart by their size: seconds, milliseconds, microseconds or nanoseconds. Raises
    :class:`ClientError`.
    """
    if isinstance(said, str):
        if not (said.isascii() and said.isdecimal() and len(said) in _EPOCH_DIGITS):
            return parse_time(said, field)
        said = int(said)
    size = abs(said)
    if not size < _LATEST_NANOSECONDS:  # NaN is not smaller either
        raise ClientError(422, "invalid_time", f"{said!r:.40} is no time: write it like 2026-03-01T12:30:00Z.", field)
    multiplied = next(by for below, by in _UNITS if size < below)
    return round(said * multiplied) if multiplied else int(said // 1_000)


def parse_event_time(text: str, field: str, latest_us: int) -> int:
    """Return the time of an event; raises :class:`ClientError` where it lies before 2000 or after ``latest_us``."""
    at_us = parse_time(text, field)
    require_plausible(at_us, field, latest_us)
    return at_us


def require_plausible(at_us: int, field: str, latest_us: int) -> None:
    """Raise :class:`ClientError` for an event's time before 2000 or after ``latest_us``."""
    if at_us < EARLIEST_US:
        raise ClientError(
            422, "time_too_early", f"The event's time {show_time(at_us)} lies before the year 2000.", field
        )
    if at_us > latest_us:
        raise ClientError(422, "time_in_future", f"The event's time {show_time(at_us)} lies in the future.", field)


def show_time(at_us: int) -> str:
    """Return microseconds as ISO 8601 in UTC."""
    try:
        moment = _EPOCH + timedelta(microseconds=at_us)
    except OverflowError:
        return f"{at_us} us"
    return moment.isoformat().replace("+00:00", "Z")
