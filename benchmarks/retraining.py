"""How to learn the risk that nothing is done from a log in which something was: ``python -m benchmarks.retraining``.

In two simulated worlds with strong interventions, four ways to treat the treated sessions are judged where it counts:
in the same world without any intervention.
"""

import argparse
import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from lightgbm import Booster

from benchmarks.report import Figure, Report
from decisions.calibration import Calibrator
from features.build import build
from features.events import EncodedLog, FloatArray, IntArray
from features.plan import Plan, compile_plan
from features.read_log import read_log
from features.vocabulary import Vocabulary
from journeys.ends import SessionEnds, find_ends
from journeys.journey import Journey
from journeys.load import load_journey
from training.calibrate import calibrate
from training.cutoffs import after_every_event, training_cutoffs
from training.fit import Rows, Settings, fit
from training.labels import label
from training.metrics import measure, session_weights
from training.simulator.log import to_events
from training.simulator.shop import SHOP
from training.simulator.simulate import Chunk, draw
from training.simulator.walk import ONWARD
from training.simulator.world import World
from training.treatments import Treatments, shown_in_log

TREES = 100
SETTINGS = Settings(learning_rate=0.1)
"""Fast enough for so few trees not to be drawn to the base rate."""
DECIDED = 0.625
"""How often the simulated log decides where it can; about half of these entries are then treated."""
HOLDOUT, EXPLORED = 0.05, 0.04
SIGNS = ("hide_tab", "exit_intent", "form_error")
"""What a targeted policy waits for; it goes with leaving."""


def strong(decided: float) -> World:
    """Return the shop with interventions that work on everybody."""
    remedies = tuple(replace(remedy, leave=-0.5, advance=0.8) for remedy in SHOP.remedies)
    return replace(SHOP, remedies=remedies, decide_at=dict.fromkeys(SHOP.decide_at, decided))


@dataclass(frozen=True)
class Points:
    """The decisions of a chunk: session, event, whether a sign was seen, the odds of nothing, and whether treated."""

    session: IntArray
    event: IntArray
    sign: np.ndarray
    nothing: FloatArray
    treated: np.ndarray


@dataclass(frozen=True)
class Made:
    """A log as under one policy, with all that is known about its decisions."""

    log: EncodedLog
    ends: SessionEnds
    end_us: int
    treatments: Treatments
    importance: FloatArray
    """(S,) how often each session would have come under the policy."""


def decision_points(world: World, chunk: Chunk) -> Points:
    """Return where the simulator decided, or could have."""
    walks = chunk.walks
    session = np.repeat(np.arange(chunk.visits.session_count), np.diff(walks.starts))
    deciding = [place for place, stage in enumerate(world.places) if stage.name in world.decide_at]
    before = np.append(0, walks.remedy[:-1])
    before[walks.starts[:-1]] = 0
    at = np.flatnonzero((walks.move == ONWARD) & np.isin(walks.stage, deciding) & (before == 0))
    signs = np.cumsum(np.isin(walks.code, [world.names.index(name) for name in SIGNS]))
    seen = signs[at] - np.append(0, signs)[walks.starts[session[at]]] > 0
    options = {
        place: sum(stage.name in remedy.stages for remedy in world.remedies) for place, stage in enumerate(world.places)
    }
    count = np.array([options[int(place)] for place in walks.stage[at]])
    return Points(session[at], at, seen, 1 - DECIDED * count / (count + 1), walks.remedy[at] > 0)


def odds_drawn(points: Points, _holdout: np.ndarray) -> FloatArray:
    """Return the probability of nothing where treatment is drawn."""
    return points.nothing


def odds_targeted(points: Points, _holdout: np.ndarray) -> FloatArray:
    """Return the probability of nothing where a sign makes treatment likely."""
    return np.where(points.sign, 0.15, 0.85)


def odds_served(points: Points, holdout: np.ndarray) -> FloatArray:
    """Return the probability of nothing as the service decides: always at a sign, but for holdout and exploration."""
    return np.where(points.sign & ~holdout, EXPLORED, 1.0)


def odds_never(points: Points, _holdout: np.ndarray) -> FloatArray:
    """Return the probability of nothing where nobody is treated: what all ways would like to have learnt from."""
    return np.ones(len(points.session))


POLICIES: dict[str, Callable[[Points, np.ndarray], FloatArray]] = {
    "drawn": odds_drawn,
    "targeted": odds_targeted,
    "as served": odds_served,
    "never": odds_never,
}


