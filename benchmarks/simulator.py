"""The simulator: how fast it is, and how close the model comes to the best that can be known of its log.

    python -m benchmarks.simulator
    python -m benchmarks.simulator onboarding --sessions 30000

Trains on a simulated log and compares the model on the held-out sessions with the filter that knows the world's rules
and sees the same events: what that reaches is the ceiling. Also: how often plain SHAP values, summed by friction
category, name the planted blocker in sessions that it ended.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.report import Figure, Report
from benchmarks.world import true_risk
from decisions.risk import RiskModel
from features.build import build
from features.events import Cutoffs, EncodedLog, FloatArray, IntArray
from features.plan import compile_plan
from features.read_log import read_log
from journeys.ends import find_ends
from journeys.load import load_journey
from training.cutoffs import after_every_event
from training.labels import label
from training.metrics import measure
from training.pipeline import train
from training.simulator import simulate
from training.simulator.simulate import WORLDS
from training.split import forward_split

EVENT_COUNTS = (3, 5, 10)
_SHOWN = ("auc", "brier_skill", "ece")


def run(journey: str = "ecommerce", sessions: int = 60_000, seed: int = 1, trials: int = 0) -> Report:
    """Measure speed, difficulty and the share of the ceiling that training reaches."""
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        simulate(journey, sessions=1_000, seed=seed, out=folder)
        began_wall, began_cpu = time.perf_counter(), time.process_time()
        simulate(journey, sessions=sessions, seed=seed, out=folder)
        wall, cpu = time.perf_counter() - began_wall, time.process_time() - began_cpu
        figures = [
            Figure(
                "sessions a second (a second of one core)", f"{sessions / wall:,.0f} ({sessions / cpu:,.0f})", "10,000"
            )
        ]
        compared = compare(journey, folder, sessions, seed, trials)
    figures.append(Figure("conversion", f"{compared['conversion']:.2%}", "5-9 %"))
    for count in EVENT_COUNTS:
        block = compared[str(count)]
        figures += [
            Figure(f"AUC after {count} events: model, filter", f"{block['model_auc']:.3f}, {block['filter_auc']:.3f}"),
            Figure(f"(AUC - .5) / (filter's AUC - .5) after {count} events", f"{block['auc_ratio']:.3f}", ".93"),
            Figure(f"Brier skill / filter's, after {count} events", f"{block['brier_skill_ratio']:.3f}"),
        ]
    everything = compared["all"]
    figures += [
        Figure("Brier skill / filter's, all prefixes", f"{everything['brier_skill_ratio']:.3f}", ".85"),
        Figure("ECE, all prefixes", f"{everything['model_ece']:.4f}", ".02"),
        Figure(
            "plain SHAP by category names the planted blocker", f"{compared['plain_shap_top1']:.1%}", "under two thirds"
        ),
        Figure("the commonest category is the planted blocker", f"{compared['commonest_top1']:.1%}"),
    ]
    return Report(
        f"The simulated journey {journey}", f"python -m benchmarks.simulator {journey} --sessions {sessions}", figures
    )


def compare(name: str, folder: Path, sessions: int, seed: int, trials: int) -> dict[str, Any]:
    """Return, for all prefixes and after some numbers of events, the model's and the filter's figures and ratios."""
    journey = load_journey(name)
    plan = compile_plan(journey.table)
    model = train(
        journey, folder / "events", home=folder / "home", mlruns=folder / "mlruns", trials=trials, seed=7
    ).model
    with read_log(folder / "events", plan, timeout_seconds=journey.session_timeout_seconds) as read:
        log, end_us = read.whole(), read.summary.last_at_us
    truth = pq.read_table(folder / "truth.parquet").to_pydict()
    ends = find_ends(plan, log, journey, end_us)
    split = forward_split(log, ends)
    cutoffs = after_every_event(log, np.where(split.held_out, ends.usable, 0))
    labels = label(ends, cutoffs, None, end_us)
    rows = build(plan, log, cutoffs)
    ours, best = model.predict(rows), true_risk(log, cutoffs, name=name, sessions=sessions, seed=seed)
    result: dict[str, Any] = {
        "all": _compare(labels, ours, best, cutoffs.session),
        "conversion": float(np.mean(truth["converted"])),
    }
    for count in EVENT_COUNTS:
        chosen = cutoffs.after == count
        result[str(count)] = _compare(labels[chosen], ours[chosen], best[chosen], cutoffs.session[chosen])
    result["plain_shap_top1"], result["commonest_top1"], result["blocked"] = _plain_shap(
        model, log, cutoffs, rows, dict(zip(truth["session_id"], _planted(truth), strict=True))
    )
    return result


def _compare(labels: FloatArray, ours: FloatArray, best: FloatArray, sessions: IntArray) -> dict[str, float]:
    mine, ceiling = measure(labels, ours, sessions), measure(labels, best, sessions)
    figures = {f"{who}_{name}": block[name] for who, block in (("model", mine), ("filter", ceiling)) for name in _SHOWN}
    numbers = {name: float(value or 0.0) for name, value in figures.items()}
    numbers["auc_ratio"] = (numbers["model_auc"] - 0.5) / (numbers["filter_auc"] - 0.5)
    numbers["brier_skill_ratio"] = numbers["model_brier_skill"] / numbers["filter_brier_skill"]
    return numbers | {"base_rate": float(labels.mean()), "rows": len(labels)}


def _planted(truth: dict[str, list[Any]]) -> list[str | None]:
    return [blocker if caused else None for blocker, caused in zip(truth["blocker"], truth["caused_exit"], strict=True)]


def _plain_shap(
    model: RiskModel, log: EncodedLog, cutoffs: Cutoffs, rows: FloatArray, planted: dict[str, str | None]
) -> tuple[float, float, int]:
    """Return how often the largest sum of contributions names the blocker at session end, and the commonest does."""
    ends = np.append(cutoffs.session[1:] != cutoffs.session[:-1], True)
    names = np.array([planted[session] or "" for session in log.session_ids[cutoffs.session]])
    chosen = ends & (names != "")
    frictions = sorted(set(names[chosen]))
    contributions = model.explain(rows[chosen]).contributions
    sums = np.stack(
        [
            contributions[:, [feature.friction.name == friction for feature in model.table.features]].sum(axis=1)
            for friction in frictions
        ],
        axis=1,
    )
    named = np.array(frictions)[sums.argmax(axis=1)]
    _, counts = np.unique(names[chosen], return_counts=True)
    return float((named == names[chosen]).mean()), float(counts.max() / counts.sum()), int(chosen.sum())


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("journey", nargs="?", default="ecommerce", choices=sorted(WORLDS))
    parser.add_argument("--sessions", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trials", type=int, default=0)
    Console().print(as_table(run(**vars(parser.parse_args()))))
