"""Everybody's best attempt, and that of every day, on several threads."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.events import IntArray
from insights.funnel.declare import Funnel, Order
from insights.funnel.kernel import NOWHERE, ORDERED, STRICT, UNORDERED, BitArray, PlaceArray, attempt_all

_ORDERS = {Order.ORDERED: ORDERED, Order.STRICT: STRICT, Order.UNORDERED: UNORDERED}


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
        attempt_all(
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
