"""How right the named blockers are, on simulated sessions that the model has never seen.

    python -m benchmarks diagnosis

Trains on one simulated log and asks about another, whose truth file says what stopped whom; what each figure means is
in docs/diagnosis.md.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.report import Figure, Report
from journeys.load import load_journey
from training.evaluate_diagnosis import evaluate_diagnosis
from training.pipeline import train
from training.simulator import simulate
from training.truth import read_truth

MOMENTS = {"session_end": "session end", "decision_point": "decision point"}


def run(name: str = "ecommerce", sessions: int = 30_000, seed: int = 11, refits: int = 5) -> Report:
    """Train on so many sessions of one seed and measure on as many of the next."""
    journey = load_journey(name)
    with tempfile.TemporaryDirectory(prefix="dropoff-") as place:
        folder = Path(place)
        learnt, asked = folder / "learnt", folder / "asked"
        simulate(name, sessions=sessions, seed=seed, out=learnt)
        simulate(name, sessions=sessions, seed=seed + 1, out=asked)
        model = train(journey, learnt / "events", home=folder / "home", mlruns=folder / "mlruns", pictures=False).model
        truth = read_truth(asked / "truth.parquet", journey.frictions, journey.name)
        found = evaluate_diagnosis(journey, asked / "events", model, truth, refits=refits)
    return Report(
        f"Blockers against the planted truth, {sessions:,} unseen sessions of the simulated journey {name}",
        f"python -m benchmarks.diagnosis --sessions {sessions} --seed {seed}",
        [*_moments(found), *_checks(found)],
    )


def _moments(found: dict[str, Any]) -> list[Figure]:
    figures = []
    for moment, what in MOMENTS.items():
        block = found[moment]
        least = 0.72 if moment == "session_end" else block["majority"] + 0.08
        figures += [
            Figure(
                f"{what}: right blocker of the planted ones, abstaining is wrong",
                f"{block['top1']:.3f}",
                f"{least:.3f}",
            ),
            Figure(f"{what}: the same where one has to be named", f"{block['top1_forced']:.3f}"),
            Figure(f"{what}: macro-AUC", f"{block['macro_auc']:.3f}", ".87" if moment == "session_end" else ""),
            Figure(
                f"{what}: commonest, plain SHAP, z-scored counts",
                ", ".join(f"{block[rival]:.3f}" for rival in ("majority", "plain_shap_top1", "z_count_top1")),
            ),
            Figure(f"{what}: first of all frictions of the journey", f"{block['top1_all']:.3f}"),
            Figure(f"{what}: calibration error of the confidence", f"{found['confidence'][moment]['ece']:.3f}"),
        ]
    return figures


def _checks(found: dict[str, Any]) -> list[Figure]:
    stability, deletion, twice = found["stability"], found["deletion"], found["duplicated_feature"]
    return [
        Figure("false blame at 80 % recall, abandoned sessions", f"{found['false_blame_at_80']:.3f}", ".35"),
        Figure("false blame at 80 % recall, all sessions", f"{found['false_blame_at_80_all']:.3f}"),
        Figure(f"same first friction in {stability['refits']} refits", f"{stability['agreement']:.3f}"),
        Figure(
            "first friction changed by an irrelevant event", f"{stability['irrelevant_event']['changes']:.3f}", ".02"
        ),
        Figure(
            "log-odds less without the named group, a random group",
            f"{deletion['named_drop']:.3f}, {deletion['random_drop']:.3f}",
            "more",
        ),
        Figure("change of a friction's sum by a feature declared twice", f"{twice['max']:.1g}", "0"),
        Figure("right blocker when learnt from shuffled leaving", f"{found['shuffled_labels']['top1']:.3f}", "chance"),
    ]


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="ecommerce")
    parser.add_argument("--sessions", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--refits", type=int, default=5)
    Console().print(as_table(run(**vars(parser.parse_args()))))
