"""Off-policy evaluation: do the intervals cover the truth, and are the estimates unbiased?

    python -m benchmarks offpolicy

Draws decision points of the simulated shop, whose true values are known, and lets two policies decide about samples of
them, 500 times each: one that draws evenly, and one that samples from what it believes. Each log is asked what three
other policies would have brought. The Open Bandit part (real clicks, where it lies beside the checkout) asks the log of
a random policy for the click rate of another one that has decided on the same site.
"""

import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.open_bandit import FOLDER, bandit_figures
from benchmarks.report import Figure, Report
from decisions.bayes_policy import BayesPolicy
from decisions.off_policy.estimators import Estimator
from decisions.off_policy.evaluate import Evaluation, evaluate, nothing
from decisions.off_policy.intervals import Interval
from decisions.off_policy.priors import WeighablePriors
from decisions.off_policy.targets import deployed
from decisions.posterior import Posterior
from decisions.risk import RiskModel
from features.events import FloatArray
from journeys.load import load_journey
from storage.models import champion_folder
from training.pipeline import train
from training.simulator import simulate
from training.simulator.deciding import draw_points
from training.simulator.decision_points import DecisionPoints

REPLICATIONS, DECISIONS = 500, 5_000
EXPLORATION = 0.04


@dataclass(frozen=True, slots=True)
class Covered:
    """How often intervals held the truth and were too low, the bias in standard errors, mean width and error."""

    coverage: float
    below: float
    bias: float
    width: float
    rmse: float


def run(sessions: int = 60_000, replications: int = REPLICATIONS) -> Report:
    """Return coverage, bias and width of every estimator; then those of the real clicks."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder, journey = Path(name), load_journey("ecommerce")
        simulate("ecommerce", sessions=24_000, seed=7, out=folder)
        train(journey, folder / "events", home=folder / "home", mlruns=folder / "mlruns")
        model = RiskModel.load(champion_folder(folder / "home", journey.name), journey.table)
        points = draw_points(journey, model, sessions=sessions, seed=11)
    figures = list[Figure]()
    for logging, odds in logging_policies(points).items():
        for target, wanted in targets(points).items():
            found = cover(points, odds, wanted, replications=replications, decisions=DECISIONS, seed=5)
            figures += _figures(f"{target}, from decisions {logging}", found)
            console.print(*(f"{one.what}: {one.value}" for one in figures[-len(Estimator) :]), sep="\n")
    if FOLDER.is_dir():
        figures += bandit_figures()
    title = f"Off-policy evaluation: {replications} logs of {DECISIONS:,} decisions"
    return Report(title, "python -m benchmarks offpolicy", figures)


def logging_policies(points: DecisionPoints) -> Mapping[str, FloatArray]:
    """Return the odds of the policies that decide: evenly, by the priors and chance, and by sampling from beliefs."""
    journey, situations = points.journey, points.situations
    priors = WeighablePriors(journey.policy, journey.interventions)
    posterior = Posterior.start(journey.interventions, journey.policy, situations.stages, situations.frictions)
    sampling = BayesPolicy(posterior, journey.interventions, journey.policy, "bench-1")
    even = situations.propensities
    return {
        "drawn evenly": even,
        "by the priors, one in five drawn evenly": 0.8 * priors.best(situations) + 0.2 * even,
        "by sampling from what is believed": deployed(sampling, situations, EXPLORATION),
    }


def targets(points: DecisionPoints) -> Mapping[str, FloatArray]:
    """Return the policies that are asked about (N, A)."""
    journey, situations = points.journey, points.situations
    priors = WeighablePriors(journey.policy, journey.interventions)
    best = np.zeros(situations.propensities.shape)
    best[np.arange(len(points)), points.known_net.argmax(axis=1)] = 1.0
    return {
        "the best policy": best,
        "the priors": deployed(priors, situations, EXPLORATION),
        "doing nothing": nothing(situations),
    }


def cover(
    points: DecisionPoints, odds: FloatArray, target: FloatArray, *, replications: int, decisions: int, seed: int
) -> Mapping[Estimator, Covered]:
    """Return how every estimator of the net value fares over logs about people drawn anew, with replacement."""
    truth = points.value(target)
    found: dict[Estimator, list[Interval]] = {estimator: [] for estimator in Estimator}
    for evaluation in _evaluations(points, odds, target, replications, decisions, seed):
        for one in evaluation.net_value:
            found[one.estimator].append(one.value)
    return {estimator: _covered(intervals, truth) for estimator, intervals in found.items()}


def _evaluations(
    points: DecisionPoints, odds: FloatArray, target: FloatArray, replications: int, decisions: int, seed: int
) -> Iterator[Evaluation]:
    rng = np.random.default_rng(seed)
    people, place = np.unique(points.situations.units, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(people) + 1))
    for _ in range(replications):
        drawn = rng.integers(0, len(people), round(decisions * len(people) / len(points)))
        rows = np.concatenate([order[starts[one] : starts[one + 1]] for one in drawn])
        # Who is drawn twice counts as two people.
        units = np.repeat(np.arange(len(drawn)), starts[drawn + 1] - starts[drawn])
        logged = points.take(rows).log(odds[rows], rng, "bench")
        counted = replace(logged, units=units)
        yield evaluate(counted, target[rows], points.journey.interventions, points.journey.policy)


def _covered(intervals: list[Interval], truth: float) -> Covered:
    values = np.array([one.value for one in intervals])
    low, high = (np.array([getattr(one, end) for one in intervals]) for end in ("low", "high"))
    return Covered(
        coverage=float(((low <= truth) & (truth <= high)).mean()),
        below=float((high < truth).mean()),
        bias=float((values.mean() - truth) / values.std(ddof=1)),
        width=float((high - low).mean()),
        rmse=math.sqrt(float(((values - truth) ** 2).mean())),
    )


def _figures(what: str, found: Mapping[Estimator, Covered]) -> Iterator[Figure]:
    for estimator, one in found.items():
        bar = "coverage .92-.98; bias below .2" if estimator is Estimator.DR else ""
        yield Figure(
            f"{what}: {estimator}",
            f"covers {one.coverage:.3f} ({one.below:.3f} too low), bias {one.bias:+.2f} errors, width {one.width:.3f}, "
            f"rmse {one.rmse:.3f}",
            bar,
        )
