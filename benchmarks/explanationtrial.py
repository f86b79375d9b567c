"""Does the explanation trial tell right explanations from empty ones? Run in simulated decisions of which all is known.

    python -m benchmarks explanationtrial
    python -m benchmarks.explanationtrial --seeds 3

The trial as the service runs it decides about each simulated person: with the blockers that the diagnosis names, and
again with the same names dealt out to the people anew, so that they say nothing. What comes of it is drawn from the
world's true probabilities; the gap and its interval are what a marketer would read.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from benchmarks.policies import JOURNEY, set_up, train_model
from benchmarks.policy_learners import Setup
from benchmarks.report import Figure, Report
from benchmarks.spread import spread
from decisions.diagnosis import NOTHING, Blocker, first_blockers
from decisions.eligibility import Eligibility
from decisions.experiments import explanation_trial
from decisions.layers import BUCKETS
from decisions.policy import PolicySettings, PriorPolicy, Situation
from decisions.risk import RiskModel
from decisions.trial import Moment, RunningExperiment, decide_among
from features.events import IntArray
from insights.experiments.explanation_trial import explanation_gap
from insights.intervals import Estimate
from training.simulator.deciding import draw_points
from training.simulator.decision_points import DecisionPoints
from training.simulator.remedies import deciding_world, without_effects
from training.simulator.world import World

SESSIONS = 120_000
"""Of a seed: some 20,000 decisions, of which those are in the trial in whom two blockers could be treated."""
NAMED, SHUFFLED, NOTHING_WORKS = "named by the diagnosis", "names dealt out anew", "nothing works"


@dataclass(slots=True)
class Measured:
    """By what was named, a figure for each seed."""

    gaps: dict[str, list[Estimate]] = field(default_factory=dict)
    plain: dict[str, list[float]] = field(default_factory=dict)
    people: dict[str, list[float]] = field(default_factory=dict)
    against_nothing: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


def run(seeds: int = 10, model: RiskModel | None = None, sessions: int = SESSIONS) -> Report:
    """Run the trial on so many simulated populations."""
    model = model or train_model()
    setup, found = set_up(model), Measured()
    for seed in range(1, seeds + 1):
        _measure(found, setup, model, deciding_world(JOURNEY), seed, sessions)
    return _report(found, seeds)


def _measure(found: Measured, setup: Setup, model: RiskModel, world: World, seed: int, sessions: int) -> None:
    rng = np.random.default_rng([seed, 7])
    points = draw_points(setup.journey, model, sessions=sessions, seed=seed, world=world)
    named = first_blockers(points.situations.confidence)
    shuffled = named.copy()
    known = np.flatnonzero(named != NOTHING)
    shuffled[known] = named[rng.permutation(known)]
    _trial(found, NAMED, setup, points, named, rng)
    _trial(found, SHUFFLED, setup, points, shuffled, rng)
    idle = draw_points(setup.journey, model, sessions=sessions, seed=seed, world=without_effects(world))
    _trial(found, NOTHING_WORKS, setup, idle, first_blockers(idle.situations.confidence), rng)


def _trial(
    found: Measured, what: str, setup: Setup, points: DecisionPoints, named: IntArray, rng: np.random.Generator
) -> None:
    running = RunningExperiment(explanation_trial("Research"), ((0, BUCKETS),))
    frictions = {friction.name: friction for friction in setup.journey.frictions}
    options = points.situations.options
    people: list[tuple[str, str, str, int, int]] = []
    for place in np.flatnonzero(named != NOTHING).tolist():
        blocker = points.situations.frictions[named[place]]
        allowed = tuple(one for one in setup.interventions if points.eligible[place, options.index(one.name)])
        moment = Moment(
            setup.journey.name,
            f"{what} {points.situations.units[place]}",
            str(points.situations.decision_ids[place]),
            Situation(None, 1.0, (Blocker(frictions[blocker], 1.0, 1.0, ()),), {}),
            Eligibility(allowed, {}),
            partial(Eligibility, allowed, {}),
            _no_cohort,
            PriorPolicy(PolicySettings(setup.journey.policy.goal_value)),
            PolicySettings(setup.journey.policy.goal_value, only_matching=False),
        )
        chosen = decide_among((running,), moment)
        if chosen.met:
            met, shown = chosen.met[0], chosen.option.name if chosen.option else options[0]
            people.append((met.variant, blocker, met.other_blocker or "", place, options.index(shown)))
    variant, one, other = (np.array([row[column] for row in people], object) for column in (0, 1, 2))
    goal = points.true_goal[[row[3] for row in people], [row[4] for row in people]]
    reached = (rng.random(len(people)) < goal).astype(np.float64)
    treated = variant != "nothing"
    gap, _ = explanation_gap(one[treated], other[treated], variant[treated] == "named", reached[treated])
    if gap is not None:
        found.gaps.setdefault(what, []).append(gap)
    rates = {name: float(reached[variant == name].mean()) for name in ("nothing", "named", "other")}
    found.plain.setdefault(what, []).append(rates["named"] - rates["other"])
    found.people.setdefault(what, []).append(float(len(people)))
    against = rates["named"] - rates["nothing"], rates["other"] - rates["nothing"]
    found.against_nothing.setdefault(what, []).append(against)


def _no_cohort(_name: str) -> float:
    return float("nan")


def _report(found: Measured, seeds: int) -> Report:
    figures = []
    for what, gaps in found.gaps.items():
        above = sum(gap.low > 0 for gap in gaps)
        covers = sum(gap.low <= 0 <= gap.high for gap in gaps)
        named, other = zip(*found.against_nothing[what], strict=True)
        figures += [
            Figure(f"{what}: gap, points", _points([gap.value for gap in gaps]), _BARS[what]),
            Figure(f"{what}: trials whose 95 % interval is above 0 / holds 0", f"{above} / {covers} of {len(gaps)}"),
            Figure(f"{what}: the two arms as they are, points", _points(found.plain[what])),
            Figure(f"{what}: named, other against nothing, points", f"{_points(named)}; {_points(other)}"),
            Figure(f"{what}: people in a trial", f"{np.mean(found.people[what]):,.0f}"),
        ]
    return Report(
        f"The explanation trial, {seeds} simulated populations", "python -m benchmarks explanationtrial", figures
    )


_BARS = {NAMED: "above 0", SHUFFLED: "about 0", NOTHING_WORKS: "about 0"}


def _points(values: Sequence[float]) -> str:
    mean, half = spread([100 * value for value in values])
    return f"{mean:+.2f} ± {half:.2f}"


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    chosen = parser.parse_args()
    Console(width=120).print(as_table(run(chosen.seeds, sessions=chosen.sessions)))
