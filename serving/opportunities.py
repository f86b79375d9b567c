"""Statuses of opportunities as people set them by the form of their page."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from features.events import US_PER_SECOND
from insights.opportunity_status import OpportunityError, set_status
from serving.errors import ClientError
from serving.runtime import Runtime
from serving.times import EARLIEST_US
from storage.records import RecordError

LONGEST = 500
"""Characters of a reason; what needs more is a document to name in it."""
_LONGEST_NAME = 100


async def take_status(runtime: Runtime, given: Mapping[str, str]) -> None:
    """Keep the status that the form holds, in force from the start of its day if it names one, else from now on.

    Raises ClientError, 422, for what is no opportunity, status or day.
    """
    reason, author = given.get("reason", "").strip(), given.get("author", "").strip()
    if len(reason) > LONGEST or len(author) > _LONGEST_NAME:
        raise ClientError(
            422, "too_long", f"A reason has at most {LONGEST} characters, and a name {_LONGEST_NAME}.", "reason"
        )
    now_us = runtime.now_us()
    at_us = _start_of_day(given.get("at", ""), runtime.journey.timezone, now_us)
    try:
        await runtime.commit(
            lambda connection: set_status(
                connection,
                runtime.records,
                runtime.journey,
                given.get("opportunity", ""),
                given.get("status", ""),
                reason=reason,
                actor=author,
                now_us=now_us,
                at_us=at_us,
            )
        )
    except (OpportunityError, RecordError) as error:
        text = str(error)
        raise ClientError(422, "invalid_status", f"{text[0].upper()}{text[1:]}.") from error


def _start_of_day(text: str, timezone: str, now_us: int) -> int | None:
    if not text:
        return None
    try:
        day = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(timezone))
        at_us = int(day.timestamp()) * US_PER_SECOND
    except (ValueError, OverflowError) as error:
        raise ClientError(422, "invalid_time", f"{text[:40]!r} is no day: choose one.", "at") from error
    if not EARLIEST_US <= at_us <= now_us:
        raise ClientError(422, "invalid_time", "The day lies ahead, or before the year 2000: choose another.", "at")
    return at_us
