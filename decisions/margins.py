"""A booster's margins by whichever of two ways is faster: both give the same numbers to the last bit."""

import lightgbm
import numpy as np

from decisions.treeshap import TreeExplainer
from features.events import FloatArray

FEW_ROWS = 1_000
"""Of fewer rows the price of a call of LightGBM is most of the time; of more its threads and its pace win."""


def margins_of(booster: lightgbm.Booster, trees: TreeExplainer | None, numbered: FloatArray) -> FloatArray:
    """Return the log-odds (R,) of rows (R, F) whose categories are numbered; ``trees`` are those of the booster.

    Without ``trees``, for a model that cannot be walked, it is always LightGBM that answers.
    """
    if trees is not None and len(numbered) < FEW_ROWS:
        return trees.margins(numbered)
    predicted = booster.predict(numbered, raw_score=True, num_threads=threads_for(numbered))
    margins: FloatArray = np.asarray(predicted, np.float64)
    return margins


def threads_for(rows: FloatArray) -> int:
    """Return how many threads LightGBM shall take for rows (R, F): one, or 0, which are all that there are."""
    # Threads cost more than they save on a live session's single row.
    return 1 if len(rows) < FEW_ROWS else 0
