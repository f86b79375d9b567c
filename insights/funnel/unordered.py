"""The best unordered attempt of one person, compiled; arguments and results as in ``insights.funnel.attempt``."""

import numba

from features.events import IntArray
from insights.funnel.attempt import NOWHERE, BitArray, PlaceArray, has_bit

_compiled = numba.njit(cache=True, nogil=True)


@_compiled
def unordered(
    at_us: IntArray,
    bits: BitArray,
    low: int,
    high: int,
    required: IntArray,
    window_us: int,
    begins_us: int,
    ends_us: int,
    links: PlaceArray,
    scratch: IntArray,
    chosen: IntArray,
) -> int:
    """The earliest window in which most of the first steps are taken, each by an event of its own.

    A window begins with an event that takes one of the steps it counts. ``links`` (N, S) gets the next event for each
    step at or after each event, ``scratch`` (2 S + 3, S) the events that could take each step and those that do.
    """
    count = len(required)
    for level in range(count):
        scratch[0, level] = NOWHERE
    for place in range(high - 1, low - 1, -1):
        for level in range(count):
            if has_bit(bits, place, required[level]):
                scratch[0, level] = place
            links[place - low, level] = scratch[0, level]
    best = 0
    for anchor in range(low, high):
        if bits[anchor] == 0 or not begins_us <= at_us[anchor] < ends_us:
            continue
        depth = 0
        takes_one = False
        while depth < count:
            first = links[anchor - low, depth]
            if first < 0 or at_us[first] - at_us[anchor] > window_us:
                break
            takes_one = takes_one or has_bit(bits, anchor, required[depth])
            depth += 1
        if depth <= best or not takes_one:
            continue
        depth = _assign(at_us, low, high, anchor, depth, count, window_us, links, scratch)
        takes_one = False
        for level in range(depth):
            takes_one = takes_one or has_bit(bits, anchor, required[level])
        if depth > best and takes_one:
            best = depth
            for step in range(len(chosen)):
                chosen[step] = NOWHERE
            for level in range(depth):
                chosen[required[level]] = scratch[count, level]
            if best == count:
                break
    return best


@_compiled
def _assign(
    at_us: IntArray,
    low: int,
    high: int,
    anchor: int,
    depth: int,
    count: int,
    window_us: int,
    links: PlaceArray,
    scratch: IntArray,
) -> int:
    """Give each of the first steps an event of its own and return for how many that goes (Kuhn 1955).

    Of each step's events the first ``depth`` are enough: at most so many are taken.
    """
    taken = scratch[count]
    for level in range(depth):
        place = links[anchor - low, level]
        for number in range(depth):
            inside = place >= 0 and at_us[place] - at_us[anchor] <= window_us
            scratch[level, number] = place if inside else NOWHERE
            place = links[place + 1 - low, level] if inside and place + 1 < high else NOWHERE
        taken[level] = NOWHERE
    came_from = scratch[count + 1]
    for level in range(depth):
        # Breadth first: the step asks for an event; who holds it asks for another.
        for other in range(depth):
            came_from[other] = NOWHERE
        came_from[level] = level
        queue = scratch[count + 2]
        queue[0] = level
        begin, end, found = 0, 1, NOWHERE
        while begin < end and found < 0:
            asking = queue[begin]
            begin += 1
            for number in range(depth):
                place = scratch[asking, number]
                if place < 0:
                    break
                holder = NOWHERE
                for other in range(level):
                    if taken[other] == place:
                        holder = other
                if holder < 0:
                    found = place
                    free_for = asking
                    break
                if came_from[holder] < 0:
                    came_from[holder] = asking
                    queue[end] = holder
                    end += 1
        if found < 0:
            return level
        while True:
            released = taken[free_for]
            taken[free_for] = found
            if free_for == level:
                break
            found = released
            free_for = came_from[free_for]
    return depth
