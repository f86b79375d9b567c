"""Effects of many cells, drawn towards each other as far as they are no more apart than chance would have them.

The true effects of cells of one kind are normal around a mean; neither mean nor spread is known, and each has a flat
prior (Gelman et al. 2013, Bayesian Data Analysis, section 5.4). Given the spread, everything is normal; the spread is
averaged over a grid by its posterior, equation 5.21, so that its own uncertainty is in the answer: taking the likeliest
spread for certain makes intervals of a few cells too narrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST_CELLS = 3
"""Fewer cells say nothing of how they differ."""
_GRID = 200
_WIDEST = 3.0
"""Spreads are looked at up to so many times what the farthest cells lie apart."""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """An effect after what the other cells say: its mean, its standard deviation, and how much of it is its own."""

    effect: float
    deviation: float
    own: float


def shrink(effects: Sequence[float], errors: Sequence[float]) -> list[Shrunk]:
    """Return the effects of cells of one kind, shrunk; as they are where there are too few to learn from.

    ``errors`` are their standard errors.
    """
    if len(effects) < LEAST_CELLS:
        return [Shrunk(effect, error, 1.0) for effect, error in zip(effects, errors, strict=True)]
    measured, noise = np.array(effects), np.array(errors) ** 2
    widest = _WIDEST * (np.ptp(measured) + np.sqrt(noise.max()))
    variances = np.linspace(0.0, widest, _GRID)[:, None] ** 2
    weights = 1 / (variances + noise)
    mean_variance = 1 / weights.sum(axis=1, keepdims=True)
    means = (weights * measured).sum(axis=1, keepdims=True) * mean_variance
    likelihood = 0.5 * (np.log(weights) - weights * (measured - means) ** 2).sum(axis=1) + 0.5 * np.log(
        mean_variance[:, 0]
    )
    chances = np.exp(likelihood - likelihood.max())
    chances = chances / chances.sum()
    own = variances * weights
    given = own * measured + (1 - own) * means
    spread = own * noise + (1 - own) ** 2 * mean_variance
    effect = chances @ given
    deviation = np.sqrt(chances @ (spread + (given - effect) ** 2))
    return [
        Shrunk(float(one), float(error), float(share))
        for one, error, share in zip(effect, deviation, chances @ own, strict=True)
    ]
