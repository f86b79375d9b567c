"""What several experiments say together, each with the weight that its age leaves it.

**Combination.** A random-effects mean: experiments at different times, on different people, need not have measured one
and the same effect. With effects y and variances v, w = 1 / v and k experiments (DerSimonian and Laird 1986, Controlled
Clinical Trials 7, equations 8 and 9)

    m = sum(w y) / sum(w)        Q = sum(w (y - m)^2)
    tau^2 = max(0, (Q - (k - 1)) / (sum(w) - sum(w^2) / sum(w)))
    mean = sum(y / (v + tau^2)) / sum(1 / (v + tau^2)),  its variance 1 / sum(1 / (v + tau^2))

Where experiments differ by no more than chance, tau^2 is 0, and it is the mean weighted by precision.

**Age.** Evidence of age t counts 2^(-t / half-life), which is a power prior (Ibrahim and Chen 2000, Statistical Science
15, equation 2): for an estimate that is normal, its variance is divided by that weight.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from insights.intervals import LEVEL, Estimate

_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)


@dataclass(frozen=True, slots=True)
class Combined:
    """The mean effect with its 95 % interval; ``between`` is tau^2, the variance among the experiments' own effects.

    ``weights`` are those of the experiments in the mean, in their order; they sum to one.
    """

    effect: Estimate
    between: float
    weights: tuple[float, ...]


def variance_of(low: float, high: float) -> float:
    """Return the variance of an estimate with these ends of its 95 % interval."""
    return ((high - low) / (2 * _Z)) ** 2


def weight_at(age: float, half_life: float) -> float:
    """Return what evidence counts at an age: 1 when new, half after a half-life; it does not come from the future."""
    return math.exp2(-max(0.0, age) / half_life)


def combine(effects: Sequence[float], variances: Sequence[float]) -> Combined:
    """Return the random-effects mean of experiments; raises ValueError for none, and for a variance not above 0."""
    if not effects or not all(variance > 0 for variance in variances):
        raise ValueError("experiments are combined by their variances: give at least one, each above 0")
    between = _between(effects, variances)
    precisions = [1 / (variance + between) for variance in variances]
    whole = sum(precisions)
    mean = sum(precision * effect for precision, effect in zip(precisions, effects, strict=True)) / whole
    half = _Z / math.sqrt(whole)
    return Combined(
        Estimate(mean, mean - half, mean + half), between, tuple(precision / whole for precision in precisions)
    )


def _between(effects: Sequence[float], variances: Sequence[float]) -> float:
    precisions = [1 / variance for variance in variances]
    whole = sum(precisions)
    mean = sum(precision * effect for precision, effect in zip(precisions, effects, strict=True)) / whole
    spread = sum(precision * (effect - mean) ** 2 for precision, effect in zip(precisions, effects, strict=True))
    scale = whole - sum(precision**2 for precision in precisions) / whole
    # One experiment says nothing of how experiments differ.
    return max(0.0, (spread - (len(effects) - 1)) / scale) if len(effects) > 1 else 0.0
