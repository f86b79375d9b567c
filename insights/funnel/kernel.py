"""Everybody's best attempt, and every day's, in one compiled pass over people's events."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from features.events import IntArray
from insights.funnel.attempt import (
    NOWHERE,
    BitArray,
    PlaceArray,
    add_optional,
    has_bit,
    ordered,
)
from insights.funnel.declare import Funnel, Order
from insights.funnel.strict import strict
from insights.funnel.unordered import unordered

_ORDERS = {Order.ORDERED: 0, Order.STRICT: 1, Order.UNORDERED: 2}
_compiled = numba.njit(cache=True, nogil=True)


@dataclass(frozen=True, slots=True)
class Attempts:
    """The best attempt of each of ``P`` people who entered the funnel, and the attempts of each of ``D`` days.

    ``person`` (P,) are places in the starts of the events, ``places`` (P, S) the events that took each step, -1 where
    none did, ``excluded`` (P,) whether an excluded event lay within. ``daily`` (D, S) counts the people who took each
    step in their best attempt that began on the day.
    """

    person: IntArray
    places: PlaceArray
    excluded: NDArray[np.bool_]
    daily: IntArray


def find_attempts(
    funnel: Funnel,
    starts: IntArray,
    at_us: IntArray,
    bits: BitArray,
    period_us: tuple[int, int],
    days_us: IntArray,
    threads: int,
) -> Attempts:
    """Return the attempts of people whose events ``starts[p]:starts[p + 1]`` stand in the total order.

    ``period_us`` bounds where an attempt may begin, ``days_us`` (D + 1,) are the edges of the days.
    """
    count = len(funnel.steps)
    is_optional = np.array([step.optional for step in funnel.steps], np.bool_)
    excluding = sum(1 << (count + place) for place in range(len(funnel.exclude)))
    people = len(starts) - 1
    places = np.full((people, count), NOWHERE, np.int32)
    depths, excluded = np.zeros(people, np.int32), np.zeros(people, np.bool_)
    # Parts of as many events each.
    edges = np.searchsorted(starts, np.linspace(0, starts[-1], threads + 1)[1:-1])
    parts: Sequence[tuple[int, int]] = list(zip([0, *edges], [*edges, people], strict=True))

    def run(part: tuple[int, int]) -> IntArray:
        daily = np.zeros((len(days_us) - 1, count), np.int64)
        _attempt_all(
            _ORDERS[funnel.order],
            starts[part[0] : part[1] + 1],
            at_us,
            bits,
            is_optional,
            np.array(funnel.required, np.int64),
            excluding,
            funnel.window_us,
            funnel.step_window_us,
            *period_us,
            days_us,
            places[part[0] : part[1]],
            depths[part[0] : part[1]],
            excluded[part[0] : part[1]],
            daily,
        )
        return daily

    with ThreadPoolExecutor(threads) as pool:
        daily = sum(pool.map(run, parts), np.zeros((len(days_us) - 1, count), np.int64))
    entered = np.flatnonzero(depths)
    return Attempts(entered, places[entered], excluded[entered], daily)


@_compiled
def _attempt_all(
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
    count = len(is_optional)
    longest = 0
    for person in range(len(starts) - 1):
        longest = max(longest, starts[person + 1] - starts[person])
    links = np.empty((longest, count), np.int32)
    scratch = np.empty((2 * count + 3, count), np.int64)
    chosen = np.empty(count, np.int64)
    entering = 1
    if order == 2:
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
    if order == 0:
        depth = ordered(
            at_us, bits, low, high, required, window_us, step_window_us, begins_us, ends_us, links, scratch, chosen
        )
        if depth > 0 and len(required) < len(is_optional):
            add_optional(at_us, bits, high, is_optional, window_us, step_window_us, chosen)
    elif order == 1:
        depth = strict(
            at_us, bits, low, high, is_optional, window_us, step_window_us, begins_us, ends_us, scratch, chosen
        )
    else:
        depth = unordered(at_us, bits, low, high, required, window_us, begins_us, ends_us, links, scratch, chosen)
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
            if has_bit(bits, place, step) and not _is_taken(chosen, place):
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
    """Whether an excluded event lies between the attempt's first event and its end.

    An attempt that took all required steps ends with its last event, any other when a window closes; a strict one
    ends with the event that broke it, which counts.
    """
    first, last = _first(chosen), NOWHERE
    for step in range(len(chosen)):
        last = max(last, chosen[step])
    until = last
    if not is_over:
        until = min(last + 2, high) if order == 1 else high
    for place in range(first + 1, until):
        if at_us[place] - at_us[first] > window_us:
            break
        if place > last and order != 2 and at_us[place] - at_us[last] > step_window_us:
            break
        if bits[place] & excluding and not _is_taken(chosen, place):
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
