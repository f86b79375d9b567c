"""What is learnt of interventions, on simulated decisions whose every option is known.

    python -m benchmarks policies
    python -m benchmarks.policies --seeds 10 --json policies.json --picture policies.png

Uplift share: (value - value of never acting) / (value of the best policy on what is visible - value of never acting),
in true net value, exploration apart, on people whom the policy has never seen. Each seed is another log; one risk
model, trained on a log of its own, serves all. Where nothing works and where interventions drive people away, the value
is compared with never acting.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.policy_learners import REFERENCES, SHIPPED, Setup
from benchmarks.policy_online import Online, decide_online
from benchmarks.report import Figure, Report
from benchmarks.spread import spread
from decisions.risk import RiskModel
from features.events import FloatArray
from journeys.load import load_journey
from training.pipeline import train
from training.simulator import simulate
from training.simulator.deciding import draw_points
from training.simulator.decision_points import DecisionPoints
from training.simulator.remedies import deciding_world, with_harm, without_effects
from training.simulator.world import World

JOURNEY = "ecommerce"
SIZES = (5_000, 20_000, 80_000)
BARS = {5_000: ".60", 20_000: ".75", 80_000: ".82"}
ONLINE_DECISIONS = 50_000
HARM_DECISIONS = 20_000
HARM_FACTOR = 7.0
BUDGET = 0.2
FRESH = 12_000
"""Points on which a policy is measured."""
_TRAINED_SESSIONS, _TRAINED_SEED = 30_000, 1_001
_POINTS_A_SESSION = 0.185
"""Some sessions never get as far as a decision; a little fewer points than there are."""
NOTHING_WORKS, SLEEPING_DOGS = "nothing works", f"sleeping dogs x {HARM_FACTOR:g}"


@dataclass(slots=True)
class Measured:
    """Figures by seed: of each learner and size the uplift shares, and so on."""

    shares: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    budget: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    harm: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    acts: dict[str, list[float]] = field(default_factory=dict)
    online: list[Online] = field(default_factory=list)
    online_harm: dict[str, list[Online]] = field(default_factory=dict)
    world: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0


def run(
    seeds: int = 10,
    first_seed: int = 1,
    sizes: Sequence[int] = SIZES,
    json_path: Path | None = None,
    picture: Path | None = None,
) -> Report:
    """Measure on so many seeds; some ten minutes of a core and 1 GB of memory each."""
    measured = measure(range(first_seed, first_seed + seeds), train_model(), sizes)
    if json_path is not None:
        json_path.write_text(json.dumps(as_json(measured), indent=1) + "\n", encoding="utf-8")
    if picture is not None:
        from benchmarks.policy_picture import draw_policies

        draw_policies(measured, picture)
    return report(measured, seeds)


def train_model() -> RiskModel:
    """Return the risk model that serves all seeds, from a log of its own."""
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        simulate(JOURNEY, sessions=_TRAINED_SESSIONS, seed=_TRAINED_SEED, out=folder)
        home, mlruns = folder / "home", folder / "mlruns"
        return train(load_journey(JOURNEY), folder / "events", home=home, mlruns=mlruns, pictures=False).model


def set_up(model: RiskModel) -> Setup:
    """Return the journey in which whatever the stage allows may be offered: what works for whom is learnt."""
    journey = load_journey(JOURNEY)
    journey = replace(journey, policy=replace(journey.policy, only_matching=False))
    known = {one.name: one for one in journey.interventions}
    remedies = deciding_world(journey.name).remedies
    return Setup(journey, tuple(known[remedy.name] for remedy in remedies), model.vocabulary)


def measure(seeds: Sequence[int], model: RiskModel, sizes: Sequence[int] = SIZES) -> Measured:
    """Return the figures of every seed."""
    began = time.perf_counter()
    setup, world, found = set_up(model), deciding_world(JOURNEY), Measured()
    for seed in seeds:
        _learn_on(found, setup, model, world, seed, sizes)
        _do_no_harm(found, setup, model, NOTHING_WORKS, without_effects(world), seed)
        _do_no_harm(found, setup, model, SLEEPING_DOGS, with_harm(world, HARM_FACTOR), seed)
    found.seconds = time.perf_counter() - began
    return found


def _draw(setup: Setup, model: RiskModel, world: World, count: int, seed: int) -> DecisionPoints:
    sessions = int(count / _POINTS_A_SESSION)
    return draw_points(setup.journey, model, sessions=sessions, seed=seed, world=world)


def _learn_on(found: Measured, setup: Setup, model: RiskModel, world: World, seed: int, sizes: Sequence[int]) -> None:
    pool = _draw(setup, model, world, max(*sizes, ONLINE_DECISIONS), 10 * seed)
    fresh = _draw(setup, model, world, FRESH, 10 * seed + 1)
    for name, share in _of_world(fresh).items():
        found.world.setdefault(name, []).append(share)
    # Who was drawn into the log is drawn anew for each seed, not each size: a smaller log is part of a larger one.
    rng = np.random.default_rng([seed, 5])
    logged = pool.log_uniformly(rng)
    order = rng.permutation(len(pool))
    for size in sizes:
        taught = logged.take(np.sort(order[:size]))
        for name, learner in (REFERENCES | SHIPPED).items():
            gains = learner(setup, taught)(fresh.situations)
            chosen = gains.argmax(axis=1)
            found.shares.setdefault((name, size), []).append(fresh.uplift_share(fresh.value_of(chosen)))
            found.budget.setdefault((name, size), []).append(_with_budget(fresh, gains))
    found.online.append(decide_online(setup, pool.take(np.arange(ONLINE_DECISIONS)), seed=seed))


def _with_budget(fresh: DecisionPoints, gains: FloatArray) -> float:
    """Return the uplift of serving a fifth by somebody's gains, as a share of doing so by what can be known at best."""
    known = fresh.known_net - fresh.known_net[:, :1]
    value, best = (fresh.value_of(fresh.knapsack(expected, BUDGET)) for expected in (gains, known))
    return (value - fresh.never) / (best - fresh.never)


