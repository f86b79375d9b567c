"""The best attempt of one person at a funnel, compiled: which event took which step.

Every function gets the person's events as the half-open range ``low:high`` of arrays in the total order (occurred_at,
event_id): ``at_us`` (N,) int64, and ``bits`` (N,) uint32 with bit ``s`` set where the event takes step ``s``. They
write the place of the event that took each step into ``chosen`` (S,), -1 where none did, and return how many required
steps the attempt got through. ``begins_us <= t < ends_us`` bounds where an attempt may begin.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from features.events import IntArray

BitArray = NDArray[np.uint32]
PlaceArray = NDArray[np.int32]
NOWHERE = -1
_NEVER = -(1 << 62)

_compiled = numba.njit(cache=True, nogil=True)


@_compiled
def has_bit(bits: BitArray, place: int, bit: int) -> bool:
    """Whether the event takes the step."""
    return bool((np.int64(bits[place]) >> bit) & 1)


@_compiled
def ordered(
    at_us: IntArray,
    bits: BitArray,
    low: int,
    high: int,
    required: IntArray,
    window_us: int,
    step_window_us: int,
    begins_us: int,
    ends_us: int,
    links: PlaceArray,
    scratch: IntArray,
    chosen: IntArray,
) -> int:
    """The entry that gets furthest, the earliest of equals, and of its ways there the earliest event for each step."""
    depth = _reachable(at_us, bits, low, high, required, window_us, begins_us, ends_us, scratch)
    while depth > 0:
        entry = _link(
            at_us, bits, low, high, required, depth, window_us, step_window_us, begins_us, ends_us, links, scratch
        )
        if entry >= 0:
            place = entry
            for level in range(depth):
                chosen[required[level]] = place
                if level + 1 < depth:
                    place = links[place - low, level]
            return depth
        # Only a step's own window can make it less than what the whole window allows.
        depth -= 1
    return 0


@_compiled
def _reachable(
    at_us: IntArray,
    bits: BitArray,
    low: int,
    high: int,
    required: IntArray,
    window_us: int,
    begins_us: int,
    ends_us: int,
    scratch: IntArray,
) -> int:
    """How many required steps an attempt gets through if only the whole window counts.

    For each step the latest entry that has got there is enough: whatever an earlier one can still do, it can too.
    """
    count = len(required)
    for level in range(count):
        scratch[0, level] = _NEVER
    deepest = 0
    for place in range(low, high):
        if bits[place] == 0:
            continue
        # From the last step down: one event takes one step of an attempt.
        for level in range(count - 1, 0, -1):
            entered = scratch[0, level - 1]
            if entered != _NEVER and has_bit(bits, place, required[level]) and at_us[place] - entered <= window_us:
                scratch[0, level] = max(scratch[0, level], entered)
                deepest = max(deepest, level + 1)
        if has_bit(bits, place, required[0]) and begins_us <= at_us[place] < ends_us:
            scratch[0, 0] = at_us[place]
            deepest = max(deepest, 1)
    return deepest


@_compiled
def _link(
    at_us: IntArray,
    bits: BitArray,
    low: int,
    high: int,
    required: IntArray,
    depth: int,
    window_us: int,
    step_window_us: int,
    begins_us: int,
    ends_us: int,
    links: PlaceArray,
    scratch: IntArray,
) -> int:
    """The earliest entry that gets through ``depth`` steps, with the next event of each step in ``links``; or -1.

    Backwards: an event can stand for a step if the nearest event after it that can stand for the next one lies within
    the step's window. The nearest leads to the earliest end, too: a later event that can be reached from here as well
    has no way to an earlier end, since two ways that cross can be swapped where they do.
    """
    for level in range(depth):
        scratch[0, level] = NOWHERE  # the nearest event that can stand for the step
        scratch[1, level] = 0  # when the way from it ends
    entry = NOWHERE
    for place in range(high - 1, low - 1, -1):
        if bits[place] == 0:
            continue
        for level in range(depth):
            if not has_bit(bits, place, required[level]):
                continue
            end_us = at_us[place]
            if level + 1 < depth:
                following = scratch[0, level + 1]
                if following < 0 or at_us[following] - at_us[place] > step_window_us:
                    continue
                end_us = scratch[1, level + 1]
                links[place - low, level] = following
            if level == 0 and begins_us <= at_us[place] < ends_us and end_us - at_us[place] <= window_us:
                entry = place
            scratch[0, level] = place
            scratch[1, level] = end_us
    return entry


@_compiled
def add_optional(
    at_us: IntArray,
    bits: BitArray,
    high: int,
    is_optional: NDArray[np.bool_],
    window_us: int,
    step_window_us: int,
    chosen: IntArray,
) -> None:
    """Find the optional steps on the way of an ordered attempt; they change nothing of it.

    One is taken by the first event after the step before it and before the next required step of the attempt, or
    within its windows where no further required step came.
    """
    entered_us = at_us[chosen[0]]
    previous = chosen[0]
    for step in range(1, len(is_optional)):
        if not is_optional[step]:
            if chosen[step] < 0:
                return
            previous = chosen[step]
            continue
        until = high
        for later in range(step + 1, len(is_optional)):
            if not is_optional[later]:
                until = chosen[later] if chosen[later] >= 0 else high
                break
        for place in range(previous + 1, until):
            if at_us[place] - entered_us > window_us or at_us[place] - at_us[previous] > step_window_us:
                break
            if has_bit(bits, place, step):
                chosen[step] = place
                previous = place
                break
