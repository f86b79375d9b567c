"""What it takes to turn logs of 1 to 100 million events into features and into a model, on one machine.

    python -m benchmarks scale
    python -m benchmarks.scale --log FOLDER --events 1e6 1e7 1e8

Without a log, one is simulated (some twelve events a session). Each size is some of its files, each of which goes over
all of the time, so that a size has as many sessions, visitors and days as its share. ``dropoff features --every 5`` and
``dropoff train`` run in processes of their own; the operating system tells the largest memory that each has held.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from benchmarks.report import Figure, Report, as_table
from training.pictures.canvas import BLUE, ORANGE, entitle, panels, save, style
from training.simulator import simulate

PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "scale.png"

SIZES = (1_000_000, 3_000_000, 10_000_000, 30_000_000, 100_000_000)
COMPARED = 10_000_000
"""What the other sizes are compared with."""
_EVENTS_PER_SESSION = 11.9
_GB = 1e9
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Taken:
    """What a command took: time, time of all cores, the largest memory that it held, and the largest scratch files."""

    seconds: float
    cpu_seconds: float
    memory_bytes: int
    scratch_bytes: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One size of log: what making features and a model of it took, and the feature table on disk."""

    events: int
    sessions: int
    features: Taken
    table_bytes: int
    training: Taken | None


def run(
    log: Path | None = None, sizes: Sequence[int] = SIZES, *, train: bool = True, picture: Path = PICTURE
) -> Report:
    """Measure every size, and draw what was measured."""
    with tempfile.TemporaryDirectory(prefix="dropoff-scale-") as name:
        folder = Path(name)
        if log is None:
            simulate("ecommerce", sessions=round(max(sizes) / _EVENTS_PER_SESSION * 1.02), seed=3, out=folder)
            log = folder / "events"
        measured = []
        for size in sizes:
            measured.append(_measure(log, size, folder / f"{size}", train=train))
            print(measured[-1], file=sys.stderr, flush=True)
    measured.sort(key=lambda one: one.events)
    draw(measured, picture)
    return report(measured)


def report(measured: Sequence[Measured]) -> Report:
    """Return the measurements as figures, with ratios to :data:`COMPARED` events."""
    compared = min(measured, key=lambda one: abs(one.events - COMPARED))
    figures = []
    for one in measured:
        what = f"{one.events / 1e6:,.1f} M events, {one.sessions / 1e6:,.2f} M sessions"
        for job, taken, base in (
            ("features", one.features, compared.features),
            ("training", one.training, compared.training),
        ):
            if taken is None or base is None:
                continue
            rate = one.events / taken.seconds
            ratio = rate / (compared.events / base.seconds)
            worked = one.events / taken.cpu_seconds
            largest = one is measured[-1]
            figures += [
                Figure(f"{what}: {job}, events a second, and a second of a core", f"{rate:,.0f}, {worked:,.0f}"),
                Figure(
                    f"{what}: {job}, as a multiple of that at {compared.events / 1e6:,.0f} M",
                    f"{ratio:.2f} x ({worked / (compared.events / base.cpu_seconds):.2f} x by the time of cores)",
                    ">= .80 x" if largest else "",
                ),
                Figure(
                    f"{what}: {job}, peak memory, scratch files",
                    f"{taken.memory_bytes / _GB:.2f} GB, {taken.scratch_bytes / _GB:.2f} GB",
                    "< 8 GB" if largest else "",
                ),
            ]
        figures.append(Figure(f"{what}: feature table, a row every fifth event", f"{one.table_bytes / _GB:.2f} GB"))
    return Report("From a log to features and a model, by the size of the log", "python -m benchmarks scale", figures)


def draw(measured: Sequence[Measured], path: Path) -> None:
    """Write a PNG of time and memory against the size of the log; on logarithmic axes, even growth is a line."""
    millions = [one.events / 1e6 for one in measured]
    jobs = [("features", BLUE, [one.features for one in measured])]
    if trainings := [one.training for one in measured if one.training is not None]:
        jobs.append(("model", ORANGE, trainings))
    with style():
        figure, (time_taken, memory) = panels(2, 4.6)
        for name, color, taken in jobs:
            time_taken.plot(millions, [one.seconds / 60 for one in taken], color=color, marker="o", label=name)
            memory.plot(millions, [one.memory_bytes / _GB for one in taken], color=color, marker="o", label=name)
        time_taken.set(title="Time", ylabel="minutes", yscale="log")
        time_taken.legend()
        memory.set(title="Memory", ylabel="GB at the peak", ylim=(0, None))
        for panel in (time_taken, memory):
            panel.set_xscale("log")
            panel.set_xticks(millions, [f"{one:,.1f} M" if one < 10 else f"{one:,.0f} M" for one in millions])
            panel.minorticks_off()
            panel.set_xlabel("events in the log")
        time_taken.set_yticks([0.1, 1, 10], ["6 s", "1 min", "10 min"])
        entitle(
            figure,
            "From a log to a table of features, and to a model",
            "One machine, two cores. A model learns from a sample, and is evaluated on all sessions held out.",
        )
        save(figure, path)


def _measure(log: Path, size: int, folder: Path, *, train: bool) -> Measured:
    part = folder / "log"
    part.mkdir(parents=True)
    events = 0
    for file in sorted(log.iterdir()):
        if events >= size:
            break
        events += pq.read_metadata(file).num_rows
        (part / file.name).symlink_to(file.resolve())
    out = folder / "features"
    features = _run(folder, "features", "ecommerce", "--every", "5", "--log", str(part), "--out", str(out))
    table_bytes = sum(file.stat().st_size for file in out.iterdir())
    sessions = _count_sessions(part)
    for file in out.iterdir():
        file.unlink()
    training = _run(folder, "train", "ecommerce", "--log", str(part)) if train else None
    return Measured(events, sessions, features, table_bytes, training)


def _count_sessions(log: Path) -> int:
    with duckdb.connect() as connection:
        counted = connection.execute(f"SELECT count(DISTINCT hash(session_id)) FROM '{log}/*.parquet'").fetchall()
    return int(counted[0][0])


def _run(folder: Path, *arguments: str) -> Taken:
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "DROPOFF_HOME": str(folder / "home"),
        "TMPDIR": str(scratch),
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    most, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK_SECONDS):
            most[0] = max(most[0], _size_of(scratch))

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", *arguments], env=environment, cwd=folder, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    ended.set()
    watching.join()
    if status:
        raise RuntimeError(f"dropoff {' '.join(arguments)} ended with status {os.waitstatus_to_exitcode(status)}")
    # Kilobytes on Linux.
    return Taken(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, most[0])


def _size_of(folder: Path) -> int:
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.lstat(os.path.join(parent, name)).st_blocks * 512  # noqa: PTH118 (many files, every second)
            except FileNotFoundError:
                continue
    return size


if __name__ == "__main__":
    from rich.console import Console

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=Path, help="a folder of Parquet files of the journey ecommerce")
    parser.add_argument("--events", type=float, nargs="+", default=SIZES, help="about how many events each time")
    parser.add_argument("--no-train", action="store_true", help="make features only")
    parser.add_argument("--picture", type=Path, default=PICTURE)
    given = parser.parse_args()
    sizes = [int(size) for size in given.events]
    Console().print(as_table(run(given.log, sizes, train=not given.no_train, picture=given.picture)))
