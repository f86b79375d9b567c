"""What watching for drift costs a request: ``python -m benchmarks drift``."""

from time import perf_counter

import numpy as np

from benchmarks.report import Figure, Report
from decisions.bins import Bins
from decisions.exposure import cells
from decisions.snapshot import Snapshot
from journeys.load import load_journey
from serving.drift import DriftWindow

ROWS = 20_000


def run() -> Report:
    """Measure adding a row and reading the metrics, with the shop's features."""
    table = load_journey("ecommerce").table
    rng = np.random.default_rng(1)
    rows = rng.exponential(3.0, (ROWS, len(table.features)))
    rows[:, table.names.index("stage_index")] = rng.integers(0, len(table.stages), ROWS)
    snapshot = Snapshot.empty(table, Bins.of(table, rows))
    snapshot.bins.add(snapshot.counts, rows, cells(table, rows))
    snapshot.clusters[-1] = (ROWS, ROWS)
    window = DriftWindow(table, snapshot, 86_400.0)
    window.add(rows[0], 0.5, 0)
    seconds = []
    for row in rows:
        started = perf_counter()
        window.add(row, 0.5, 0)
        seconds.append(perf_counter() - started)
    started = perf_counter()
    window.measure(0)
    reading = perf_counter() - started
    low, high = np.quantile(np.array(seconds) * 1e6, (0.5, 0.99))
    return Report(
        "Drift, live",
        "python -m benchmarks drift",
        [
            Figure(f"count a scored row of {len(table.features)} features: p50, p99", f"{low:.1f} us, {high:.1f} us"),
            Figure("work out the PSI of every feature, at each reading of /metrics", f"{reading * 1e3:.1f} ms"),
        ],
    )


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    Console().print(as_table(run()))
