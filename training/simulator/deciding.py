"""Decisions in a simulated world: one in each session that can have one, with the truth about every option.

The sessions are walked as if nothing was ever shown; from the moment of the decision on the world's closed form says
how likely the goal is under each option. Outcomes are drawn from that, so that any policy can be asked what it would
have done, and is told what would have come of it.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from decisions.exposure import stage_rows
from decisions.logged import BoolArray, LoggedDecisions, Texts
from decisions.policy import NOTHING
from decisions.risk import RiskModel
from features.build import build
from features.events import Cutoffs, FloatArray, IntArray
from features.plan import compile_plan
from features.read_log import read_log
from journeys.journey import Journey
from training.diagnosed import friction_scores
from training.simulator.ceiling import filter_remedies
from training.simulator.decision_points import DecisionPoints, join_points
from training.simulator.log import numbered, to_events
from training.simulator.points import NEVER, draw_moments, furthest_stages, offered, take_sessions, true_remedies
from training.simulator.remedies import deciding_world
from training.simulator.rules import compile_world
from training.simulator.simulate import Chunk, draw
from training.simulator.world import World

_DECIDING_STREAM = 6
"""Keeps what is drawn about decisions apart from what is drawn about sessions."""


def draw_points(
    journey: Journey,
    model: RiskModel,
    *,
    sessions: int,
    seed: int,
    world: World | None = None,
    progress: Callable[[str, float], None] = lambda _phase, _fraction: None,
) -> DecisionPoints:
    """Return the decision points in so many sessions of a journey's world of decisions, or of another ``world``.

    The model has to know the features of the journey. Raises :class:`training.simulator.SimulationError` for a journey
    without a world.
    """
    world = deciding_world(journey.name) if world is None else replace(world, decide_at={})
    found: list[DecisionPoints] = []
    done = 0
    for number, chunk in enumerate(draw(world, sessions=sessions, seed=seed)):
        progress(f"drawing decisions in {sessions:,} sessions", done / sessions)
        found.append(_points_of(world, journey, model, chunk, np.random.default_rng([seed, number, _DECIDING_STREAM])))
        done += chunk.visits.session_count
    progress(f"drawing decisions in {sessions:,} sessions", 1.0)
    joined = join_points(found)
    return joined.take(np.lexsort((joined.situations.decision_ids, joined.situations.at_us)))


def decide(world: World, journey: Journey, chunk: Chunk, rng: np.random.Generator) -> tuple[IntArray, BoolArray]:
    """Return the place of the event in each session (S,) after which a decision is made, :data:`NEVER` for none,
    and which options can be chosen then (S, A)."""
    by_stage = offered(world, journey)
    stage = furthest_stages(world, journey, chunk.walks)
    decided = draw_moments(chunk.walks, (stage >= 0) & (by_stage[stage].sum(axis=1) > 1), rng)
    event = chunk.walks.starts[:-1] + np.maximum(decided, 0)
    return decided, (by_stage[stage[event]] == 1) & (decided != NEVER)[:, None]


def read_points(
    world: World,
    journey: Journey,
    model: RiskModel,
    chunk: Chunk,
    decided: IntArray,
    eligible: BoolArray,
    file: Path,
) -> DecisionPoints:
    """Return the decision points (see :func:`decide`) of a chunk whose log is in a file."""
    chosen = np.flatnonzero(decided != NEVER)
    rows, at_us = _rows_at(journey, chunk, chosen, decided[chosen], file)
    visits, eligible = chunk.visits, eligible[chosen]
    session_ids = _texts(numbered("s", chunk.first_session + chosen, 9).to_pylist())
    situations = LoggedDecisions(
        options=(NOTHING, *(remedy.name for remedy in world.remedies)),
        stages=tuple(one.name for one in journey.stages),
        frictions=tuple(friction.name for friction in journey.frictions),
        decision_ids=_texts([f"d{session_id[1:]}" for session_id in session_ids]),
        session_ids=session_ids,
        units=visits.person[chosen],
        at_us=at_us,
        stage=stage_rows(model.table, rows) - 1,
        risk=model.predict(rows),
        confidence=friction_scores(model, rows),
        chosen=np.zeros(len(chosen), np.int64),
        propensities=eligible / eligible.sum(axis=1, keepdims=True),
        converted=np.full(len(chosen), np.nan),
        holdout=np.zeros(len(chosen), np.bool_),
        policy_versions=_texts([""] * len(chosen)),
        cohorts={
            "device": _texts([world.devices[place].name for place in visits.device[chosen]]),
            "source": _texts([world.sources[place].name for place in visits.source[chosen]]),
            "country": _texts([world.countries[place][0] for place in visits.country[chosen]]),
        },
        rows=rows,
    )
    true = true_remedies(compile_world(world), visits.setting, chunk.walks, decided)[chosen]
    known = filter_remedies(world, chunk, decided)[chosen]
    return DecisionPoints(journey, situations, np.where(eligible, true, np.nan), np.where(eligible, known, np.nan))


def _points_of(
    world: World, journey: Journey, model: RiskModel, chunk: Chunk, rng: np.random.Generator
) -> DecisionPoints:
    decided, eligible = decide(world, journey, chunk, rng)
    # Who is never decided about is needed for nobody's history.
    wanted = np.isin(chunk.visits.visitor, chunk.visits.visitor[decided != NEVER])
    chunk = take_sessions(chunk, wanted)
    with tempfile.TemporaryDirectory(prefix="dropoff-") as folder:
        file = Path(folder) / "part-00000.parquet"
        pq.write_table(to_events(world, chunk.visits, chunk.walks, chunk.first_session, chunk.rng), file)
        return read_points(world, journey, model, chunk, decided[wanted], eligible[wanted], file)


def _rows_at(
    journey: Journey, chunk: Chunk, sessions: IntArray, after: IntArray, file: Path
) -> tuple[FloatArray, IntArray]:
    """Return the raw features (R, F) right after an event of each session (R,), and its time (R,).

    Read as any log is: staged, and replayed through the kernel.
    """
    plan = compile_plan(journey.table)
    with read_log(file, plan, timeout_seconds=journey.session_timeout_seconds) as read:
        log = read.whole()
    # The log stands in another order; a session's number is in its id.
    number = np.array([int(text[1:]) for text in log.session_ids]) - chunk.first_session
    place = np.empty(len(number), np.int64)
    place[number] = np.arange(len(number))
    order = np.argsort(place[sessions])
    asked = place[sessions][order]
    at_us = log.at_us[log.starts[asked] + after[order]]
    rows, times = np.empty((len(sessions), len(plan.feature_names))), np.empty(len(sessions), np.int64)
    rows[order], times[order] = build(plan, log, Cutoffs(asked, after[order] + 1, at_us)), at_us
    return rows, times


def _texts(values: Sequence[str]) -> Texts:
    found = np.empty(len(values), object)
    found[:] = values
    return found
