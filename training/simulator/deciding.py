"""Decisions in a simulated world: one in each session that can have one, with the truth about every option.

The sessions are walked as if nothing was ever shown; from the moment of the decision on the world's closed form says
how likely the goal is under each option. Outcomes are drawn from that, so that any policy can be asked what it would
have done, and is told what would have come of it.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from decisions.exposure import stage_rows
from decisions.logged import BoolArray, LoggedDecisions, Texts, costs
from decisions.policy import NOTHING
from decisions.risk import RiskModel
from features.build import build
from features.events import Cutoffs, FloatArray, IntArray
from features.plan import compile_plan
from features.read_log import read_log
from journeys.journey import Journey
from training.diagnosed import friction_scores
from training.simulator.ceiling import filter_remedies
from training.simulator.log import numbered, to_events
from training.simulator.points import NEVER, draw_moments, furthest_stages, offered, take_sessions, true_remedies
from training.simulator.remedies import deciding_world
from training.simulator.rules import compile_world
from training.simulator.simulate import Chunk, draw
from training.simulator.world import World

UNIFORM = "uniform"
_DECIDING_STREAM = 6
"""Keeps what is drawn about decisions apart from what is drawn about sessions."""


@dataclass(frozen=True, slots=True)
class DecisionPoints:
    """N moments at which something could be shown, among A options, the oldest first; nobody has chosen yet.

    ``situations`` are what a policy sees, with uniform propensities over the eligible options and nothing chosen.
    ``true_goal`` (N, A) is the probability of the goal under each option, all latent things known; ``known_goal`` the
    best that can be known of it from what is visible. Both are NaN for what is not eligible.
    """

    journey: Journey
    situations: LoggedDecisions
    true_goal: FloatArray
    known_goal: FloatArray

    def __len__(self) -> int:
        return len(self.situations)

    @property
    def eligible(self) -> BoolArray:
        """(N, A) which options can be chosen; doing nothing always."""
        return self.situations.eligible

    def take(self, chosen: IntArray | BoolArray) -> "DecisionPoints":
        """Return some of the points, by places or by a mask."""
        return replace(
            self,
            situations=self.situations.take(chosen),
            true_goal=self.true_goal[chosen],
            known_goal=self.known_goal[chosen],
        )

    def net(self, goal: FloatArray) -> FloatArray:
        """Return the net value of each option (N, A) from the goal's probability, -inf for what is not eligible.

        That of the whole session: what a conversion brings, less what it and the option cost.
        """
        shown, converted = costs(self.situations.options, self.journey.interventions, self.journey.policy)
        return np.where(self.eligible, goal * (self.journey.policy.goal_value - converted) - shown, -np.inf)

    @property
    def true_net(self) -> FloatArray:
        """(N, A) the net value of each option, all latent things known."""
        return self.net(self.true_goal)

    @property
    def known_net(self) -> FloatArray:
        """(N, A) the net value of each option as far as it can be known: choosing its highest is the best policy."""
        return self.net(self.known_goal)

    def value(self, odds: FloatArray) -> float:
        """Return the mean true net value of a session for whoever chooses with these probabilities (N, A)."""
        return float((odds * np.where(self.eligible, self.true_net, 0.0)).sum(axis=1).mean())

    def value_of(self, chosen: IntArray) -> float:
        """Return the mean true net value of a session for whoever chooses these options (N,)."""
        return float(self.true_net[np.arange(len(self)), chosen].mean())

    @property
    def never(self) -> float:
        """The mean net value of never showing anything."""
        return self.value_of(np.zeros(len(self), np.int64))

    @property
    def best(self) -> float:
        """The mean net value of the best policy on what is visible."""
        return self.value_of(self.known_net.argmax(axis=1))

    def uplift_share(self, value: float) -> float:
        """Return how much of what the best policy adds to never acting a mean net value adds to it."""
        return (value - self.never) / (self.best - self.never)

    def segments(self) -> dict[str, float]:
        """Return the shares of people whom acting helps or harms, by the truth; what is left makes no difference.

        Persuadable: some option's net value is higher than nothing's by 1 % of a goal's. Of the others, sleeping dogs:
        what can be shown lowers the probability of the goal by .01 on average; sure things reach it with .5 or more,
        lost causes with less than .05.
        """
        goal = self.true_goal[:, 0]
        gain = (self.true_net - self.true_net[:, :1])[:, 1:].max(axis=1)
        persuadable = gain >= 0.01 * self.journey.policy.goal_value
        sleeping = ~persuadable & (np.nanmean(self.true_goal[:, 1:] - goal[:, None], axis=1) <= -0.01)
        rest = ~persuadable & ~sleeping
        return {
            "persuadable": float(persuadable.mean()),
            "sleeping dogs": float(sleeping.mean()),
            "sure things": float((rest & (goal >= 0.5)).mean()),
            "lost causes": float((rest & (goal < 0.05)).mean()),
        }

    def log(self, odds: FloatArray, rng: np.random.Generator, version: str) -> LoggedDecisions:
        """Return the decisions of a policy that chooses with these probabilities (N, A), and what came of them."""
        drawn = rng.random(len(self))
        chosen = np.minimum((drawn[:, None] >= np.cumsum(odds, axis=1)).sum(axis=1), odds.shape[1] - 1)
        # A sum of one minus a rounding error must not choose what has no chance at all.
        chosen = np.where(odds[np.arange(len(self)), chosen] > 0, chosen, odds.argmax(axis=1))
        converted = rng.random(len(self)) < self.true_goal[np.arange(len(self)), chosen]
        versions = np.full(len(self), version, object)
        return replace(
            self.situations,
            propensities=odds,
            chosen=chosen,
            converted=converted.astype(np.float64),
            policy_versions=versions,
        )

    def log_uniformly(self, rng: np.random.Generator) -> LoggedDecisions:
        """Return decisions that were drawn evenly among the eligible options, and what came of them."""
        return self.log(self.situations.propensities, rng, UNIFORM)


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
    joined = _join(found)
    return joined.take(np.lexsort((joined.situations.decision_ids, joined.situations.at_us)))


def _points_of(
    world: World, journey: Journey, model: RiskModel, chunk: Chunk, rng: np.random.Generator
) -> DecisionPoints:
    by_stage = offered(world, journey)
    stage = furthest_stages(world, journey, chunk.walks)
    decided = draw_moments(chunk.walks, (stage >= 0) & (by_stage[stage].sum(axis=1) > 1), rng)
    # Who is never decided about is needed for nobody's history.
    wanted = np.isin(chunk.visits.visitor, chunk.visits.visitor[decided != NEVER])
    chunk, decided = take_sessions(chunk, wanted), decided[wanted]
    chosen = np.flatnonzero(decided != NEVER)
    event = chunk.walks.starts[chosen] + decided[chosen]
    eligible = by_stage[furthest_stages(world, journey, chunk.walks)[event]] == 1
    rows, at_us = _rows_at(world, journey, chunk, chosen, decided[chosen])
    visits = chunk.visits
    session_ids = _texts(numbered("s", chunk.first_session + chosen, 9).to_pylist())
    situations = LoggedDecisions(
        options=(NOTHING, *(remedy.name for remedy in world.remedies)),
        stages=tuple(one.name for one in journey.stages),
        frictions=tuple(friction.name for friction in journey.frictions),
        decision_ids=_texts([f"d{session_id[1:]}" for session_id in session_ids]),
        session_ids=session_ids,
        units=visits.person[chosen],
        at_us=at_us,
        stage=stage_places(model, rows),
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


def _rows_at(
    world: World, journey: Journey, chunk: Chunk, sessions: IntArray, after: IntArray
) -> tuple[FloatArray, IntArray]:
    """Return the raw features (R, F) right after an event of each session (R,), and its time (R,).

    Read as any log is: written, staged, and replayed through the kernel.
    """
    plan = compile_plan(journey.table)
    with tempfile.TemporaryDirectory(prefix="dropoff-") as folder:
        path = Path(folder) / "part-00000.parquet"
        pq.write_table(to_events(world, chunk.visits, chunk.walks, chunk.first_session, chunk.rng), path)
        with read_log(path, plan, timeout_seconds=journey.session_timeout_seconds) as read:
            log = read.whole()
    # The log stands in another order; a session's number is in its id.
    number = np.array([int(text[1:]) for text in log.session_ids]) - chunk.first_session
    place = np.empty(len(number), np.int64)
    place[number] = np.arange(len(number))
    order = np.argsort(place[sessions])
    asked = place[sessions][order]
    at_us = log.at_us[log.starts[asked] + after[order]]
    cutoffs = Cutoffs(asked, after[order] + 1, at_us)
    rows, times = np.empty((len(sessions), len(plan.feature_names))), np.empty(len(sessions), np.int64)
    rows[order], times[order] = build(plan, log, cutoffs), at_us
    return rows, times


def stage_places(model: RiskModel, rows: FloatArray) -> IntArray:
    """Return the places of the rows' (R, F) stages among the journey's, -1 before the first."""
    return stage_rows(model.table, rows) - 1


def _join(parts: list[DecisionPoints]) -> DecisionPoints:
    first = parts[0]
    arrays: dict[str, Any] = {
        one.name: np.concatenate([getattr(part.situations, one.name) for part in parts])
        for one in fields(first.situations)
        if isinstance(getattr(first.situations, one.name), np.ndarray)
    }
    cohorts = {
        name: np.concatenate([part.situations.cohorts[name] for part in parts]) for name in first.situations.cohorts
    }
    return DecisionPoints(
        first.journey,
        replace(first.situations, **arrays, cohorts=cohorts),
        np.concatenate([part.true_goal for part in parts]),
        np.concatenate([part.known_goal for part in parts]),
    )


def _texts(values: Sequence[str]) -> Texts:
    found = np.empty(len(values), object)
    found[:] = values
    return found
