"""Persons: folds and draws of them, since the decisions of one are not independent."""

import numpy as np

from features.events import FloatArray, IntArray


def folds(units: IntArray, count: int, seed: int) -> IntArray:
    """Return the fold (N,) of each decision, 0 to ``count`` - 1; a person's decisions stand in the same one."""
    persons, place = np.unique(units, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(persons))
    found: IntArray = (order % count)[place]
    return found


def draw(units: IntArray, seed: int) -> FloatArray:
    """Return how often (N,) each decision's person is drawn, with replacement, among as many as there are."""
    persons, place = np.unique(units, return_inverse=True)
    drawn = np.random.default_rng(seed).integers(0, len(persons), len(persons))
    found: FloatArray = np.bincount(drawn, minlength=len(persons)).astype(np.float64)[place]
    return found
