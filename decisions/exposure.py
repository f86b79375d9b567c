"""How far a row is: its stage, and how many events the session has had by then."""

import numpy as np

from features.events import FloatArray, IntArray
from features.table import FeatureTable

EXPOSURES = 6
"""Sessions of 1, 2-3, 4-7, 8-15, 16-31 and of 32 or more events are told apart."""


def stage_rows(table: FeatureTable, rows: FloatArray) -> IntArray:
    """Return the stage of each raw row (R,), counted from 1; 0 is before the first."""
    stages = rows[:, table.names.index("stage_index")] + 1.0
    stages[np.isnan(stages)] = 0.0
    return stages.astype(np.int64)


def cells(table: FeatureTable, rows: FloatArray) -> IntArray:
    """Return a number for each raw row (R,): its stage times ``EXPOSURES`` plus the class of its number of events."""
    events = np.maximum(rows[:, table.names.index("events_seen")], 1.0)
    exposure = np.minimum(np.log2(events).astype(np.int64), EXPOSURES - 1)
    return stage_rows(table, rows) * EXPOSURES + exposure