def _do_no_harm(found: Measured, setup: Setup, model: RiskModel, name: str, world: World, seed: int) -> None:
    pool = _draw(setup, model, world, HARM_DECISIONS, 10 * seed + 2)
    fresh = _draw(setup, model, world, FRESH, 10 * seed + 3)
    logged = pool.log_uniformly(np.random.default_rng([seed, 6]))
    for learner, learn in (REFERENCES | SHIPPED).items():
        chosen = learn(setup, logged)(fresh.situations).argmax(axis=1)
        found.harm.setdefault((learner, name), []).append(fresh.value_of(chosen) / fresh.never - 1.0)
        if name == NOTHING_WORKS:
            found.acts.setdefault(learner, []).append(float((chosen > 0).mean()))
    found.online_harm.setdefault(name, []).append(decide_online(setup, pool, seed=seed))


def _of_world(points: DecisionPoints) -> Mapping[str, float]:
    singles = [
        points.uplift_share(points.value_of(np.where(points.eligible[:, option], option, 0)))
        for option in range(1, points.eligible.shape[1])
    ]
    return {
        "never acting / best on what is visible": points.never / points.best,
        "best single option, in hindsight": max(singles),
        "best on all that is latent": points.uplift_share(points.value_of(points.true_net.argmax(axis=1))),
        **{str(segment): share for segment, share in points.segments().items()},
    }


def report(measured: Measured, seeds: int) -> Report:
    """Return the figures as a table."""
    figures = [Figure(name, _told(values)) for name, values in measured.world.items()]
    for (name, size), values in measured.shares.items():
        bar = BARS.get(size, "") if name in SHIPPED else ""
        figures.append(Figure(f"{name}: uplift share from {size:,} decisions", _told(values), bar))
    for (name, size), values in measured.budget.items():
        if size == 20_000 or len({one for _name, one in measured.budget}) == 1:
            bar = ".85" if name in SHIPPED else ""
            figures.append(Figure(f"{name}: a fifth served, from {size:,}", _told(values), bar))
    shares = [online.share for online in measured.online]
    figures.append(Figure(f"online, {ONLINE_DECISIONS:,} decisions: 1 - regret / (best - never)", _told(shares), ".50"))
    for (name, world), values in measured.harm.items():
        mean, half = spread(values)
        bar = "-0.3 %" if name in SHIPPED else ""
        figures.append(
            Figure(
                f"{world}, {name}: net value against never acting, lower 95 % bound",
                f"{mean:+.2%}, {mean - half:+.2%}",
                bar,
            )
        )
    figures += [
        Figure(f"nothing works, {name}: acts", _told(values, percent=True), "5 %" if name in SHIPPED else "")
        for name, values in measured.acts.items()
    ]
    for world, runs in measured.online_harm.items():
        values = [float(one.value.mean() / one.never.mean()) - 1.0 for one in runs]
        beyond = [float((one.acted - one.explored).mean()) for one in runs]
        figures += [
            Figure(f"{world}, online with exploration: net value against never acting", _told(values, percent=True)),
            Figure(f"{world}, online: acts beyond exploration", _told(beyond, percent=True)),
        ]
    figures.append(Figure("seconds a seed", f"{measured.seconds / seeds:,.0f}"))
    return Report(
        f"Policies learnt from simulated decisions, {seeds} seeds (mean, 95 % interval over seeds)",
        f"python -m benchmarks.policies --seeds {seeds}",
        figures,
    )


def _told(values: Sequence[float], *, percent: bool = False) -> str:
    mean, half = spread(values)
    return f"{mean:.2%} +- {half:.2%}" if percent else f"{mean:.3f} +- {half:.3f}"


def as_json(measured: Measured) -> dict[str, Any]:
    """Return every seed's figure."""
    return {
        "world": measured.world,
        "uplift_share": {f"{name}, {size}": values for (name, size), values in measured.shares.items()},
        "budget": {f"{name}, {size}": values for (name, size), values in measured.budget.items()},
        "harm": {f"{name}, {world}": values for (name, world), values in measured.harm.items()},
        "acts_where_nothing_works": measured.acts,
        "online": [one.share for one in measured.online],
        "online_by_batch": [
            ((one.value - one.never) / (one.best - one.never).mean()).tolist() for one in measured.online
        ],
        "seconds": measured.seconds,
    }


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--json", type=Path, dest="json_path")
    parser.add_argument("--picture", type=Path)
    Console().print(as_table(run(**vars(parser.parse_args()))))
