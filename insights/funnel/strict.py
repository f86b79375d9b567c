"""The best strict attempt of one person, compiled; arguments and results as in ``insights.funnel.attempt``."""

import numba
import numpy as np
from numpy.typing import NDArray

from features.events import IntArray
from insights.funnel.attempt import NOWHERE, BitArray, has_bit

_compiled = numba.njit(cache=True, nogil=True)


@_compiled
def strict(
    at_us: IntArray,
    bits: BitArray,
    low: int,
    high: int,
    is_optional: NDArray[np.bool_],
    window_us: int,
    step_window_us: int,
    begins_us: int,
    ends_us: int,
    scratch: IntArray,
    chosen: IntArray,
) -> int:
    """The entry whose directly following events get furthest, the earliest of equals.

    The event after one that took step ``s`` takes a later step up to the next required one. Where it can take several,
    that which gets further, else the earlier step. ``scratch`` (2 S, S) holds what can be reached.
    """
    count = len(is_optional)
    best = 0
    for entry in range(low, high):
        if not has_bit(bits, entry, 0) or not begins_us <= at_us[entry] < ends_us:
            continue
        for step in range(count):
            scratch[0, step] = 1 if step == 0 else 0
        last = 0
        while last + 1 < count and entry + last + 1 < high:
            place = entry + last + 1
            if at_us[place] - at_us[entry] > window_us or at_us[place] - at_us[place - 1] > step_window_us:
                break
            goes_on = False
            for step in range(count):
                scratch[last + 1, step] = 0
            for step in range(count):
                if scratch[last, step]:
                    for later in range(step + 1, count):
                        if has_bit(bits, place, later):
                            scratch[last + 1, later] = 1
                            goes_on = True
                        if not is_optional[later]:
                            break
            if not goes_on:
                break
            last += 1
        for run in range(last, -1, -1):
            for step in range(count):
                furthest = 0
                if scratch[run, step] and run < last:
                    for later in range(step + 1, count):
                        if scratch[run + 1, later] and has_bit(bits, entry + run + 1, later):
                            furthest = max(furthest, scratch[count + run + 1, later])
                        if not is_optional[later]:
                            break
                scratch[count + run, step] = furthest + (0 if is_optional[step] else 1)
        if scratch[count, 0] <= best:
            continue
        best = scratch[count, 0]
        for step in range(count):
            chosen[step] = NOWHERE
        chosen[0] = entry
        step = 0
        for run in range(last):
            following = NOWHERE
            for later in range(step + 1, count):
                if scratch[run + 1, later] and (
                    following < 0 or scratch[count + run + 1, later] > scratch[count + run + 1, following]
                ):
                    following = later
                if not is_optional[later]:
                    break
            if following < 0:
                break
            chosen[following] = entry + run + 1
            step = following
        if best == count:
            break
    return best
