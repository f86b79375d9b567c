"""Confidence sequences: intervals that hold at all times at once, so that anybody may look and stop whenever they like.

An estimate that is a mean of ``count`` independent parts, with a standard error that is itself estimated, lies within

    standard error x sqrt((1 + r) / r x log((1 + r) / alpha^2)),    r = count x rho^2

of the truth at every count from the start on, with probability 1 - alpha as the start grows. It is the asymptotic
confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024, *Time-uniform central limit theory and
asymptotic confidence sequences*, Annals of Statistics 52, theorem 2.2), whose boundary is the normal mixture of Robbins
(1970) as in Howard, Ramdas, McAuliffe and Sekhon (2021, Annals of Statistics 49, proposition 5).

``rho`` decides where the sequence is narrowest: at a count n with n rho^2 = r*, where r* = log((1 + r*) / alpha^2). The
sequence is nowhere invalid, and wider elsewhere: at an alpha of .05 by 1 % at half or twice that count, and by 26 % at
a tenth of it.

Before the start, the central limit theorem may not hold yet, and there is no interval: it is infinite.
"""

import math
from dataclasses import dataclass

import numpy as np

from features.events import FloatArray

START_PER_ARM = 1_000
"""People in the smaller of two arms before a sequence says anything, where a fifth of the planned size is no less."""
LEAST_START = 100
TUNED_SHARE = 0.7
"""A sequence is narrowest at this share of the planned size: there the power at the planned size is largest."""
UNPLANNED_PER_ARM = 20_000
"""The size that is taken to be planned where none is."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """Where a sequence starts, and where it is narrowest: people in each of two arms."""

    start_per_arm: int = START_PER_ARM
    narrowest_per_arm: float = TUNED_SHARE * UNPLANNED_PER_ARM

    def __post_init__(self) -> None:
        if self.start_per_arm < 1 or not 0 < self.narrowest_per_arm < math.inf:
            raise ValueError(f"a sequence cannot start at {self.start_per_arm} or be tuned to {self.narrowest_per_arm}")


def tune(planned_per_arm: float | None) -> Tuning:
    """Return the tuning for an experiment of a planned size, people in each arm, or of none."""
    planned = UNPLANNED_PER_ARM if planned_per_arm is None else max(1.0, planned_per_arm)
    return Tuning(start_for(planned), TUNED_SHARE * planned)


def start_for(planned_per_arm: float) -> int:
    """Return from how many people in the smaller arm on a sequence says something."""
    return max(LEAST_START, min(START_PER_ARM, math.ceil(planned_per_arm / 5)))


def narrowest_ratio(alpha: float) -> float:
    """Return r*, the ratio at which the sequence is narrowest against a fixed-horizon interval: 8.2 at .05."""
    # x = 1 + r* is the larger solution of x = 1 - 2 log(alpha) + log(x); the right side changes slowly there.
    ratio = 1.0 - 2 * math.log(alpha)
    for _ in range(60):
        ratio = 1.0 - 2 * math.log(alpha) + math.log(ratio)
    return ratio - 1.0


def multiplier(count: FloatArray | float, narrowest: float, alpha: float) -> FloatArray:
    """Return by what to multiply a standard error at each count, so that the interval holds at all counts.

    ``narrowest`` is the count at which the sequence is narrowest. A plain interval has 1.96 at an alpha of .05, this
    one 3.03 at its narrowest. Infinite at no count at all.
    """
    ratio = np.asarray(count, np.float64) * (narrowest_ratio(alpha) / narrowest)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: FloatArray = np.sqrt((1 + ratio) / ratio * (np.log1p(ratio) - 2 * math.log(alpha)))
    return np.where(ratio > 0, found, np.inf)


def always_valid_p(z: FloatArray | float, count: FloatArray | float, narrowest: float, alpha: float) -> FloatArray:
    """Return the p-value that goes with the sequence tuned for ``alpha``: below alpha just where the interval misses 0.

    It is one over the mixture of likelihood ratios, sqrt(1 + r) exp(-z^2 r / (2 (1 + r))), at most 1 (Johari, Koomen,
    Pekelis and Walsh 2022, Operations Research 70, for the same mixture). ``z`` is the estimate over its standard
    error. The least of all p-values so far is valid, too.
    """
    ratio = np.asarray(count, np.float64) * (narrowest_ratio(alpha) / narrowest)
    found: FloatArray = np.sqrt(1 + ratio) * np.exp(-(np.asarray(z, np.float64) ** 2) * ratio / (2 * (1 + ratio)))
    return np.minimum(1.0, found)


def radii(
    standard_errors: FloatArray, smaller_arm: FloatArray, both_arms: FloatArray, tuning: Tuning, alpha: float
) -> FloatArray:
    """Return how far the difference of two arms may lie off at each look; infinite before the start.

    ``smaller_arm`` and ``both_arms`` are the people at each look in the smaller arm and in both.
    """
    wide = standard_errors * multiplier(both_arms, 2 * tuning.narrowest_per_arm, alpha)
    return np.where(smaller_arm >= tuning.start_per_arm, wide, np.inf)
