"""The loan log of the BPI Challenge 2012: how well its abandonment is predicted, forward in time.

    python -m benchmarks.loan ../shared/data/bpic2012/events.parquet

The latest quarter of the applications by start is held out; training applications ended before the first of them
began; every prefix before the first decision event counts, unweighted. The log stops in mid-course: of the held-out
applications only those count that ended within its last five weeks, so withdrawals after long silence are missing, and
the base rate is lower than in training (.245 against .314). The last weeks of the training part miss them in the same
way, which is why a fit that had ended before tuning began calibrates it.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.report import Figure, Report
from features.sources.loan_log import LOAN_LOG
from journeys.load import load_journey
from training.pipeline import TrainingResult, train

DEFAULT_PATH = Path(__file__).parents[2] / "shared" / "data" / "bpic2012" / "events.parquet"


def train_once(path: Path, *, trials: int = 0, seed: int = 7) -> TrainingResult:
    """Train on the log in a folder that is removed again."""
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        return train(
            load_journey("loan_application"),
            path,
            home=folder / "home",
            mlruns=folder / "mlruns",
            trials=trials,
            seed=seed,
            source=LOAN_LOG,
            pictures=False,
        )


def run(path: Path = DEFAULT_PATH, *, trials: int = 0, seed: int = 7) -> Report:
    """Train on the log and report the held-out figures."""
    held_out: Any = train_once(path, trials=trials, seed=seed).evaluation
    by_events = held_out["by_events"]
    return Report(
        "The loan log (BPI Challenge 2012)",
        f"python -m benchmarks.loan PATH --trials {trials}",
        [
            Figure("held-out prefixes, applications", f"{held_out['n_rows']:,}, {held_out['n_sessions']:,}"),
            Figure("base rate", f"{held_out['base_rate']:.3f}", ".245"),
            Figure("AUC", f"{held_out['auc']:.3f}", ".75"),
            Figure("AP", f"{held_out['ap']:.3f}", ".48"),
            Figure("ECE", f"{held_out['ece']:.3f}", ".03"),
            Figure("Brier, skill", f"{held_out['brier']:.3f}, {held_out['brier_skill']:.3f}"),
            *(Figure(f"AUC after {count} events", f"{by_events[count]['auc']:.3f}") for count in ("3", "5", "8", "21")),
        ],
    )


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, nargs="?", default=DEFAULT_PATH)
    parser.add_argument("--trials", type=int, default=0)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    Console().print(as_table(run(given.path, trials=given.trials, seed=given.seed)))
