"""Intervals of an evaluation's figures: within what each would lie had other people come."""

import numpy as np

from features.events import FloatArray
from insights.intervals import LEVEL
from training.metrics import FIGURES, Block

RESAMPLES = 200
FEWEST_PERSONS = 10
"""With fewer persons of either outcome no interval is given: resampling so few says nothing about others."""

Interval = list[float]
Intervals = dict[str, Interval | None]


def intervals(figures: Block, resampled: FloatArray, persons: tuple[int, int]) -> Intervals:
    """Return the 95 % interval of each figure, [low, high], or None where none can be given.

    ``resampled`` (N, figures) are the block's figures in each resample, ``persons`` how many have rows that are
    abandoned, and that are not. Intervals are percentiles (Efron and Tibshirani 1993, chapter 13), but for the error
    of calibration: chance adds to it, in every resample once more, and adds as squares do. Its interval is the basic
    one of its square, from 0 up, and never leaves the estimate out.
    """
    if not len(resampled) or min(persons) < FEWEST_PERSONS:
        return dict.fromkeys(FIGURES)
    tail = (1 - LEVEL) / 2
    found: Intervals = {}
    for place, name in enumerate(FIGURES):
        estimate = figures[name]
        # A resample without one of the two outcomes has no AUC; with ten persons of each that is one in ten thousand.
        low, high = (float(bound) for bound in np.nanquantile(resampled[:, place], (tail, 1 - tail)))
        if estimate is None:
            found[name] = None
        elif name == "ece":
            squared = 2 * estimate**2
            found[name] = [_root(squared - high**2), max(_root(squared - low**2), float(estimate))]
        else:
            found[name] = [low, high]
    return found


def recentre(found: Intervals, sample: Block, whole: Block) -> Intervals:
    """Return the intervals of a sample's figures moved to those of the whole, of which it is a sample."""
    moved: Intervals = {}
    for name, bounds in found.items():
        of_sample, of_whole = sample[name], whole[name]
        if bounds is None or of_sample is None or of_whole is None:
            moved[name] = None
            continue
        low, high = (bound + of_whole - of_sample for bound in bounds)
        # Chance adds more to the error of a sample.
        moved[name] = [max(low, 0.0), max(high, float(of_whole))] if name == "ece" else [low, high]
    return moved


def _root(square: float) -> float:
    return float(np.sqrt(max(0.0, square)))
