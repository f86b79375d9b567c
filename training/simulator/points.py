"""Decision points in simulated sessions: which moments, and how likely the goal is from there under every option."""

import numba
import numpy as np
from numpy.typing import NDArray

from decisions.intervention import MESSAGE_CHANNELS
from features.events import FloatArray, IntArray
from journeys.journey import Journey
from training.simulator.dynamics import reach_goal, step_odds
from training.simulator.people import Visits
from training.simulator.rules import Rules
from training.simulator.simulate import Chunk
from training.simulator.walk import ATTEMPT, FOLLOW_UP, SHOWN, START, SUCCESS, Setting, Walks
from training.simulator.world import World

NEVER = -1
PATIENCE = 0.15
"""Probability that a decision is made after an event from the first possible one on.

A coin after each event, because a moment chosen among all events of a session would tell how long it went on."""


def offered(world: World, journey: Journey) -> IntArray:
    """Return 1 where a remedy (T,), nothing first, may be shown at a stage of the journey, (stages, T).

    As the journey declares its interventions, from the first stage on at which the world knows of any; messages are for
    when the session is over.
    """
    declared = {one.name: one for one in journey.interventions if one.channel not in MESSAGE_CHANNELS}
    names = [stage.name for stage in journey.stages]
    first = min(names.index(stage) for remedy in world.remedies for stage in remedy.stages)
    return np.array(
        [
            [
                1,
                *(
                    int(place >= first and r.name in declared and name in declared[r.name].stages)
                    for r in world.remedies
                ),
            ]
            for place, name in enumerate(names)
        ]
    )


def furthest_stages(world: World, journey: Journey, walks: Walks) -> IntArray:
    """Return the furthest stage of the journey that each event's session (N,) has entered by then, -1 for none."""
    entered = {name: place for place, stage in enumerate(journey.stages) for name in stage.filter.names}
    stage = np.array([entered.get(name, -1) for name in world.names])[walks.code]
    # Adding a growing offset keeps one session's stages from the next.
    offset = np.repeat(np.arange(len(walks.starts) - 1), np.diff(walks.starts)) * (len(journey.stages) + 1)
    reached: IntArray = np.maximum.accumulate(stage + 1 + offset) - offset - 1
    return reached


def draw_moments(walks: Walks, possible: NDArray[np.bool_], rng: np.random.Generator) -> IntArray:
    """Return the place of the event in each session (S,) after which a decision is made, :data:`NEVER` for none.

    ``possible`` (N,) are the events after which something could be shown. While an answer to an attempt or a second
    event of the same step is still to come, nothing is decided.
    """
    waits = np.append(walks.move[1:] == FOLLOW_UP, False) | np.isin(walks.move, (START, ATTEMPT, SUCCESS, SHOWN))
    decided = np.flatnonzero(possible & ~waits & (rng.random(len(walks.code)) < PATIENCE))
    session = np.searchsorted(walks.starts, decided, side="right") - 1
    first, at = np.unique(session, return_index=True)
    places = np.full(len(walks.starts) - 1, NEVER)
    places[first] = decided[at] - walks.starts[first]
    return places


def true_remedies(rules: Rules, setting: Setting, walks: Walks, decided: IntArray) -> FloatArray:
    """Return the probability to reach the goal with each remedy shown (S, T), nothing first, all latent things known.

    Asked right after the event at the place ``decided`` (S,); NaN where that is :data:`NEVER`.
    """
    found: FloatArray = _true_remedies(rules, setting, walks, decided)
    return found


@numba.njit(cache=True)
def _true_remedies(rules: Rules, setting: Setting, walks: Walks, decided: IntArray) -> FloatArray:
    found = np.full((len(decided), len(rules.relief)), np.nan)
    for s in range(len(decided)):
        if decided[s] < 0:
            continue
        n = walks.starts[s] + decided[s]
        b, c, changed = setting.blocker[s], setting.kind[s], setting.changed[s]
        for t in range(len(rules.relief)):
            leave, advance, _own = step_odds(
                rules, changed, setting.leave[s], setting.advance[s], setting.intent[s], b, c, t
            )
            found[s, t] = reach_goal(rules, changed, leave, advance, b, c, t)[walks.stage[n], walks.level[n]]
    return found


def take_sessions(chunk: Chunk, chosen: NDArray[np.bool_]) -> Chunk:
    """Return some sessions (S,) of a chunk, numbered anew from its first."""
    lengths = np.diff(chunk.walks.starts)
    starts = np.concatenate(([0], np.cumsum(lengths[chosen])))
    return _part(chunk, chosen, np.repeat(chosen, lengths), starts, chunk.first_session)


def one_session(chunk: Chunk, session: int) -> Chunk:
    """Return one session of a chunk, under the number that it has there."""
    begin, end = chunk.walks.starts[session : session + 2].tolist()
    here, events = slice(session, session + 1), slice(begin, end)
    return _part(chunk, here, events, np.array([0, end - begin]), chunk.first_session + session)


def _part(
    chunk: Chunk, sessions: NDArray[np.bool_] | slice, events: NDArray[np.bool_] | slice, starts: IntArray, first: int
) -> Chunk:
    visits, walks = chunk.visits, chunk.walks
    by_session = {name: value[sessions] for name, value in vars(visits).items() if name != "setting"}
    setting = Setting(**{name: values[sessions] for name, values in visits.setting._asdict().items()})
    parts = {
        name: values[sessions if name in ("caused_exit", "converted") else events]
        for name, values in walks._asdict().items()
        if name != "starts"
    }
    return Chunk(first, Visits(**by_session, setting=setting), Walks(starts, **parts), chunk.rng)
