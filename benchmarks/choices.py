"""The choices behind the risk model, each measured against the alternatives with everything else as chosen.

    python -m benchmarks choices

Trains on simulated logs of two seeds and compares the held-out risks with the true ones (``benchmarks/world.py``).
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.report import Figure, Report
from benchmarks.world import Place, Prepared, auc_share, excess_loss, place_as_in_training, prepare, skill_share
from features.events import Cutoffs, EncodedLog, FloatArray, IntArray
from features.plan import Plan
from features.table import FeatureTable
from features.vocabulary import Vocabulary
from journeys.journey import Journey
from journeys.load import load_journey
from training.cutoffs import after_every_event, training_cutoffs
from training.fit import Rows, Settings, fit
from training.targets import TRACE_DECAY, teach

EVENT_COUNTS = (3, 5, 10)
FIT_SEED = 7


@dataclass(frozen=True, slots=True)
class Variant:
    """What differs from the chosen way."""

    settings: Settings = field(default_factory=Settings)
    decay: float = TRACE_DECAY
    place: Place = place_as_in_training
    recode: Callable[[Prepared], Prepared] = lambda prepared: prepared


def without_silence(_journey: Journey, plan: Plan, log: EncodedLog, usable: IntArray, end_us: int) -> Cutoffs:
    """Return the training cutoffs right after events only."""
    return training_cutoffs(plan, log, usable, (), end_us)


def after_all(_journey: Journey, _plan: Plan, log: EncodedLog, usable: IntArray, _end_us: int) -> Cutoffs:
    """Return a cutoff after every event, and none of a silence."""
    return after_every_event(log, usable)


def categories_as_numbers(prepared: Prepared) -> Prepared:
    """Number the categories beforehand, so that LightGBM splits them by order and not as sets."""
    vocabulary, rows = prepared.vocabulary, prepared.rows
    return replace(
        prepared,
        rows=replace(rows, features=vocabulary.apply(rows.features)),
        held_out=vocabulary.apply(prepared.held_out),
        vocabulary=Vocabulary({}),
    )


def categories_left_out(prepared: Prepared) -> Prepared:
    """Blank the categories."""
    columns = list(prepared.vocabulary.category_columns)

    def blanked(features: FloatArray) -> FloatArray:
        copied = features.copy()
        copied[:, columns] = np.nan
        return copied

    rows = replace(prepared.rows, features=blanked(prepared.rows.features))
    return replace(prepared, rows=rows, held_out=blanked(prepared.held_out), vocabulary=Vocabulary({}))


VARIANTS: Mapping[str, Variant] = {
    "as chosen": Variant(),
    "targets: outcomes only": Variant(decay=1.0),
    "targets: half the next row's risk": Variant(decay=0.5),
    "weights: every row the same": Variant(Settings(prefix_weighting=0.0)),
    "weights: one over the events seen": Variant(Settings(prefix_weighting=1.0)),
    "cutoffs: none in silence": Variant(place=without_silence),
    "cutoffs: after every event, none in silence": Variant(place=after_all),
    "monotone in features of frictions": Variant(Settings(monotone_frictions=True)),
    "categories: by the order of their numbers": Variant(recode=categories_as_numbers),
    "categories: left out": Variant(recode=categories_left_out),
}


def run(sessions: int = 12_000, seeds: tuple[int, ...] = (1, 2), threads: int = 1) -> Report:
    """Measure every variant, the mean over the seeds."""
    table = load_journey("ecommerce").table
    console = Console()
    shown: dict[str, list[list[float]]] = {name: [] for name in VARIANTS}
    with tempfile.TemporaryDirectory(prefix="dropoff-") as folder:
        for seed in seeds:
            prepared: dict[Place, Prepared] = {}
            for name, variant in VARIANTS.items():
                if variant.place not in prepared:
                    prepared[variant.place] = prepare(
                        Path(folder) / str(seed), sessions=sessions, seed=seed, place=variant.place
                    )
                shown[name].append(_measure(table, variant.recode(prepared[variant.place]), variant, threads))
                console.print(f"seed {seed}, {name}: {_row(shown[name][-1])}")
    counts = ", ".join(str(count) for count in EVENT_COUNTS)
    title = (
        f"What the risk model was chosen from: share of the AUC after {counts} events; of the Brier skill; excess loss"
    )
    figures = [Figure(name, _row(list(np.mean(rows, axis=0)))) for name, rows in shown.items()]
    return Report(title, f"python -m benchmarks.choices --sessions {sessions}", figures)


def _measure(table: FeatureTable, prepared: Prepared, variant: Variant, threads: int) -> list[float]:
    inside = prepared.fitting
    taught = _taught(table, prepared, prepared.rows.take(inside), inside, variant, threads)
    tuning = prepared.rows.take(prepared.tuning)
    booster = fit(table, prepared.vocabulary, taught, variant.settings, seed=FIT_SEED, threads=threads, tuning=tuning)
    risk = np.asarray(booster.predict(prepared.vocabulary.apply(prepared.held_out), num_threads=threads))
    shares = [
        auc_share(risk[prepared.after == count], prepared.risk[prepared.after == count]) for count in EVENT_COUNTS
    ]
    return [*shares, skill_share(risk, prepared.risk), excess_loss(risk, prepared.risk)]


def _taught(
    table: FeatureTable,
    prepared: Prepared,
    rows: Rows,
    chosen: np.ndarray[tuple[int], np.dtype[np.bool_]],
    variant: Variant,
    threads: int,
) -> Rows:
    return teach(
        table,
        prepared.vocabulary,
        rows,
        prepared.sessions[chosen],
        prepared.persons[chosen],
        seed=FIT_SEED,
        threads=threads,
        decay=variant.decay,
    )


def _row(numbers: list[float]) -> str:
    *shares, loss = numbers
    return "; ".join(f"{share:.3f}" for share in shares) + f"; {loss:.2f}"


if __name__ == "__main__":
    import argparse

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=12_000)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    Console().print(as_table(run(arguments.sessions, threads=arguments.threads)))
