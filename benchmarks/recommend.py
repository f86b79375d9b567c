"""What a policy costs a request: `/v1/recommend` under each kind of policy, in one run on one service after the other.

    python -m benchmarks recommend
    python -m benchmarks.recommend --home .dropoff      # with a champion that is there already

The journey lets every question reach the policy: no risk is low, all interventions of a stage are eligible, and nothing
that was shown holds others back. So every answer assesses some ten options, more than a real shop asks for.
"""

import argparse
import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import httpx
import numpy as np
from rich.console import Console

from benchmarks.report import Figure, Report, as_table
from benchmarks.service import ROOT, serving
from benchmarks.serving import drive
from decisions.logged import LoggedDecisions, WeighablePolicy
from decisions.off_policy.priors import WeighablePriors
from decisions.option_rows import OptionRows
from decisions.policy_files import save_policy
from features.vocabulary import Vocabulary
from journeys.journey import Journey
from journeys.load import load_journey
from journeys.policies import declared_policy, ground_of
from storage.policies import point_live, publish_policy
from training.pipeline import train
from training.simulator import simulate
from training.uplift.learners import learn_uplift

JOURNEY = ROOT / "benchmarks" / "eager_shop.py"
ROUTE = "/v1/recommend"
BAR = 1.2
"""A policy that learns may take so many times as long as the declared effects."""


def run(sessions: int = 24_000) -> Report:
    """Train on a simulated log as the demo does, and drive the service with each policy in turn, several times over."""
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        simulate("ecommerce", sessions=sessions, seed=7, out=folder)
        train(load_journey("ecommerce"), folder / "events", home=folder / "home", mlruns=folder / "mlruns")
        return report(measure(folder / "home"))


def policies() -> Mapping[str, Callable[[Journey], WeighablePolicy]]:
    """Return what publishes each policy that is compared, the one that the others are compared with first."""
    return {
        "priors": lambda journey: WeighablePriors(journey.policy, journey.interventions),
        "bayes": lambda journey: replace(declared_policy(journey), version="bayes"),
        "uplift": _uplift,
    }


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds: the request's median and 99th percentile, and the mean of the step that diagnoses and decides."""

    p50: float
    p99: float
    decide: float


def _uplift(journey: Journey) -> WeighablePolicy:
    """Return boosted models of as many members as are published, learnt from made-up decisions."""
    source, count = np.random.default_rng(1), 20_000
    ground, options = ground_of(journey), len(journey.interventions) + 1
    texts = np.array([str(number) for number in range(count)], object)
    logged = LoggedDecisions(
        options=("nothing", *(one.name for one in journey.interventions)),
        stages=ground.stages,
        frictions=ground.frictions,
        decision_ids=texts,
        session_ids=texts,
        units=np.arange(count),
        at_us=np.arange(count),
        stage=source.integers(0, len(ground.stages), count),
        risk=source.uniform(0.5, 1.0, count),
        confidence=source.dirichlet(np.ones(len(ground.frictions) + 1), count)[:, 1:],
        chosen=source.integers(0, options, count),
        propensities=np.full((count, options), 1.0 / options),
        converted=(source.random(count) < 0.1).astype(np.float64),
        holdout=np.zeros(count, np.bool_),
        policy_versions=texts,
    )
    rows = OptionRows.of(ground.interventions, ground.stages, ground.frictions, None, Vocabulary({}))
    return learn_uplift(logged, rows, ground.interventions, ground.settings, version="uplift")


def measure(home: Path, rounds: int = 3, rate: float = 60.0, seconds: float = 10.0) -> Mapping[str, Cost]:
    """Return what requests cost under each policy: the median over rounds."""
    journey = load_journey(str(JOURNEY))
    cores = sorted(os.sched_getaffinity(0))
    seen: dict[str, list[Cost]] = {name: [] for name in policies()}
    with tempfile.TemporaryDirectory(prefix="dropoff-bench-") as name:
        copied = Path(name) / "home"
        shutil.copytree(home / "models", copied / "models")
        for policy, made in policies().items():
            publish_policy(copied, journey.name, policy, partial(save_policy, policy=made(journey)))
        for number in range(rounds):
            for policy, costs in seen.items():
                point_live(copied, journey.name, policy)
                folder = Path(name) / f"{policy}-{number}"
                folder.mkdir()
                with serving(str(JOURNEY), copied, folder, cores[0]) as (port, _):
                    found = drive(str(JOURNEY), port, rate=rate, seconds=seconds, core=cores[-1], only=ROUTE)
                    decide = _mean_step(port, "decide")
                row = found["routes"][ROUTE]
                costs.append(Cost(row["p50_ms"], row["p99_ms"], decide))
    return {
        policy: Cost(*(statistics.median(getattr(cost, name) for cost in costs) for name in Cost.__dataclass_fields__))
        for policy, costs in seen.items()
    }


def report(measured: Mapping[str, Cost]) -> Report:
    """Return what was measured as figures, with each policy's ratio to the first."""
    (base, first), *others = measured.items()
    figures = [_said(base, first)]
    for policy, cost in others:
        ratios = f"{cost.p50 / first.p50:.2f} x, {cost.p99 / first.p99:.2f} x"
        figures += [_said(policy, cost), Figure(f"{policy} against {base}: p50, p99", ratios, f"{BAR} x")]
    return Report(
        "What a policy costs `/v1/recommend`, where every answer asks it", "python -m benchmarks recommend", figures
    )


def _said(policy: str, cost: Cost) -> Figure:
    value = f"{cost.p50:.2f} ms, {cost.p99:.2f} ms, {cost.decide:.3f} ms"
    return Figure(f"{policy}: p50, p99, and of it diagnosing and deciding", value)


def _mean_step(port: int, step: str) -> float:
    lines = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text.splitlines()

    def read(part: str) -> float:
        wanted = f'dropoff_model_seconds_{part}{{step="{step}"}}'
        return float(next(line for line in lines if line.startswith(wanted)).split()[1])

    return 1_000 * read("sum") / read("count")


def main() -> None:
    """Measure with the champion of a home folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(".dropoff"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    Console().print(as_table(report(measure(given.home, given.rounds, seconds=given.seconds))))


if __name__ == "__main__":
    main()
