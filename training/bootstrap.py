"""Intervals of any statistic of weighted rows, by resampling whole persons."""

from collections.abc import Callable, Mapping

import numpy as np

from features.events import FloatArray, IntArray
from insights.intervals import LEVEL
from training.intervals import FEWEST_PERSONS, Intervals
from training.resampling import number_persons

Statistic = Callable[[FloatArray], float | None]
"""Takes the weight of each row (R,); None where it is undefined."""


def person_intervals(statistics: Mapping[str, Statistic], persons: IntArray, *, resamples: int, seed: int) -> Intervals:
    """Return the percentile interval of each statistic, [low, high], or None where none can be given.

    ``persons`` (R,) says whose each row is: a row weighs as much as its person was drawn often, with replacement. All
    statistics meet the same draws (Efron and Tibshirani 1993, chapter 13).
    """
    person = number_persons(persons)
    size = int(person.max(initial=-1)) + 1
    rng = np.random.default_rng(seed)
    found: dict[str, list[float]] = {name: [] for name in statistics}
    for _ in range(resamples if size >= FEWEST_PERSONS else 0):
        weights = np.bincount(rng.integers(size, size=size), minlength=size)[person].astype(np.float64)
        for name, statistic in statistics.items():
            value = statistic(weights)
            if value is not None:
                found[name].append(value)
    tail = (1 - LEVEL) / 2
    return {
        name: [float(bound) for bound in np.quantile(values, (tail, 1 - tail))] if values else None
        for name, values in found.items()
    }
