"""How large the risk model should be: what more and larger trees gain, and what they cost a live session.

    python -m benchmarks sizes

Trains on a simulated log, with a learning rate that falls as the trees grow in number, compares the held-out risks
with the true ones (``benchmarks/world.py``), and times one row at a time on one core: the prediction, its exact
contributions from the tables, and LightGBM's own contributions. Read the ratios; they are of the same run.
"""

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import lightgbm
import numpy as np
from rich.console import Console

from benchmarks.report import Figure, Report
from benchmarks.world import Prepared, auc_share, excess_loss, prepare
from decisions.treeshap import TreeExplainer
from features.events import FloatArray
from features.table import FeatureTable
from journeys.load import load_journey
from training.fit import Rows, Settings, fit
from training.targets import teach

SHAPES = ((8, 3), (8, 4), (15, 5))
"""Leaves and depth."""
TREES = (100, 300, 600)
PACE = 22.0
"""Trees times learning rate: about what early stopping comes to."""
AFTER_EVENTS = 3
FIT_SEED = 7
TIMED_CALLS = 400


def run(sessions: int = 10_000, seed: int = 1, threads: int = 1) -> Report:
    """Measure every shape with every number of trees, and the default settings as early stopping ends them."""
    table = load_journey("ecommerce").table
    with tempfile.TemporaryDirectory(prefix="dropoff-") as folder:
        prepared = prepare(Path(folder), sessions=sessions, seed=seed)
    inside = prepared.fitting
    taught = teach(
        table,
        prepared.vocabulary,
        prepared.rows.take(inside),
        prepared.sessions[inside],
        prepared.persons[inside],
        seed=FIT_SEED,
        threads=threads,
    )
    held_out = prepared.vocabulary.apply(prepared.held_out)
    console, figures = Console(), []
    for name, booster in _models(table, prepared, taught, threads):
        figures.append(Figure(name, _measure(booster, held_out, prepared)))
        console.print(f"{name}: {figures[-1].value}")
    measured = f"share of the AUC after {AFTER_EVENTS} events and of all prefixes; excess loss; one row on one core:"
    ways = "predicting, exact contributions, LightGBM's own (contributions / prediction, own / contributions)"
    return Report(
        f"Size of the risk model: {measured} {ways}",
        f"python -m benchmarks.sizes --sessions {sessions}",
        figures,
    )


def time_row(booster: lightgbm.Booster, rows: FloatArray, calls: int = TIMED_CALLS) -> dict[str, float]:
    """Return the median microseconds of one row (``predict``, ``explain``, ``pred_contrib``), taking turns."""
    explainer = TreeExplainer.of(booster)
    ways: Mapping[str, Callable[[FloatArray], object]] = {
        "predict": lambda row: booster.predict(row, raw_score=True, num_threads=1),
        "explain": explainer.explain,
        "pred_contrib": lambda row: booster.predict(row, pred_contrib=True, num_threads=1),
    }
    chosen = np.linspace(0, len(rows) - 1, calls).astype(np.int64)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for place in chosen:
        row = np.ascontiguousarray(rows[place : place + 1])
        for name, way in ways.items():
            way(row)
            began = time.perf_counter_ns()
            way(row)
            taken[name].append((time.perf_counter_ns() - began) / 1_000)
    return {name: float(np.median(times)) for name, times in taken.items()}


def largest_difference(booster: lightgbm.Booster, rows: FloatArray) -> float:
    """Return the largest difference of any contribution or base of rows (R, F) from LightGBM's own."""
    explainer = TreeExplainer.of(booster)
    own = np.asarray(booster.predict(rows, pred_contrib=True, num_threads=1))
    _, contributions = explainer.explain(rows)
    return float(max(np.abs(contributions - own[:, :-1]).max(), np.abs(explainer.base - own[:, -1]).max()))


def _models(table: FeatureTable, prepared: Prepared, taught: Rows, threads: int) -> list[tuple[str, lightgbm.Booster]]:
    models = []
    for leaves, depth in SHAPES:
        for trees in TREES:
            settings = Settings(learning_rate=PACE / trees, num_leaves=leaves, max_depth=depth)
            booster = fit(table, prepared.vocabulary, taught, settings, seed=FIT_SEED, threads=threads, trees=trees)
            models.append((f"{trees} trees of {leaves} leaves, depth {depth}", booster))
    tuning = prepared.rows.take(prepared.tuning)
    chosen = fit(table, prepared.vocabulary, taught, Settings(), seed=FIT_SEED, threads=threads, tuning=tuning)
    return [*models, (f"the defaults: {chosen.num_trees()} trees of {Settings().num_leaves} leaves", chosen)]


def _measure(booster: lightgbm.Booster, held_out: FloatArray, prepared: Prepared) -> str:
    risk = np.asarray(booster.predict(held_out, num_threads=1))
    early = prepared.after == AFTER_EVENTS
    shares = (auc_share(risk[early], prepared.risk[early]), auc_share(risk, prepared.risk))
    spent = time_row(booster, held_out)
    return (
        "; ".join(f"{share:.3f}" for share in shares)
        + f"; {excess_loss(risk, prepared.risk):.2f}; {spent['predict']:.0f} us, {spent['explain']:.0f} us, "
        f"{spent['pred_contrib']:.0f} us ({spent['explain'] / spent['predict']:.1f}, "
        f"{spent['pred_contrib'] / spent['explain']:.1f})"
    )


if __name__ == "__main__":
    import argparse

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    Console().print(as_table(run(arguments.sessions, threads=arguments.threads)))
