"""Champions changed under load: failed requests, answers that mix two models, and how soon every replica has switched.

    python -m benchmarks swap

Two replicas have homes of their own, empty at the beginning, and nothing in common but a database. A third home
promotes and rolls back, as an operator's machine does, while both are asked without a pause worth naming; a challenger
is asked beside the champion all the time. Every answer is made again by the version that it names.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from rich.console import Console

from benchmarks.replica_set import SECRET, Replica
from benchmarks.report import Figure, Report, as_table
from benchmarks.service import ROOT
from benchmarks.swap_load import Answered, SwapLoad, make_bodies, mixed, switch_seconds, versions_of
from decisions.risk import RiskModel
from journeys.load import load_journey
from storage.database import open_database
from storage.models import champion_folder, champion_version, publish
from storage.shared_registry import shared_home
from training.pipeline import train
from training.simulator import simulate

JOURNEY = str(ROOT / "benchmarks" / "eager_shop.py")
_BODIES = 200
_VERSIONS = 4
_QUIET_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Move:
    """One move of the champion: when (seconds since 1970), to which version, and how long the command took."""

    at: float
    version: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What a load saw, the moves meanwhile, what was mixed, answers by version, and a replica's metrics."""

    answers: Sequence[Answered]
    moves: Sequence[Move]
    until: float
    ports: Sequence[int]
    mixed: Sequence[Answered]
    by_version: dict[str, int]
    metrics: dict[str, float]


def run(sessions: int = 24_000, moves: int = 8) -> Report:
    """Train on a simulated log as the demo does, and change champions under load."""
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        simulate("ecommerce", sessions=sessions, seed=7, out=folder)
        train(load_journey("ecommerce"), folder / "events", home=folder / "home", mlruns=folder / "mlruns")
        return report(measure(folder / "home", moves=moves))


def measure(home: Path, *, moves: int = 8, database_url: str = "") -> Measured:
    """Change the champion of a home so many times under load; the home is only read."""
    with tempfile.TemporaryDirectory(prefix="dropoff-swap-") as name, ExitStack() as stack:
        folder, journey = Path(name), load_journey(JOURNEY)
        address = database_url or f"sqlite:///{folder}/shared.db"
        operator = folder / "operator"
        shutil.copytree(home / "models", operator / "models")
        first = RiskModel.load(champion_folder(operator, journey.name), journey.table)
        engine = open_database(address)
        stack.callback(engine.dispose)
        with shared_home(engine, operator, journey.name):
            for version in versions_of(first, _VERSIONS):
                publish(operator, journey.name, version.version, version.save)
        replicas = _replicas(stack, folder, address)
        ports = [one.port for one in replicas]
        _command(operator, address, "challenger", JOURNEY, f"{first.version}.{_VERSIONS}")
        bodies, made = make_bodies(_BODIES), list[Move]()
        with SwapLoad(ports, bodies) as load:
            time.sleep(_QUIET_SECONDS)
            for number in range(moves):
                made.append(_move(operator, address, journey.name, first.version, number))
            time.sleep(_QUIET_SECONDS)
            metrics = _metrics(ports[0])
        until = time.time()
        whole = [one for one in load.answers if one.status == 200]
        with shared_home(engine, operator, journey.name, whole=True):
            wrong, counts = mixed(whole, bodies, journey, operator)
        return Measured(load.answers, made, until, ports, wrong, counts, metrics)


