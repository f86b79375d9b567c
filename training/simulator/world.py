"""What a simulated world is made of, as data, and its arrays for the compiled walk.

A session is a walk over the stages of a journey. At every step the visitor leaves, moves on, goes back, or stays and
does something. The odds depend on the latent intent, on a planted blocker, on what kind of visitor it is and on what is
visible (device, source, visit). Given those, steps are independent, so true probabilities have a closed form.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from features.events import FloatArray, IntArray
from features.friction import Friction
from training.simulator.properties import Property

LEVELS = 3
"""How upset the latest event left the visitor: 0 not at all, 1 somewhat, 2 much."""
MARKS = 4
"""Most values of a property that tells something about the blocker."""


@dataclass(frozen=True)
class Place:
    """A stage: log-odds to leave and to move on at a step, the share of other steps that go back, and what is done.

    ``entry`` are the events of moving on to here, the first at once and the rest right after it.
    """

    name: str
    entry: tuple[str, ...]
    leave: float
    advance: float
    events: Mapping[str, float]
    back: float = 0.0
    back_event: str = "go_back"
    gap_seconds: float = 15.0


@dataclass(frozen=True)
class Obstacle:
    """A planted blocker: the extra probability to leave and the drag on moving on, by stage, and its noisy traces.

    ``traces`` multiply the weights of events; ``marks`` replace the distribution of an event's telling property.
    """

    friction: Friction
    share: float
    exits: Mapping[str, float]
    drags: Mapping[str, float]
    traces: Mapping[str, float]
    marks: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    failure: float | None = None


@dataclass(frozen=True)
class Kind:
    """A kind of visitor, never visible as such: pace, habits, and shifts of the log-odds."""

    name: str
    share: float
    habits: Mapping[str, float]
    leave: float = 0.0
    advance: float = 0.0
    pace: float = 0.0
    spread: float = 0.9


@dataclass(frozen=True)
class Trait:
    """One value of a visible context: its share, shifts of the log-odds, and how much likelier it makes blockers."""

    name: str
    share: float
    leave: float = 0.0
    advance: float = 0.0
    blockers: Mapping[Friction, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Remedy:
    """What an intervention does: the part of a blocker's exits and drag it takes away, and what it does to all."""

    name: str
    stages: tuple[str, ...]
    relief: Mapping[Friction, float]
    leave: float = 0.0
    advance: float = 0.0


@dataclass(frozen=True)
class World:
    """All that the simulator knows about one journey; probabilities and log-odds per step, times in seconds."""

    journey: str
    places: tuple[Place, ...]
    goal_events: tuple[str, str, str]
    """The attempt, its success and its failure: ``("submit_payment", "purchase", "payment_failed")``."""
    failure: float
    obstacles: tuple[Obstacle, ...]
    kinds: tuple[Kind, ...]
    devices: tuple[Trait, ...]
    sources: tuple[Trait, ...]
    visits: tuple[Trait, ...]
    countries: tuple[tuple[str, float], ...]
    touchpoints: Mapping[str, tuple[str, ...]]
    remedies: tuple[Remedy, ...]
    upsetting: Mapping[str, int]
    upset: tuple[float, float, float]
    marks: Mapping[str, tuple[float, ...]]
    intent_leave: float
    intent_advance: float
    policy_change: Mapping[str, float]
    policy_traces: Mapping[str, float]
    decide_at: Mapping[str, float]
    properties: Mapping[str, Mapping[str, Property]] = field(default_factory=dict)
    hesitation: float = 0.3

    @property
    def names(self) -> tuple[str, ...]:
        """Every event that can happen, in a fixed order; the position is its code."""
        found: dict[str, None] = {}
        for place in self.places:
            found.update(dict.fromkeys((*place.entry, *place.events, place.back_event)))
        found.update(dict.fromkeys(self.goal_events))
        found.update(dict.fromkeys(name for names in self.touchpoints.values() for name in names))
        found.update(dict.fromkeys(("intervention_shown", "intervention_clicked", "intervention_dismissed")))
        return tuple(found)


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
    """(T,)"""
    remedy_advance: FloatArray
    """(T,)"""
    gap_log: FloatArray
    """(S, B, C) mean of the logarithm of the seconds between two steps."""
    gap_spread: FloatArray
    """(C,) its standard deviation."""
    entry: IntArray
    """(S, 2) codes, -1 for no second one."""
    back_event: IntArray
    """(S,)"""
    goal: IntArray
    """(3,) codes of attempt, success and failure."""
    intent_leave: float
    intent_advance: float
    decide: FloatArray
    """(S,) probability of a randomised decision on entering."""
    options: IntArray
    """(S, T) 1 where the remedy can be shown."""


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
    gap_log = np.log([place.gap_seconds for place in world.places])
    marks, has_marks = _marks(world, names, obstacles)
    remedies: tuple[Remedy | None, ...] = (None, *world.remedies)
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
        remedy_leave=np.array([r.leave if r else 0.0 for r in remedies]),
        remedy_advance=np.array([r.advance if r else 0.0 for r in remedies]),
        gap_log=gap_log[:, None, None] + slow[:, :, None] + pace[None, None, :],
        gap_spread=np.array([kind.spread for kind in world.kinds]),
        entry=np.array([[names[p.entry[0]], names[p.entry[1]] if len(p.entry) > 1 else -1] for p in world.places]),
        back_event=np.array([names[place.back_event] for place in world.places]),
        goal=np.array([names[name] for name in world.goal_events]),
        intent_leave=world.intent_leave,
        intent_advance=world.intent_advance,
        decide=np.array([world.decide_at.get(stage, 0.0) for stage in stages]),
        options=np.array([[int(r is not None and stage in r.stages) for r in remedies] for stage in stages]),
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
