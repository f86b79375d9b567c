"""How probable it is that a result that is looked at again and again crosses a boundary, and when.

The z-statistic of a growing experiment moves like Brownian motion in its information. Armitage, McPherson and Rowe
(1969, *Repeated significance tests on accumulating data*, JRSS A 132) integrate its density from look to look over
what has not crossed yet; here by Simpson's rule (Jennison and Turnbull 2000, *Group Sequential Methods*, chapter 19).
"""

import math
from dataclasses import dataclass

import numpy as np

from features.events import FloatArray

_FEWEST_POINTS, _MOST_POINTS = 81, 801


@dataclass(frozen=True, slots=True)
class Crossing:
    """Of all experiments, the shares that cross first at each look: upwards and downwards, (L,) each."""

    upwards: FloatArray
    downwards: FloatArray

    @property
    def power(self) -> float:
        """The share that crosses upwards at any look."""
        return float(self.upwards.sum())

    @property
    def alarms(self) -> float:
        """The share that crosses either way at any look."""
        return float(self.upwards.sum() + self.downwards.sum())


def crossing(fractions: FloatArray, boundaries: FloatArray, drift: float = 0.0) -> Crossing:
    """Return how often z crosses +- ``boundaries`` (L,) at looks at these ``fractions`` of the information (L,).

    ``drift`` is what z is expected to be at a fraction of 1, so that it is drift x sqrt(fraction) at each look.
    """
    from scipy.special import ndtr

    steps = np.diff(fractions, prepend=0.0)
    if np.any(steps <= 0):
        raise ValueError("looks must come one after the other")
    ends = boundaries * np.sqrt(fractions)
    upwards, downwards = np.zeros(len(ends)), np.zeros(len(ends))
    # What has not crossed yet: its places and how much of it is at each, all of it at 0 before the first look.
    places, weights = np.zeros(1), np.ones(1)
    for look, (step, end) in enumerate(zip(steps.tolist(), ends.tolist(), strict=True)):
        spread, moved = math.sqrt(step), places + drift * step
        upwards[look] = weights @ ndtr((moved - end) / spread)
        downwards[look] = weights @ ndtr((-end - moved) / spread)
        if look == len(ends) - 1:
            break
        points = _points(end, min(step, steps[look + 1]), drift, fractions[look])
        grid, simpson = points
        density = np.exp(-0.5 * ((grid[:, None] - moved) / spread) ** 2) @ weights / (spread * math.sqrt(2 * math.pi))
        places, weights = grid, density * simpson
    return Crossing(upwards, downwards)


def _points(end: float, step: float, drift: float, fraction: float) -> tuple[FloatArray, FloatArray]:
    """Return a grid within the boundary and Simpson's weights; where next to nothing can be is left out."""
    middle, reach = drift * fraction, 8 * math.sqrt(fraction)
    low, high = max(-end, middle - reach), min(end, middle + reach)
    if high <= low:
        low, high = -end, end
    wanted = math.ceil((high - low) / math.sqrt(step) * 4)
    count = min(_MOST_POINTS, max(_FEWEST_POINTS, wanted)) // 2 * 2 + 1
    grid = np.linspace(low, high, count)
    simpson = np.where(np.arange(count) % 2 == 1, 4.0, 2.0)
    simpson[[0, -1]] = 1.0
    return grid, simpson * (high - low) / (count - 1) / 3