def make(folder: Path, plan: Plan, journey: Journey, sessions: int, seed: int, policy: str | None) -> Made:
    """Simulate with drawn treatments, and weigh sessions so that they are distributed as if the policy had decided."""
    world = strong(0.0 if policy is None else DECIDED)
    [chunk] = draw(world, sessions=sessions, seed=seed)
    pq.write_table(to_events(world, chunk.visits, chunk.walks, 0, chunk.rng), folder / "log.parquet")
    with read_log(folder / "log.parquet", plan, timeout_seconds=journey.session_timeout_seconds) as read:
        log, end_us = read.whole(), read.summary.last_at_us
    empty = np.array([], np.int64)
    if policy is None:
        nobody = Treatments(shown_in_log(log), empty, empty, np.array([]))
        return Made(log, find_ends(plan, log, journey, end_us), end_us, nobody, np.ones(log.session_count))
    points = decision_points(world, chunk)
    in_holdout = np.random.default_rng(seed).random(int(chunk.visits.visitor.max()) + 1) < HOLDOUT
    nothing = POLICIES[policy](points, in_holdout[chunk.visits.visitor[points.session]])
    ratio = np.where(points.treated, (1 - nothing) / (1 - points.nothing), nothing / points.nothing)
    importance = np.ones(sessions)
    np.multiply.at(importance, points.session, ratio)
    place = np.argsort(np.array([int(name[1:]) for name in log.session_ids]))
    at_us = chunk.visits.started_us[points.session] + _since(chunk)[points.event]
    served = policy == "as served"
    odds = np.where(points.sign, EXPLORED, 1.0) if served else nothing
    known = Treatments(shown_in_log(log), place[points.session], at_us, odds, HOLDOUT if served else 0.0)
    in_log_order = importance[[int(name[1:]) for name in log.session_ids]]
    return Made(log, find_ends(plan, log, journey, end_us), end_us, known, in_log_order)


def _since(chunk: Chunk) -> IntArray:
    since = np.cumsum(chunk.walks.gap_us)
    starts = chunk.walks.starts
    return since - np.repeat(since[starts[:-1]], np.diff(starts))


def learn(plan: Plan, journey: Journey, made: Made, way: str) -> tuple[Vocabulary, Booster, Calibrator]:
    """Return a model that is fitted and calibrated on different visitors, with one way to treat the treated."""
    ends, treatments = made.ends, made.treatments
    censored = treatments.censor(ends)
    if way == "only earlier rows":
        session = np.repeat(np.arange(made.log.session_count), np.diff(made.log.starts))
        before = made.log.at_us <= treatments.treated_us[session]
        earlier = np.bincount(session[before], minlength=made.log.session_count)
        censored = replace(ends, usable=np.minimum(ends.usable, earlier))
    chosen = ends if way == "as they ended" else censored
    cutoffs = training_cutoffs(
        plan, made.log, np.where(np.isnan(chosen.outcome), 0, chosen.usable), journey.idle_ticks_seconds, made.end_us
    )
    weights = made.importance[cutoffs.session]
    if way == "left out, weighted":
        weights = weights * treatments.weights(ends)[cutoffs.session]
    features = build(plan, made.log, cutoffs)
    rows = Rows(features, label(chosen, cutoffs, None, made.end_us), cutoffs.after, weights)
    usable = weights > 0
    watching = np.array([zlib.crc32(name.encode()) % 10 < 3 for name in made.log.visitor_ids])[cutoffs.session]
    # As in a training: what is calibrated on are rows right after an event.
    awake = cutoffs.at_us == made.log.at_us[made.log.starts[cutoffs.session] + cutoffs.after - 1]
    fitting, calibrating = rows.take(usable & ~watching), usable & watching & awake
    vocabulary = Vocabulary.learn(journey.table, fitting.features)
    booster = fit(journey.table, vocabulary, fitting, SETTINGS, seed=1, threads=1, trees=TREES)
    seen = vocabulary.apply(features[calibrating])
    margins = np.asarray(booster.predict(seen, raw_score=True, num_threads=1))
    calibrator, _ = calibrate(margins, rows.labels[calibrating], cutoffs.session[calibrating], weights[calibrating])
    return vocabulary, booster, calibrator


WAYS = ("as they ended", "only earlier rows", "left out", "left out, weighted")


def run(sessions: int = 30_000, seed: int = 1) -> Report:
    """Measure all of it."""
    journey = load_journey("ecommerce")
    plan = compile_plan(journey.table)
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        untreated = make(Path(folder), plan, journey, 15_000, seed + 100, None)
        cutoffs = after_every_event(untreated.log, np.where(np.isnan(untreated.ends.outcome), 0, untreated.ends.usable))
        truth = Rows(
            build(plan, untreated.log, cutoffs), label(untreated.ends, cutoffs, None, untreated.end_us), cutoffs.after
        )
        stage = truth.features[:, plan.feature_names.index("stage_index")]
        for policy in POLICIES:
            made = make(Path(folder), plan, journey, sessions, seed, policy)
            treated = float(np.average(made.treatments.treated_us < made.ends.end_us, weights=made.importance))
            for way in WAYS if policy != "never" else WAYS[:1]:
                vocabulary, booster, calibrator = learn(plan, journey, made, way)
                margins = booster.predict(vocabulary.apply(truth.features), raw_score=True, num_threads=1)
                risks = calibrator.apply(np.asarray(margins))
                once = session_weights(cutoffs.session)
                loss = measure(truth.labels, risks, cutoffs.session, once)["log_loss"]
                late = stage >= 2
                gap = np.average(risks[late] - truth.labels[late])
                late_loss = measure(truth.labels[late], risks[late], cutoffs.session[late])["log_loss"]
                figures.append(
                    Figure(
                        f"{policy} ({treated:.0%} treated): {way}",
                        f"log loss {loss:.4f}; from the basket on {late_loss:.4f}, risk less outcome {gap:+.3f}",
                    )
                )
                print(figures[-1], file=sys.stderr, flush=True)
    return Report("Retraining with treated sessions", f"python -m benchmarks.retraining --sessions {sessions}", figures)


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=1)
    Console().print(as_table(run(**vars(parser.parse_args()))))