def report(found: Measured) -> Report:
    """Return what was measured as figures, with the bars."""
    failed = [one for one in found.answers if one.status != 200]
    ends = [*(move.at for move in found.moves[1:]), found.until]
    switched = [
        switch_seconds(found.answers, port, move.version, move.at, end)
        for move, end in zip(found.moves, ends, strict=True)
        for port in found.ports
    ]
    slowest = "never" if None in switched else f"{max(one or 0.0 for one in switched):.1f} s"
    near, far = _split(found)
    metrics = found.metrics
    compared = metrics['dropoff_challenger_answers_total{result="compared"}']
    agreed = [
        metrics[f'dropoff_challenger_agreed_total{{what="{what}"}}']
        / max(metrics[f'dropoff_challenger_compared_total{{what="{what}"}}'], 1.0)
        for what in ("risk", "blocker", "recommendation")
    ]
    figures = [
        Figure(
            f"requests failed, of {len(found.answers):,} during {len(found.moves)} changes of the champion",
            str(len(failed)),
            "0",
        ),
        Figure(
            f"answers that are not what the version that they name says, of {sum(found.by_version.values()):,} by "
            f"{len(found.by_version)} versions",
            str(len(found.mixed)),
            "0",
        ),
        Figure("the slowest switch of a replica after the pointer moved", slowest, "<= 30 s"),
        Figure(
            "`promote --wait` and `rollback --wait`, the slowest", f"{max(one.seconds for one in found.moves):.1f} s"
        ),
        Figure(
            "p99 of answers within a second of a switch, beside that of all others", f"{near:.1f} ms and {far:.1f} ms"
        ),
        Figure("answers that the challenger was asked too, in one process", f"{compared:,.0f}"),
        Figure(
            "of these it agreed on the side of the low risk, the first blocker, the recommendation",
            ", ".join(f"{share:.3f}" for share in agreed),
        ),
    ]
    return Report("Changing champions under load, on two replicas", "python -m benchmarks swap", figures)


def _replicas(stack: ExitStack, folder: Path, address: str) -> list[Replica]:
    found = []
    for number in range(2):
        settings = {
            "database_url": address,
            "shared": 1,
            "home": folder / f"home-{number}",
            "id_secret": SECRET,
            "insights_refresh": 0,
            "sweep_seconds": 0,
        }
        replica = Replica(f"replica-{number}", JOURNEY, folder, settings)
        stack.callback(replica.stop)
        replica.start()
        found.append(replica)
    for replica in found:
        replica.wait()
    return found


def _move(operator: Path, address: str, journey: str, first: str, number: int) -> Move:
    """Promote the next version, or roll back; every third move is a rollback."""
    started = time.time()
    if number % 3 == 2:
        _command(operator, address, "rollback", JOURNEY, "--wait")
    else:
        # Another than the one that answers now, or nothing would change.
        now = champion_version(operator, journey)
        others = [other for one in range(1, _VERSIONS) if (other := f"{first}.{one}") != now]
        _command(operator, address, "promote", JOURNEY, others[number % len(others)], "--wait")
    version = champion_version(operator, journey)
    moved = (operator / "models" / journey / "champion").stat().st_mtime
    return Move(moved, version or "", time.time() - started)


def _command(operator: Path, address: str, *arguments: str) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DROPOFF_HOME": str(operator),
        "DROPOFF_DATABASE_URL": address,
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "cli", *arguments]
    done = subprocess.run(command, cwd=operator.parent, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"dropoff {' '.join(arguments)}: {done.stderr or done.stdout}")


def _metrics(port: int) -> dict[str, float]:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
    lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith("dropoff_challenger"))
    return {name: float(value) for name, _, value in lines}


def _split(found: Measured) -> tuple[float, float]:
    """Return the p99 (ms) of answers within a second of a switch of their replica, and of all others."""
    switches = list[tuple[int, float]]()
    before: dict[int, str] = {}
    ordered = sorted((one for one in found.answers if one.status == 200), key=lambda one: one.at)
    for one in ordered:
        version = str(one.answer["model_version"])
        if before.get(one.port, version) != version:
            switches.append((one.port, one.at))
        before[one.port] = version
    near = [one.seconds for one in ordered if any(one.port == port and abs(one.at - at) < 1 for port, at in switches)]
    far = [
        one.seconds for one in ordered if not any(one.port == port and abs(one.at - at) < 1 for port, at in switches)
    ]
    return tuple(1_000 * float(np.quantile(part or [0.0], 0.99)) for part in (near, far))  # type: ignore[return-value]


def main() -> None:
    """Run from the command line with a champion that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(".dropoff"), help="with a champion of ecommerce; only read")
    parser.add_argument("--moves", type=int, default=8)
    parser.add_argument("--database", default="", help="by default an SQLite file; postgresql+psycopg://... for others")
    given = parser.parse_args()
    Console().print(as_table(report(measure(given.home, moves=given.moves, database_url=given.database))))


if __name__ == "__main__":
    main()
