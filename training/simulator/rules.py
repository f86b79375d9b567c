"""A world as arrays, which the compiled walk, the closed form and the filter read."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from features.events import FloatArray, IntArray
from training.simulator.world import LEVELS, MARKS, Obstacle, Remedy, World


class Rules(NamedTuple):
    """A world as arrays: S stages, B blockers with "none" first, C kinds, E events, T remedies with "none" first."""

    leave: FloatArray
    """(2, S) log-odds, before and after the policy change."""
    advance: FloatArray
    """(S,)"""
    back: FloatArray
    """(S,)"""
    exits: FloatArray
    """(B, S)"""
    drags: FloatArray
    """(B, S)"""
    failure: FloatArray
    """(B,)"""
    kind_leave: FloatArray
    """(C,)"""
    kind_advance: FloatArray
    """(C,)"""
    emission: FloatArray
    """(2, S, B, C, E) probabilities of what a visitor who stays does."""
    upset_share: FloatArray
    """(2, S, B, C, LEVELS) the same by how upsetting it is."""
    level: IntArray
    """(E,)"""
    upset: FloatArray
    """(LEVELS,) added to the log-odds to leave."""
    marks: FloatArray
    """(E, B, MARKS) probabilities."""
    has_marks: IntArray
    """(E,)"""
    relief: FloatArray
    """(T, B)"""
    remedy_leave: FloatArray
    """(T, K)"""
    remedy_advance: FloatArray
    """(T,)"""
    gap_log: FloatArray
    """(S, B, C) mean of the logarithm of the seconds between two steps."""
    gap_spread: FloatArray
    """(C,) its standard deviation."""
    away: FloatArray
    """(S,) share of pauses that last until another sitting."""
    away_log: FloatArray
    """(S, B, C) mean of the logarithm of those."""
    away_spread: float
    longest_pause: float
    """Seconds."""
    entry: IntArray
    """(S, 2) codes, -1 for no second one."""
    back_event: IntArray
    """(S,) -1 where nobody goes back."""
    goal: IntArray
    """(3,) codes of attempt, success and failure."""
    intent_leave: float
    intent_advance: float
    decide: FloatArray
    """(S,) probability of a randomised decision on entering."""
    options: IntArray
    """(S, T) 1 where the remedy can be shown."""
    basket: IntArray
    """(3,) codes of view, add and remove, -1 for none."""
    prices: FloatArray


def compile_world(world: World) -> Rules:
    """Return the arrays of a world."""
    names = {name: code for code, name in enumerate(world.names)}
    stages = [place.name for place in world.places]
    obstacles: tuple[Obstacle | None, ...] = (None, *world.obstacles)
    leave = np.array([place.leave for place in world.places])
    shift = np.array([world.policy_change.get(stage, 0.0) for stage in stages])
    emission = _emission(world, names, obstacles)
    level = np.array([world.upsetting.get(name, 0) for name in names], np.int64)
    upset_share = np.stack([emission[..., level == value].sum(axis=-1) for value in range(LEVELS)], axis=-1)
    pace = np.array([kind.pace for kind in world.kinds])
    exits = np.array([[o.exits.get(stage, 0.0) if o else 0.0 for stage in stages] for o in obstacles])
    slow = np.where(exits > 0, world.hesitation, 0.0).T
    gap_log, away_log = (
        np.log([getattr(place, name) for place in world.places]) for name in ("gap_seconds", "away_seconds")
    )
    marks, has_marks = _marks(world, names, obstacles)
    remedies: tuple[Remedy | None, ...] = (None, *world.remedies)
    basket = world.basket
    return Rules(
        leave=np.stack([leave, leave + shift]),
        advance=np.array([place.advance for place in world.places]),
        back=np.array([place.back for place in world.places]),
        exits=exits,
        drags=np.array([[o.drags.get(stage, 0.0) if o else 0.0 for stage in stages] for o in obstacles]),
        failure=np.array([o.failure if o and o.failure is not None else world.failure for o in obstacles]),
        kind_leave=np.array([kind.leave for kind in world.kinds]),
        kind_advance=np.array([kind.advance for kind in world.kinds]),
        emission=emission,
        upset_share=upset_share,
        level=level,
        upset=np.array(world.upset),
        marks=marks,
        has_marks=has_marks,
        relief=np.array(
            [[r.relief.get(o.friction, 0.0) if r and o else 0.0 for o in obstacles] for r in remedies], np.float64
        ),
        remedy_leave=np.array(
            [[r.leave + r.kinds.get(kind.name, 0.0) if r else 0.0 for kind in world.kinds] for r in remedies]
        ),
        remedy_advance=np.array([r.advance if r else 0.0 for r in remedies]),
        gap_log=gap_log[:, None, None] + slow[:, :, None] + pace[None, None, :],
        gap_spread=np.array([kind.spread for kind in world.kinds]),
        away=np.array([place.away for place in world.places]),
        away_log=away_log[:, None, None] + slow[:, :, None] + pace[None, None, :],
        away_spread=world.away_spread,
        longest_pause=world.longest_pause_seconds,
        entry=np.array([[names[p.entry[0]], names[p.entry[1]] if len(p.entry) > 1 else -1] for p in world.places]),
        back_event=np.array([names.get(place.back_event, -1) for place in world.places]),
        goal=np.array([names[name] for name in world.goal_events]),
        intent_leave=world.intent_leave,
        intent_advance=world.intent_advance,
        decide=np.array([world.decide_at.get(stage, 0.0) for stage in stages]),
        options=np.array([[int(r is not None and stage in r.stages) for r in remedies] for stage in stages]),
        basket=np.array([names[name] for name in (basket.view, basket.add, basket.remove)] if basket else [-1, -1, -1]),
        prices=np.array(basket.prices if basket else (), np.float64),
    )


def shares(weights: FloatArray) -> FloatArray:
    """Return weights as probabilities along the last axis."""
    normal: FloatArray = weights / weights.sum(axis=-1, keepdims=True)
    return normal


def _emission(world: World, names: Mapping[str, int], obstacles: tuple[Obstacle | None, ...]) -> FloatArray:
    weights = np.zeros((2, len(world.places), len(obstacles), len(world.kinds), len(names)))
    for after_change in range(2):
        for s, place in enumerate(world.places):
            for b, obstacle in enumerate(obstacles):
                for c, kind in enumerate(world.kinds):
                    for name, weight in place.events.items():
                        trace = obstacle.traces.get(name, 1.0) if obstacle else 1.0
                        changed = world.policy_traces.get(name, 1.0) if after_change else 1.0
                        factor = trace * changed * kind.habits.get(name, kind.habits.get("*", 1.0))
                        weights[after_change, s, b, c, names[name]] = weight * factor
    return shares(weights)


def _marks(
    world: World, names: Mapping[str, int], obstacles: tuple[Obstacle | None, ...]
) -> tuple[FloatArray, IntArray]:
    marks = np.zeros((len(names), len(obstacles), MARKS))
    marks[..., 0] = 1.0
    has_marks = np.zeros(len(names), np.int64)
    for name, usual in world.marks.items():
        has_marks[names[name]] = 1
        for b, obstacle in enumerate(obstacles):
            chosen = obstacle.marks.get(name, usual) if obstacle else usual
            marks[names[name], b] = np.pad(np.array(chosen), (0, MARKS - len(chosen)))
    return marks, has_marks
