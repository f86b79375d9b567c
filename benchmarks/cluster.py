"""Features on Dask: two workers against one, the same rows as on one machine, and a worker lost half way.

Run: ``python -m benchmarks.cluster [--sessions N]``.
"""

import argparse
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.report import Figure, Report
from features.cluster import open_engine
from features.cluster_engine import DaskEngine
from features.engine import Engine, Here
from features.export import export_features
from features.plan import Plan, compile_plan
from journeys.load import load_journey
from training.simulator import simulate

ROW_EVERY = 5


def same_rows(one: Path, other: Path) -> bool:
    """Whether two folders of features hold the same rows in the same order."""
    names = [[file.name for file in sorted(folder.iterdir())] for folder in (one, other)]
    return names[0] == names[1] and all(
        pq.read_table(one / name).equals(pq.read_table(other / name)) for name in names[0]
    )


def warm(_number: int) -> int:
    """Load what the work needs, as the workers of a standing cluster have done."""
    plan = compile_plan(load_journey("ecommerce").table)
    time.sleep(1.0)
    return len(plan.columns)


def measure(
    plan: Plan,
    timeout_seconds: float,
    log: Path,
    out: Path,
    engine: Engine,
    progress: Callable[[str, float], None] = lambda _phase, _fraction: None,
) -> tuple[float, int]:
    """Return the seconds that features took, and how many events were read."""
    started = time.perf_counter()
    _, summary = export_features(
        plan, log, out, timeout_seconds=timeout_seconds, every=ROW_EVERY, engine=engine, progress=progress
    )
    return time.perf_counter() - started, summary.read


def lose_worker(engine: DaskEngine) -> Callable[[str, float], None]:
    """Return a progress that kills one of the workers when half of the sessions have been read."""
    processes = list(engine.client.run(os.getpid).values())

    def report(phase: str, fraction: float) -> None:
        if phase == "reading sessions" and fraction >= 0.5 and processes:
            os.kill(processes.pop(), signal.SIGKILL)
            processes.clear()

    return report


def run(sessions: int = 800_000) -> Report:
    """Measure one machine, one worker and two workers in turn, then two of which one is killed."""
    journey = load_journey("ecommerce")
    plan, timeout_seconds = compile_plan(journey.table), journey.session_timeout_seconds
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        simulate("ecommerce", sessions=sessions, seed=1, out=folder)
        log = folder / "events"
        alone, events = measure(plan, timeout_seconds, log, folder / "here", Here(threads=1))
        seconds, same = dict[int, float](), True
        for workers in (1, 2):
            with open_engine(f"local:{workers}") as engine:
                list(engine.map(warm, range(workers)))
                out = folder / f"on-{workers}"
                seconds[workers], _ = measure(plan, timeout_seconds, log, out, engine)
            same &= same_rows(folder / "here", out)
        with open_engine("local:2") as engine:
            list(engine.map(warm, range(2)))
            out = folder / "lossy"
            lossy, _ = measure(plan, timeout_seconds, log, out, engine, lose_worker(engine))
            lost = engine.lost
        survived = lost == 1 and same_rows(folder / "here", out)
    return Report(
        "Features on Dask",
        f"python -m benchmarks.cluster --sessions {sessions}",
        [
            Figure(f"{events:,} events, one process, one thread: events a second", f"{events / alone:,.0f}"),
            Figure("the same on local:1", f"{events / seconds[1]:,.0f}"),
            Figure("the same on local:2", f"{events / seconds[2]:,.0f}"),
            Figure("two workers against one", f"{seconds[1] / seconds[2]:.2f} x", "1.7 x"),
            Figure("rows the same as on one machine, in the same order", "yes" if same else "no", "yes"),
            Figure("one of two workers killed half way: the same rows", "yes" if survived else "no", "yes"),
            Figure("and how much longer it took than with two", f"{lossy / seconds[2] - 1:.0%}"),
        ],
    )


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=800_000)
    Console().print(as_table(run(parser.parse_args().sessions)))
