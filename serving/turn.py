"""Turns on the event loop: who works for long lets others be answered in between."""

import asyncio
from time import perf_counter

_TURN_SECONDS = 0.002


async def give_way(since: float) -> float:
    """Let other requests have a turn where this one has held the loop for long; return when it last did."""
    if perf_counter() - since < _TURN_SECONDS:
        return since
    await asyncio.sleep(0)
    return perf_counter()
