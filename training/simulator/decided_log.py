"""A log of sessions with one randomised decision in each that can have one, and the decisions beside it.

The sessions really go on under what was chosen: what is shown is in the log, and so is what came of it.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from decisions.logged_files import write_decisions
from decisions.risk import RiskModel
from features.events import FloatArray, IntArray
from journeys.journey import Journey
from training.simulator.deciding import decide, read_points
from training.simulator.decision_points import UNIFORM, DecisionPoints, join_points
from training.simulator.points import NEVER
from training.simulator.remedies import deciding_world
from training.simulator.rules import Rules, compile_world
from training.simulator.simulate import TIES, Chunk, simulate
from training.simulator.walk import Begin, Setting, Walks, walk_on

DECISIONS = "decisions.parquet"
_STREAM = 61
"""Keeps what is drawn about decisions apart from what is drawn about sessions."""


def simulate_decisions(
    journey: Journey,
    model: RiskModel,
    *,
    sessions: int,
    seed: int,
    out: Path,
    days: float | None = None,
    progress: Callable[[str, float], None] = lambda _phase, _fraction: None,
) -> DecisionPoints:
    """Write what :func:`training.simulator.simulate` writes and ``out/decisions.parquet``; return the decisions' truth.

    Each decision is drawn evenly among doing nothing and what the stage allows; its risk and the confidence in each
    friction are the model's at that moment. Raises :class:`training.simulator.SimulationError`.
    """
    world = deciding_world(journey.name)
    rules = compile_world(world)
    points: list[DecisionPoints] = []
    choices: list[IntArray] = []
    outcomes: list[FloatArray] = []
    moments: list[tuple[IntArray, np.typing.NDArray[np.bool_]]] = []

    def revise(chunk: Chunk) -> Chunk:
        rng = np.random.default_rng([seed, chunk.first_session, _STREAM])
        decided, eligible = decide(world, journey, chunk, rng)
        odds = eligible / np.maximum(eligible.sum(axis=1, keepdims=True), 1)
        chosen = (rng.random(len(decided))[:, None] >= np.cumsum(odds, axis=1)[:, :-1]).sum(axis=1)
        chosen[decided == NEVER] = 0
        moments.append((decided, eligible))
        choices.append(chosen[decided != NEVER])
        return show(rules, chunk, decided, chosen, odds.max(axis=1), rng)

    def on_written(chunk: Chunk, file: Path) -> None:
        decided, eligible = moments[-1]
        points.append(read_points(world, journey, model, chunk, decided, eligible, file))
        outcomes.append(chunk.walks.converted[decided != NEVER].astype(np.float64))

    (out / DECISIONS).unlink(missing_ok=True)
    simulate(
        journey.name,
        sessions=sessions,
        seed=seed,
        out=out,
        days=days,
        world=world,
        revise=revise,
        on_written=on_written,
        progress=progress,
    )
    joined = join_points(points)
    logged = replace(
        joined.situations,
        chosen=np.concatenate(choices),
        converted=np.concatenate(outcomes),
        policy_versions=np.full(len(joined), UNIFORM, object),
    )
    joined = replace(joined, situations=logged)
    joined = joined.take(np.lexsort((logged.decision_ids, logged.at_us)))
    write_decisions(joined.situations, out / DECISIONS)
    return joined


def show(
    rules: Rules, chunk: Chunk, decided: IntArray, chosen: IntArray, propensity: FloatArray, rng: np.random.Generator
) -> Chunk:
    """Return the sessions (S,) as they go on where a remedy (0 for none) is shown after the event at a place."""
    shown = np.flatnonzero((decided != NEVER) & (chosen > 0))
    walks, setting = chunk.walks, chunk.visits.setting
    at = walks.starts[shown] + decided[shown]
    begin = Begin(
        stage=walks.stage[at].astype(np.int64),
        level=walks.level[at].astype(np.int64),
        remedy=chosen[shown],
        propensity=propensity[shown],
        product=walks.product[at].astype(np.int64),
        price=walks.price[at].astype(np.float64),
        basket=walks.basket[at].astype(np.float64),
        items=walks.items[at].astype(np.int64),
        seen=decided[shown] + 1,
    )
    part = Setting(**{name: values[shown] for name, values in setting._asdict().items()})
    tails = walk_on(rules, part._replace(openings=np.full_like(part.openings, -1)), begin, TIES, rng)
    joined = _joined(walks, tails, shown, decided[shown] + 1)
    # What comes next comes later, so that the moment says what was seen; a pause of people lasts for a millisecond.
    asked = np.flatnonzero((decided != NEVER) & (np.diff(joined.starts) > decided + 1))
    following = joined.starts[asked] + decided[asked] + 1
    joined.gap_us[following] = np.maximum(joined.gap_us[following], 1)
    return replace(chunk, walks=joined)


def _joined(walks: Walks, tails: Walks, sessions: IntArray, kept: IntArray) -> Walks:
    """Return the walks in which some sessions go on otherwise after so many events."""
    head, tail = np.diff(walks.starts), np.zeros(len(walks.starts) - 1, np.int64)
    tail_from = np.zeros(len(tail), np.int64)
    head[sessions], tail[sessions] = kept, np.diff(tails.starts)
    tail_from[sessions] = len(walks.code) + tails.starts[:-1]
    lengths = np.stack((head, tail), axis=1).reshape(-1)
    begins = np.stack((walks.starts[:-1], tail_from), axis=1).reshape(-1)
    ends = np.cumsum(lengths)
    source = np.repeat(begins - ends + lengths, lengths) + np.arange(ends[-1])
    converted, caused = walks.converted.copy(), walks.caused_exit.copy()
    converted[sessions], caused[sessions] = tails.converted, tails.caused_exit
    by_session = {"starts": np.append(0, ends[1::2]), "converted": converted, "caused_exit": caused}
    events = {
        name: np.concatenate((values, getattr(tails, name)))[source]
        for name, values in walks._asdict().items()
        if name not in by_session
    }
    return Walks(**by_session, **events)
