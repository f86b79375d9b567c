"""What other processes have erased, forgotten here as well."""

import asyncio
import logging

from sqlalchemy.exc import SQLAlchemyError

from features.events import US_PER_SECOND
from serving.runtime import Runtime
from storage.database import forget_erased
from storage.failures import explain

_LOG = logging.getLogger("dropoff.serving")
_LOOK_SECONDS = 1.0
_TOLD_US = 60 * US_PER_SECOND


async def watch_erasures(runtime: Runtime, look_seconds: float = _LOOK_SECONDS) -> None:
    """Drop from memory, within a second, whom another process or `dropoff forget` has erased; runs until cancelled."""
    position = await asyncio.to_thread(runtime.erasure.last_position)
    away = False
    uncleared = True
    while True:
        await asyncio.sleep(look_seconds)
        try:
            reached = await forget_erased_since(runtime, position)
            uncleared = uncleared or reached > position
            position = reached
            uncleared = uncleared and await clear_told(runtime)
            away = False
        except SQLAlchemyError as error:
            if not away:
                _LOG.warning("Erasures cannot be read: %s", explain(error))
            away = True


async def forget_erased_since(runtime: Runtime, position: int) -> int:
    """Forget who was erased after a place, and return the place of the latest."""
    for place, visitor_id in await asyncio.to_thread(runtime.erasure.erased_since, position):
        await runtime.sessions.forget(visitor_id)
        runtime.identity.forget()
        runtime.assignments.forget(visitor_id)
        runtime.erasures += 1
        position = place
    return position


async def clear_told(runtime: Runtime) -> bool:
    """Delete the ids that every process has heard of by now; return whether some are left."""
    before_us = runtime.now_us() - _TOLD_US
    if await runtime.commit(lambda connection: runtime.erasure.clear_told(connection, before_us)):
        await asyncio.to_thread(forget_erased, runtime.engine)
    return bool(await asyncio.to_thread(runtime.erasure.last_position))
