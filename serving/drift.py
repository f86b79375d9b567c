"""Drift, live: what is scored, counted over a rolling day, beside the snapshot of the champion's training."""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from decisions.bins import Bins
from decisions.exposure import EXPOSURES
from decisions.shift import expected_psi, occupied, psi
from decisions.snapshot import Snapshot
from features.events import FloatArray, IntArray
from features.scan import Clock, ClockKind
from features.table import FeatureTable

SEGMENTS = 24
LEAST_CELL_ROWS = 20
"""Stages and lengths that the training saw less often are not compared."""


@dataclass(frozen=True, slots=True)
class LiveDrift:
    """What a window of scored rows comes to.

    ``psi`` and ``missing`` (F,) are per feature, the PSI less what chance explains; ``mean_risk`` is what was answered,
    ``usual_risk`` what the model answered in training to rows at the same stages and of the same lengths.
    """

    rows: int
    psi: FloatArray
    missing: FloatArray
    mean_risk: float
    usual_risk: float


NO_DRIFT = LiveDrift(0, np.zeros(0), np.zeros(0), 0.0, 0.0)
"""What a window of no rows and no features comes to."""


@dataclass(frozen=True, slots=True)
class DriftCounts:
    """The rows of a window, counted: ``counts`` (C, B) by cell and bin, ``risk_sum`` of what was answered."""

    counts: IntArray
    risk_sum: float


class DriftWindow:
    """Counts the rows of the latest ``window_seconds`` into the bins of a snapshot.

    The snapshot has a row after every event; apps ask when they like. So a row counts as it was right after the
    latest event, and rows are compared with training rows of the same stage and about the same number of events: the
    training's shares are mixed as the window's rows are.
    """

    def __init__(self, table: FeatureTable, snapshot: Snapshot, window_seconds: float) -> None:
        # A day has not every weekday, nor in its first hours every hour.
        self.names = {
            column: feature.name
            for column, feature in enumerate(table.features)
            if not (isinstance(feature.expression, Clock) and feature.expression.kind is not ClockKind.STAGE)
        }
        self._stage, self._events = table.names.index("stage_index"), table.names.index("events_seen")
        self._snapshot = snapshot
        self._bins: Bins = snapshot.bins
        self._segment_us = max(1, round(window_seconds * 1e6 / SEGMENTS))
        self._cell = np.zeros(1, np.int64)
        self._counts = np.zeros((SEGMENTS, *snapshot.counts.shape), np.int64)
        self._risks = np.zeros(SEGMENTS)
        self._current = 0
        self._began_us: int | None = None
        self._guard = threading.Lock()

    def add(self, row: FloatArray, risk: float, now_us: int) -> None:
        """Count a row (F,) as it was right after its session's latest event, with the risk that was answered."""
        with self._guard:
            self._turn(now_us)
            self._cell[0] = self._cell_of(row)
            self._bins.add(self._counts[self._current], row[None], self._cell)
            self._risks[self._current] += risk

    def measure(self, now_us: int, others: Sequence[DriftCounts] = ()) -> LiveDrift:
        """Return how the window, with those of other processes, differs from the training; of no rows, all is 0."""
        whole = [self.count(now_us), *others]
        counts = np.sum([one.counts for one in whole], axis=0)
        return compare_cells(self._snapshot, counts, sum(one.risk_sum for one in whole))

    def count(self, now_us: int) -> DriftCounts:
        """Return what is in the window."""
        with self._guard:
            self._turn(now_us)
            return DriftCounts(self._counts.sum(axis=0), float(self._risks.sum()))

    def _cell_of(self, row: FloatArray) -> int:
        # What decisions.exposure.cells returns for one row, ten times as fast.
        stage, events = float(row[self._stage]), int(row[self._events])
        exposure = min(max(events, 1).bit_length() - 1, EXPOSURES - 1)
        return (0 if math.isnan(stage) else int(stage) + 1) * EXPOSURES + exposure

    def _turn(self, now_us: int) -> None:
        """Forget the segments that are older than the window."""
        if self._began_us is None:
            self._began_us = now_us
        passed = (now_us - self._began_us) // self._segment_us
        if passed <= 0:
            return
        for _ in range(min(passed, SEGMENTS)):
            self._current = (self._current + 1) % SEGMENTS
            self._counts[self._current] = 0
            self._risks[self._current] = 0.0
        self._began_us += passed * self._segment_us


def compare_cells(snapshot: Snapshot, counts: IntArray, risk_sum: float) -> LiveDrift:
    """Compare counts (C, B) with a snapshot's, cell by cell: the snapshot's cells weigh as much as the counts'."""
    bins = snapshot.bins
    features = len(bins.points)
    trained = snapshot.cell_rows.astype(np.float64)
    rows = counts[:, bins.slice(0)].sum(axis=1).astype(np.float64)
    all_rows = int(rows.sum())
    known = (trained >= LEAST_CELL_ROWS) & (rows > 0)
    zeros = np.zeros(features)
    if not known.any():
        return LiveDrift(all_rows, zeros, zeros, risk_sum / all_rows if all_rows else 0.0, 0.0)
    weight = rows[known] / rows[known].sum()
    usual = weight @ (snapshot.counts[known] / trained[known][:, None])
    seen = counts[known].sum(axis=0) / rows[known].sum()
    # Rows of one visitor are alike, here as in training; mixing cells counts as drawing from the smallest of them.
    design = float(snapshot.effective[-1]) / max(1.0, float(snapshot.clusters[-1, 0]))
    n_before, n_now = design / float((weight**2 / trained[known]).sum()), design * float(rows[known].sum())
    sizes, missing = np.zeros(features), np.zeros(features)
    for feature in range(features):
        own = bins.slice(feature)
        size = psi(usual[own], seen[own], n_before, n_now)
        by_chance = expected_psi(occupied(usual[own], seen[own]), n_before, n_now)
        sizes[feature], missing[feature] = max(0.0, size - by_chance), seen[own][0]
    usual_risk = float(weight @ (snapshot.risk_sums[known] / trained[known]))
    return LiveDrift(all_rows, sizes, missing, risk_sum / all_rows, usual_risk)
