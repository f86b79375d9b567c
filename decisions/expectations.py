"""What is usual at a stage after so many events, and how far a session's traces exceed it.

The risk model's contributions alone mislead: the traces of a late stage (a form error, a hover over the payment) also
mean progress, so a model of abandonment credits them against it. Here a trace is compared with sessions at the same
stage and of about the same length, and weighs as much as such a surprise has raised the odds to leave at that stage.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.events import FloatArray, IntArray
from features.table import FeatureTable

EXPOSURES = 6
"""Sessions of 1, 2-3, 4-7, 8-15, 16-31 and of 32 or more events are told apart."""
LEAST_SURPRISE, MOST_SURPRISE = -3.0, 6.0


@dataclass(frozen=True)
class Expectations:
    """For the S stages of a journey, "before the first" included, and its F features.

    ``means`` and ``spreads`` (S * EXPOSURES, F) are of :func:`directed` values; ``weights`` (S, F) are log-odds to
    leave now for a surprise of one spread, never negative, and 0 for what is nobody's blocker.
    """

    means: FloatArray
    spreads: FloatArray
    weights: FloatArray

    def excess(self, table: FeatureTable, rows: FloatArray) -> FloatArray:
        """Return what each feature of raw rows (R, F) adds to the log-odds to leave now beyond the usual, (R, F)."""
        stage = stage_rows(table, rows)
        return self.weights[stage] * self.surprise(table, rows)

    def surprise(self, table: FeatureTable, rows: FloatArray) -> FloatArray:
        """Return by how many spreads each feature is worse than usual, (R, F); 0 where it has not happened."""
        cell = cells(table, rows)
        surprise = (directed(table, rows) - self.means[cell]) / self.spreads[cell]
        bounded: FloatArray = np.clip(np.nan_to_num(surprise), LEAST_SURPRISE, MOST_SURPRISE)
        return bounded

    def to_json(self) -> dict[str, Any]:
        """Return plain lists."""
        return {"means": self.means.tolist(), "spreads": self.spreads.tolist(), "weights": self.weights.tolist()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Expectations":
        """Return the expectations that :meth:`to_json` described."""
        return cls(*(np.array(data[name], np.float64) for name in ("means", "spreads", "weights")))


def directed(table: FeatureTable, rows: FloatArray) -> FloatArray:
    """Return raw rows (R, F) with long tails drawn in by the logarithm, and turned so that more is worse."""
    turned: FloatArray = table.directions * np.sign(rows) * np.log1p(np.abs(rows))
    return turned


def stage_rows(table: FeatureTable, rows: FloatArray) -> IntArray:
    """Return the stage of each row (R,), counted from 1; 0 is before the first."""
    stages = rows[:, table.names.index("stage_index")]
    return np.where(np.isnan(stages), 0, np.nan_to_num(stages) + 1).astype(np.int64)


def cells(table: FeatureTable, rows: FloatArray) -> IntArray:
    """Return the row of ``means`` and ``spreads`` for each raw row (R,): its stage and its number of events."""
    events = np.maximum(rows[:, table.names.index("events_seen")], 1.0)
    exposure = np.minimum(np.log2(events).astype(np.int64), EXPOSURES - 1)
    return stage_rows(table, rows) * EXPOSURES + exposure
