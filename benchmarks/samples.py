"""How many sessions to learn from: quality, seconds and memory of trainings on ever larger samples of one log.

    python -m benchmarks.samples --sessions 400000

The log is simulated. Each training runs in a process of its own, of which the system tells the largest memory,
and every model is measured on the same later sessions, of another simulation. ``docs/pictures/samples.png`` shows it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import Figure, Report
from training.pictures.canvas import BLUE, GREEN, ORANGE, entitle, panels, save, style
from training.simulator import simulate

PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "samples.png"
HALVINGS = 5
"""The smallest sample is the log, halved so often."""
_GB = 1e9
_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Trained:
    """A training on a sample of so many sessions: how long it took, what it needed, and how well its model does."""

    sessions: int
    seconds: float
    peak_gb: float
    log_loss: float
    log_loss_interval: tuple[float, float]
    auc: float
    trees: int


def run(sessions: int = 400_000, judges: int = 100_000, seed: int = 11, picture: Path = PICTURE) -> Report:
    """Simulate, train on samples, measure each on later sessions of others, and draw."""
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        simulate("ecommerce", sessions=sessions, seed=seed, out=folder / "log")
        simulate("ecommerce", sessions=judges, seed=seed + 1, out=folder / "judges")
        sizes = [sessions >> halvings for halvings in range(HALVINGS, -1, -1)]
        found = [_train(folder, size) for size in sizes]
    _draw(found, judges, picture)
    best = found[-1]
    return Report(
        "Quality, time and memory by the number of sessions that are learnt from (simulated shop)",
        f"python -m benchmarks.samples --sessions {sessions}",
        [
            *(
                Figure(
                    f"{one.sessions:,} sessions: seconds, peak memory; log loss, AUC; trees",
                    f"{one.seconds:.0f} s, {one.peak_gb:.1f} GB; {one.log_loss:.4f}, {one.auc:.4f}; {one.trees}",
                    "8 GB" if one is best else "",
                )
                for one in found
            ),
            Figure(
                f"log loss that half of the sessions, {found[-2].sessions:,}, cost",
                f"{found[-2].log_loss - best.log_loss:+.5f}",
            ),
        ],
    )


def _train(folder: Path, size: int) -> Trained:
    home = folder / str(size)
    home.mkdir()
    environment = {**os.environ, "DROPOFF_HOME": str(home), "PYTHONPATH": str(_ROOT)}

    def command(*words: str) -> Any:
        """Run a command in a process of its own, and return its JSON with seconds and peak memory."""
        result = home / f"{words[0]}.json"
        code = (
            "import json, resource, sys, time; from cli import main; started = time.monotonic()\n"
            "try:\n    main()\nexcept SystemExit as done:\n    assert not done.code, done.code\n"
            "took = {'seconds': time.monotonic() - started,"
            " 'peak': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}\n"
            f"json.dump(took, open({str(home / 'took.json')!r}, 'w'))"
        )
        given = [sys.executable, "-c", code, *words, "--json", str(result)]
        subprocess.run(given, check=True, env=environment, cwd=home, stdout=subprocess.DEVNULL)
        return json.loads(result.read_text()), json.loads((home / "took.json").read_text())

    log, judges = str(folder / "log" / "events"), str(folder / "judges" / "events")
    _, took = command("train", "ecommerce", "--log", log, "--sessions", str(size), "--resamples", "0")
    told, _ = command("evaluate", "ecommerce", "--log", judges, "--resamples", "100")
    figures = told["held_out"]
    card = json.loads((home / "models" / "ecommerce" / told["model_version"] / "card.json").read_text())
    low, high = figures["intervals"]["log_loss"]
    return Trained(
        size, took["seconds"], took["peak"] / _GB, figures["log_loss"], (low, high), figures["auc"], card["trees"]
    )


def _draw(found: list[Trained], judges: int, path: Path) -> None:
    """Write a PNG of the log loss, the seconds and the memory against the sessions that were learnt from."""
    sizes = [one.sessions for one in found]
    with style():
        figure, (quality, seconds, memory) = panels(3, 4.6)
        quality.plot(sizes, [one.log_loss for one in found], color=BLUE, marker="o")
        quality.set(title="Log loss of later sessions", ylabel="log loss, lower is better")
        seconds.plot(sizes, [one.seconds for one in found], color=ORANGE, marker="o")
        seconds.set(title="Time", ylabel="seconds, evaluation included", ylim=(0, None))
        memory.plot(sizes, [one.peak_gb for one in found], color=GREEN, marker="o")
        memory.set(title="Memory", ylabel="GB at the peak", ylim=(0, None))
        for panel in (quality, seconds, memory):
            panel.set_xscale("log", base=2)
            panel.set_xticks(sizes, [f"{size / 1000:,.0f} k" for size in sizes])
            panel.set_xlabel("sessions learnt from")
        entitle(
            figure,
            "What more sessions are worth",
            f"Simulated shop; every model is measured on the same {judges:,} sessions of another simulation.",
        )
        save(figure, path)


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=400_000)
    parser.add_argument("--judges", type=int, default=100_000)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    given = parser.parse_args()
    Console().print(as_table(run(given.sessions, given.judges, picture=given.picture)))
