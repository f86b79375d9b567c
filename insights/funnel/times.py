"""How long people take: median, quantiles and a histogram of durations."""

from dataclasses import dataclass

import numpy as np

from features.events import US_PER_SECOND, IntArray
from insights.intervals import median_ranks

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
EDGES_SECONDS = (
    *(0, 1, 2, 5, 10, 20, 30),
    *(60 * minutes for minutes in (1, 2, 5, 10, 20, 30)),
    *(3_600 * hours for hours in (1, 2, 5, 12)),
    *(86_400 * days for days in (1, 2, 7, 14, 30, 90, 365)),
)
"""Where the bars of a histogram begin; the same for every funnel, so that two can be compared."""


@dataclass(frozen=True, slots=True)
class Bin:
    """How many people took at least ``from_seconds`` and less than ``to_seconds``; None for no end."""

    from_seconds: int
    to_seconds: int | None
    count: int


@dataclass(frozen=True, slots=True)
class Durations:
    """How long ``count`` people took, in seconds; quantiles interpolate between neighbours.

    ``median_low`` and ``median_high`` are the ends of the median's 95 % interval, None with too few people.
    """

    count: int
    mean: float
    median: float
    median_low: float | None
    median_high: float | None
    quantiles: tuple[tuple[float, float], ...]
    histogram: tuple[Bin, ...]


def measure_durations(durations_us: IntArray) -> Durations | None:
    """Return what durations in microseconds come to; None where there is none."""
    if not len(durations_us):
        return None
    ascending = np.sort(durations_us)
    seconds = ascending / US_PER_SECOND
    ranks = median_ranks(len(seconds))
    quantiles = np.quantile(seconds, QUANTILES)
    return Durations(
        count=len(seconds),
        mean=float(seconds.mean()),
        median=float(quantiles[QUANTILES.index(0.5)]),
        median_low=float(seconds[ranks[0] - 1]) if ranks else None,
        median_high=float(seconds[ranks[1] - 1]) if ranks else None,
        quantiles=tuple(zip(QUANTILES, (float(value) for value in quantiles), strict=True)),
        histogram=_histogram(ascending),
    )


def _histogram(ascending_us: IntArray) -> tuple[Bin, ...]:
    """Return the bars from the first to the last that holds anybody."""
    places = np.searchsorted(np.array(EDGES_SECONDS) * US_PER_SECOND, ascending_us, side="right") - 1
    counts = np.bincount(places, minlength=len(EDGES_SECONDS))
    held = np.flatnonzero(counts)
    ends = (*EDGES_SECONDS[1:], None)
    return tuple(Bin(EDGES_SECONDS[place], ends[place], int(counts[place])) for place in range(held[0], held[-1] + 1))
