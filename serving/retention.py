"""What has been kept for long enough goes, a little at a time."""

import asyncio
import logging
from collections import Counter

from sqlalchemy.exc import SQLAlchemyError

from features.events import US_PER_SECOND
from serving.runtime import Runtime
from storage.database import forget_erased
from storage.failures import explain

_LOG = logging.getLogger("dropoff.serving")
_LOOK_SECONDS = 600.0
_PAUSE_SECONDS = 0.2
_EVENTS_AT_ONCE = 1_000
_DAY_SECONDS = 86_400


async def keep_no_longer(runtime: Runtime, days: float, look_seconds: float = _LOOK_SECONDS) -> None:
    """Delete every ten minutes what came more than so many days ago; runs until cancelled.

    Two processes that do so at once delete the same rows, so only one of them finds any.
    """
    while True:
        try:
            await expire(runtime, days)
        except SQLAlchemyError as error:
            _LOG.warning("What is too old stays for now: %s", explain(error))
        await asyncio.sleep(look_seconds)


async def expire(runtime: Runtime, days: float) -> dict[str, int]:
    """Delete what came more than so many days ago, and return how many rows of each kind that was.

    In small steps with pauses between: nobody waits long for the database. Visitors of whom nothing is left are
    forgotten like erased ones.
    """
    before_us = runtime.now_us() - int(days * _DAY_SECONDS * US_PER_SECOND)
    total = Counter[str]()
    while True:
        now_us = runtime.now_us()
        counts = await runtime.commit(
            lambda connection, now_us=now_us: runtime.erasure.expire(  # type: ignore[misc]
                connection, before_us, now_us, most=_EVENTS_AT_ONCE
            )
        )
        total.update(counts)
        if not counts["events"]:
            break
        await asyncio.sleep(_PAUSE_SECONDS)
    if any(total.values()):
        _LOG.warning(
            "Kept for %g days and gone now: %s.", days, ", ".join(f"{n:,} {name}" for name, n in total.items() if n)
        )
        await asyncio.to_thread(forget_erased, runtime.engine)
    return total
