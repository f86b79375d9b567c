"""What a million events of a log take: features of all of them, and a model, each by the command that people run."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.service import ROOT
from capacity.costs import HistoryCost
from training.simulator import simulate

JOURNEY = "ecommerce"
_MILLION = 1e6
_KILOBYTE = 1_024


@dataclass(frozen=True, slots=True)
class _Ran:
    """Processor seconds of a command and all that it started, and the largest memory of one process."""

    seconds: float
    peak_bytes: float


def measure_history(folder: Path, sizes: Sequence[int]) -> HistoryCost:
    """Return what grows with a log and what does not, from simulated logs of at least two numbers of sessions.

    Leaves the champion of the largest under ``folder / "home"``, for a service to be measured with.
    """
    millions: list[float] = []
    features: list[_Ran] = []
    training: list[_Ran] = []
    for sessions in sizes:
        place = folder / f"log-{sessions}"
        simulate(JOURNEY, sessions=sessions, seed=7, out=place)
        files = list((place / "events").iterdir())
        millions.append(sum(pq.read_metadata(file).num_rows for file in files) / _MILLION)
        home = folder / "home" if sessions == max(sizes) else place / "home"
        log, rows = str(place / "events"), place / "rows.parquet"
        if not features:
            # The first to run compiles the kernel for all.
            _run(["features", JOURNEY, "--log", log, "--out", str(rows)], home, place)
        features.append(_run(["features", JOURNEY, "--log", log, "--out", str(rows)], home, place))
        training.append(_run(["train", JOURNEY, "--log", log], home, place))
        log_bytes, rows_bytes = sum(file.stat().st_size for file in files), rows.stat().st_size
    each, _ = _line(millions, [one.seconds for one in features])
    training_each, training_fixed = _line(millions, [one.seconds for one in training])
    events = max(millions) * _MILLION
    return HistoryCost(
        events=round(events),
        features_seconds=each,
        features_peak_bytes=max(one.peak_bytes for one in features),
        training_fixed_seconds=training_fixed,
        training_seconds=training_each,
        training_peak_bytes=max(one.peak_bytes for one in training),
        log_bytes=log_bytes / events,
        rows_bytes=rows_bytes / events,
    )


def _line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Return slope and height at 0 of the line that lies closest; neither below 0."""
    slope, height = np.polyfit(x, y, 1)
    return max(0.0, float(slope)), max(0.0, float(height))


def _run(command: Sequence[str], home: Path, folder: Path) -> _Ran:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DROPOFF_HOME": str(home.resolve())}
    # A process of its own in between, so that the largest memory is that of this command and no other.
    child = (
        "import resource, subprocess, sys; "
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss)"
    )
    said = subprocess.run(
        [sys.executable, "-c", child, sys.executable, "-m", "cli", *command],
        env=environment,
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    return _Ran(float(said[0]), _KILOBYTE * float(said[1]))
