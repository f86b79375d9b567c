"""Peak memory of turning a long log into a feature table on disk.

    python -m benchmarks.memory --sessions 4200000

The log is simulated first (some twelve events a session); then ``dropoff features`` runs in a process of its own, and
the operating system tells the largest memory that it held.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.report import Figure, Report
from training.simulator import simulate

_GB = 1e9


def run(sessions: int = 4_200_000, seed: int = 3) -> Report:
    """Simulate, export a row at every fifth event, and measure."""
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        simulate("ecommerce", sessions=sessions, seed=seed, out=folder)
        events = sum(pq.read_metadata(file).num_rows for file in (folder / "events").iterdir())
        command = [sys.executable, "-m", "cli", "features", "ecommerce", "--every", "5"]
        command += ["--log", str(folder / "events"), "--out", str(folder / "features.parquet")]
        environment = {**os.environ, "DROPOFF_HOME": str(folder / "home")}
        started = time.monotonic()
        subprocess.run(command, check=True, env=environment, cwd=Path(__file__).parents[1], stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - started
        # Kilobytes on Linux.
        peak_bytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        rows = pq.read_metadata(folder / "features.parquet").num_rows
        size = (folder / "features.parquet").stat().st_size
    return Report(
        "A log to a feature table on disk",
        f"python -m benchmarks.memory --sessions {sessions}",
        [
            Figure("events, rows of 70 features", f"{events:,}, {rows:,}"),
            Figure("peak memory", f"{peak_bytes / _GB:.2f} GB", "6 GB at 50,000,000 events"),
            Figure("events a second, reading, checking and writing included", f"{events / seconds:,.0f}"),
            Figure("table on disk", f"{size / _GB:.2f} GB"),
        ],
    )


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=4_200_000)
    Console().print(as_table(run(parser.parse_args().sessions)))
