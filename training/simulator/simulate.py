"""Simulate a log of sessions and the truth about each."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from features.events import US_PER_SECOND, FloatArray
from features.log_files import EVENTS_FOLDER, TOUCHPOINTS_FOLDER
from training.simulator.dynamics import reach_goal, step_odds
from training.simulator.log import to_events, to_truth
from training.simulator.onboarding import ONBOARDING
from training.simulator.people import DAY_SECONDS, Visits, draw_visits
from training.simulator.rules import Rules, compile_world
from training.simulator.shop import SHOP
from training.simulator.touchpoints import draw_reached, to_touchpoints, to_truth_of_channels, touchpoints_generator
from training.simulator.walk import Walks, walk
from training.simulator.world import World

WORLDS = {world.journey: world for world in (SHOP, ONBOARDING)}
FIRST_DAY = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday; on the 28th day the clocks of Europe change."""
CHUNK_SESSIONS = 50_000
TIES = 0.012
_PART = re.compile(r"part-\d{5,}\.parquet")


class SimulationError(ValueError):
    """What is to be simulated makes no sense; one sentence that says what to do."""


@dataclass(frozen=True)
class Chunk:
    """Some sessions as drawn, without the flaws of a log."""

    first_session: int
    visits: Visits
    walks: Walks
    rng: np.random.Generator
    """For what is drawn next, such as the flaws."""


def world_of(journey: str) -> World:
    """Return the world behind a journey; raises :class:`SimulationError`."""
    if journey not in WORLDS:
        raise SimulationError(f"no world is simulated for {journey!r}; there is one for {', '.join(WORLDS)}")
    return WORLDS[journey]


def simulate(
    journey: str,
    *,
    sessions: int,
    seed: int,
    out: Path,
    days: float | None = None,
    world: World | None = None,
    revise: Callable[["Chunk"], "Chunk"] = lambda chunk: chunk,
    on_written: Callable[["Chunk", Path], None] = lambda _chunk, _file: None,
    progress: Callable[[str, float], None] = lambda _phase, _fraction: None,
) -> None:
    """Write ``out/events/*.parquet`` in the canonical columns and ``out/truth.parquet``.

    Where the world has outreach, ``out/touchpoints/*.parquet`` and ``out/touchpoints_truth.parquet``, too. An earlier
    simulation in ``out`` is replaced. Another ``world`` of the journey may be simulated; ``revise`` changes sessions
    before they are written, and ``on_written`` is told of them with their file. Raises :class:`SimulationError`.
    """
    world = world_of(journey) if world is None else world
    _check(sessions, world.calendar.days if days is None else days)
    events, touchpoints, truth = out / EVENTS_FOLDER, out / TOUCHPOINTS_FOLDER, out / "truth.parquet"
    for folder in (events, touchpoints):
        if folder.exists() and any(_PART.fullmatch(file.name) is None for file in folder.iterdir()):
            raise SimulationError(f"{folder} holds something else; give an empty folder")
    for folder in (events, touchpoints):
        shutil.rmtree(folder, ignore_errors=True)
    events.mkdir(parents=True)
    rules = compile_world(world)
    touched, extra = np.zeros(len(world.outreach), np.int64), np.zeros(len(world.outreach))
    writer: pq.ParquetWriter | None = None
    try:
        for number, drawn in enumerate(draw(world, sessions=sessions, seed=seed, days=days)):
            progress(f"simulating {sessions:,} sessions", min(number * CHUNK_SESSIONS / sessions, 0.99))
            chunk = revise(drawn)
            table = to_events(world, chunk.visits, chunk.walks, chunk.first_session, chunk.rng)
            pq.write_table(table, events / f"part-{number:05}.parquet", compression="zstd")
            on_written(chunk, events / f"part-{number:05}.parquet")
            odds = starting_odds(rules, chunk.visits)
            known = to_truth(world, chunk.visits, chunk.walks, odds, chunk.first_session)
            writer = writer or pq.ParquetWriter(truth, known.schema)
            writer.write_table(known)
            if world.outreach:
                generator = touchpoints_generator(seed, number)
                intent, converted = chunk.visits.setting.intent, chunk.walks.converted
                reached = draw_reached(world.outreach, intent, odds, converted, generator)
                touched, extra = touched + reached.touched.sum(axis=0), extra + reached.extra
                table = to_touchpoints(
                    world,
                    chunk.visits,
                    reached,
                    chunk=number,
                    start_us=int(FIRST_DAY.timestamp()) * US_PER_SECOND,
                    days=world.calendar.days if days is None else days,
                    rng=generator,
                )
                touchpoints.mkdir(exist_ok=True)
                pq.write_table(table, touchpoints / f"part-{number:05}.parquet", compression="zstd")
    finally:
        if writer is not None:
            writer.close()
    truth_of_channels = out / "touchpoints_truth.parquet"
    truth_of_channels.unlink(missing_ok=True)
    if world.outreach:
        pq.write_table(to_truth_of_channels(world, touched, extra), truth_of_channels)
    progress(f"simulating {sessions:,} sessions", 1.0)


def draw(world: World, *, sessions: int, seed: int, days: float | None = None) -> Iterator[Chunk]:
    """Yield the sessions chunk by chunk; the same seed gives the same sessions. Raises :class:`SimulationError`."""
    days = world.calendar.days if days is None else days
    _check(sessions, days)
    rules = compile_world(world)
    start_us = int(FIRST_DAY.timestamp()) * US_PER_SECOND
    change_us = policy_change_us(days)
    first_person = 0
    for number, first in enumerate(range(0, sessions, CHUNK_SESSIONS)):
        rng = np.random.default_rng([seed, number])
        visits = draw_visits(
            world,
            min(CHUNK_SESSIONS, sessions - first),
            start_us=start_us,
            days=days,
            change_us=change_us,
            first_person=first_person,
            rng=rng,
        )
        first_person = int(visits.person.max()) + 1
        yield Chunk(first, visits, walk(rules, visits.setting, TIES, rng), rng)


def policy_change_us(days: float = 28.0) -> int:
    """Return when the policy changes in a log of so many days."""
    return int(FIRST_DAY.timestamp() + np.floor(days / 2 + 1) * DAY_SECONDS) * US_PER_SECOND


def _check(sessions: int, days: float) -> None:
    if sessions < 1:
        raise SimulationError("simulate at least one session")
    if not days > 0:
        raise SimulationError("simulate a log of more than zero days")


def starting_odds(rules: Rules, visits: Visits) -> FloatArray:
    """Return each session's true probability (S,) to reach the goal, all latent things known, when it starts."""
    setting = visits.setting
    odds = np.empty(visits.session_count)
    for s in range(visits.session_count):
        changed, b, c = int(setting.changed[s]), int(setting.blocker[s]), int(setting.kind[s])
        leave, advance, _own = step_odds(
            rules, changed, setting.leave[s], setting.advance[s], setting.intent[s], b, c, 0
        )
        odds[s] = reach_goal(rules, changed, leave, advance, b, c, 0)[0, 0]
    return odds
