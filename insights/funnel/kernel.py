"""The best attempt of each person at a funnel, compiled: which event took which step.

The searches get a person's events as the half-open range ``low:high`` of arrays in the total order (occurred_at,
event_id): ``at_us`` (N,) int64, and ``bits`` (N,) uint32 with bit ``s`` set where the event takes step ``s``. They
write the place of the event that took each step into ``chosen`` (S,), -1 where none did, and return how many required
steps the attempt got through. ``begins_us <= t < ends_us`` bounds where an attempt may begin.

All of it stands in one file: Numba's cache notices a change in the file of a function, not of those that it calls.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from features.events import IntArray

BitArray = NDArray[np.uint32]
PlaceArray = NDArray[np.int32]
NOWHERE = -1
ORDERED, STRICT, UNORDERED = 0, 1, 2
_NEVER = -(1 << 62)

_compiled = numba.njit(cache=True, nogil=True)


@_compiled
def attempt_all(
    order: int,
    starts: IntArray,
    at_us: IntArray,
    bits: BitArray,
    is_optional: NDArray[np.bool_],
    required: IntArray,
    excluding: int,
    window_us: int,
    step_window_us: int,
    begins_us: int,
    ends_us: int,
    days_us: IntArray,
    places: PlaceArray,
    depths: PlaceArray,
    excluded: NDArray[np.bool_],
    daily: IntArray,
) -> None:
    """Search for everybody: write ``places`` (P, S), ``depths`` (P,) and ``excluded`` (P,), and count ``daily`` (D, S).

    ``starts`` (P + 1,) are where people's events begin, ``days_us`` (D + 1,) the edges of the days.
    """
    count = len(is_optional)
    longest = 0
    for person in range(len(starts) - 1):
        longest = max(longest, starts[person + 1] - starts[person])
    links = np.empty((longest, count), np.int32)
    scratch = np.empty((2 * count + 3, count), np.int64)
    chosen = np.empty(count, np.int64)
    entering = 1
    if order == UNORDERED:
        for step in required:
            entering |= 1 << step
    for person in range(len(starts) - 1):
        low, high = starts[person], starts[person + 1]
        earliest, latest = -1, -1
        for place in range(low, high):
            if bits[place] & entering and begins_us <= at_us[place] < ends_us:
                earliest = place if earliest < 0 else earliest
                latest = place
        if earliest < 0:
            continue
        depth, out = _attempt(
            order, at_us, bits, low, high, is_optional, required, excluding, window_us, step_window_us, begins_us,
            ends_us, links, scratch, chosen,
        )  # fmt: skip
        depths[person] = depth
        excluded[person] = out
        for step in range(count):
            places[person, step] = chosen[step]
        day = np.searchsorted(days_us, at_us[earliest], side="right") - 1
        if at_us[latest] < days_us[day + 1]:
            _tally(daily, day, chosen, depth, out)
            continue
        place = earliest
        while place <= latest:
            if bits[place] & entering and begins_us <= at_us[place] < ends_us:
                day = np.searchsorted(days_us, at_us[place], side="right") - 1
                depth, out = _attempt(
                    order, at_us, bits, low, high, is_optional, required, excluding, window_us, step_window_us,
                    max(begins_us, days_us[day]), min(ends_us, days_us[day + 1]), links, scratch, chosen,
                )  # fmt: skip
                _tally(daily, day, chosen, depth, out)
                while place <= latest and at_us[place] < days_us[day + 1]:
                    place += 1
            else:
                place += 1


@_compiled
def _tally(daily: IntArray, day: int, chosen: IntArray, depth: int, excluded: bool) -> None:
    if depth > 0 and not excluded:
        for step in range(len(chosen)):
            if chosen[step] >= 0:
                daily[day, step] += 1


@_compiled
def _attempt(
    order: int,
    at_us: IntArray,
    bits: BitArray,
    low: int,
    high: int,
    is_optional: NDArray[np.bool_],
    required: IntArray,
    excluding: int,
    window_us: int,
    step_window_us: int,
    begins_us: int,
    ends_us: int,
    links: PlaceArray,
    scratch: IntArray,
    chosen: IntArray,
) -> tuple[int, bool]:
    """Write the best attempt into ``chosen``; return how many required steps it has, and whether it is excluded."""
    for step in range(len(chosen)):
        chosen[step] = NOWHERE
    if order == ORDERED:
        depth = _ordered(
            at_us, bits, low, high, required, window_us, step_window_us, begins_us, ends_us, links, scratch, chosen
        )
        if depth > 0 and len(required) < len(is_optional):
            _add_optional(at_us, bits, high, is_optional, window_us, step_window_us, chosen)
    elif order == STRICT:
        depth = _strict(
            at_us, bits, low, high, is_optional, window_us, step_window_us, begins_us, ends_us, scratch, chosen
        )
    else:
        depth = _unordered(at_us, bits, low, high, required, window_us, begins_us, ends_us, links, scratch, chosen)
        if depth > 0 and len(required) < len(is_optional):
            _add_optional_unordered(at_us, bits, high, is_optional, window_us, chosen)
    if depth == 0 or excluding == 0:
        return depth, False
    is_over = depth == len(required)
    return depth, _is_excluded(order, at_us, bits, high, excluding, window_us, step_window_us, chosen, is_over)


@_compiled
def _add_optional_unordered(
    at_us: IntArray, bits: BitArray, high: int, is_optional: NDArray[np.bool_], window_us: int, chosen: IntArray
) -> None:
    first = _first(chosen)
    for step in range(len(chosen)):
        place = first
        while is_optional[step] and place < high and at_us[place] - at_us[first] <= window_us:
            if _has_bit(bits, place, step) and not _is_taken(chosen, place):
                chosen[step] = place
                break
            place += 1


@_compiled
def _is_excluded(
    order: int,
    at_us: IntArray,
    bits: BitArray,
    high: int,
    excluding: int,
    window_us: int,
    step_window_us: int,
    chosen: IntArray,
    is_over: bool,
) -> bool:
    """Whether an excluded event lies within the attempt, from its first event to its end; also one that took a step.

    An attempt that took all required steps ends with its last event, any other when a window closes; a strict one
    ends with the event that broke it, which counts.
    """
    first, last = _first(chosen), NOWHERE
    for step in range(len(chosen)):
        last = max(last, chosen[step])
    until = last + 1
    if not is_over:
        until = min(last + 2, high) if order == STRICT else high
    for place in range(first, until):
        if at_us[place] - at_us[first] > window_us:
            break
        if place > last and order != UNORDERED and at_us[place] - at_us[last] > step_window_us:
            break
        if bits[place] & excluding:
            return True
    return False


@_compiled
def _first(chosen: IntArray) -> int:
    first = NOWHERE
    for step in range(len(chosen)):
        if chosen[step] >= 0 and (first < 0 or chosen[step] < first):
            first = chosen[step]
    return first


@_compiled
def _is_taken(chosen: IntArray, place: int) -> bool:
    taken = False
    for step in range(len(chosen)):
        taken = taken or chosen[step] == place
    return taken


@_compiled
def _has_bit(bits: BitArray, place: int, bit: int) -> bool:
    """Whether the event takes the step."""
    return bool((np.int64(bits[place]) >> bit) & 1)


@_compiled
def _ordered(
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
            if entered != _NEVER and _has_bit(bits, place, required[level]) and at_us[place] - entered <= window_us:
                scratch[0, level] = max(scratch[0, level], entered)
                deepest = max(deepest, level + 1)
        if _has_bit(bits, place, required[0]) and begins_us <= at_us[place] < ends_us:
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
            if not _has_bit(bits, place, required[level]):
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
def _add_optional(
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
            if _has_bit(bits, place, step):
                chosen[step] = place
                previous = place
                break


@_compiled
def _strict(
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
        if not _has_bit(bits, entry, 0) or not begins_us <= at_us[entry] < ends_us:
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
                        if _has_bit(bits, place, later):
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
                        if scratch[run + 1, later] and _has_bit(bits, entry + run + 1, later):
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


@_compiled
def _unordered(
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
            if _has_bit(bits, place, required[level]):
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
            takes_one = takes_one or _has_bit(bits, anchor, required[depth])
            depth += 1
        if depth <= best or not takes_one:
            continue
        depth = _assign(at_us, low, high, anchor, depth, count, window_us, links, scratch)
        takes_one = False
        for level in range(depth):
            takes_one = takes_one or _has_bit(bits, anchor, required[level])
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
