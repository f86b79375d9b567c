"""A world of three stages in which everything that a world can have happens often, and walks through any world."""

from collections.abc import Callable
from typing import Any

import numpy as np

from features.events import FloatArray, IntArray
from features.friction import Friction
from training.simulator.properties import Drawn, Words, by_mark, choice
from training.simulator.rules import Rules, compile_world
from training.simulator.simulate import TIES
from training.simulator.simulate import WORLDS as SHIPPED
from training.simulator.walk import Setting, Walks, walk
from training.simulator.world import Basket, Calendar, Kind, Obstacle, Place, Remedy, Trait, World


def _remedy(drawn: Drawn) -> Words:
    return Words(drawn.remedy, ("", "cheaper", "wallet"))


SMALL = World(
    journey="small",
    places=(
        Place(
            "look",
            ("page",),
            leave=-1.8,
            advance=-0.5,
            events={"page": 1.0, "ask": 1.0, "slam": 0.5},
            gap_seconds=5.0,
        ),
        Place(
            "choose",
            ("item",),
            leave=-2.2,
            advance=-0.2,
            events={"item": 2.0, "log_in": 0.3, "slam": 0.5},
            back=0.4,
            back_event="page_again",
            away=0.3,
            away_seconds=3_600.0,
        ),
        Place(
            "pay",
            ("basket", "bill"),
            leave=-2.5,
            advance=0.3,
            events={"type": 3.0, "slam": 1.0},
            back=0.3,
            back_event="item_again",
            gap_seconds=30.0,
            away=0.2,
            away_seconds=5_400.0,
        ),
    ),
    goal_events=("submit", "done", "failed"),
    failure=0.2,
    obstacles=(
        Obstacle(
            Friction.PRICE,
            0.3,
            exits={"choose": 0.2, "pay": 0.1},
            drags={"pay": 0.5},
            traces={"ask": 3.0},
            marks={"bill": (0.1, 0.2, 0.7)},
        ),
        Obstacle(Friction.PAYMENT, 0.2, exits={"pay": 0.15}, drags={}, traces={"type": 0.4, "slam": 2.0}, failure=0.7),
    ),
    kinds=(
        Kind("usual", 0.8, habits={}),
        Kind("bot", 0.2, habits={"*": 0.0, "page": 1.0, "item": 1.0, "type": 1.0}, leave=-0.5, pace=-2.0, spread=0.3),
    ),
    devices=(Trait("big", 0.6), Trait("small", 0.4, leave=0.3, advance=-0.2, blockers={Friction.PRICE: 2.0})),
    sources=(Trait("direct", 0.5), Trait("email", 0.5, advance=0.3, blockers={Friction.PAYMENT: 1.5})),
    visits=(Trait("first", 1.0), Trait("later", 1.0, advance=0.4)),
    countries=(("DE", 0.7), ("FR", 0.3)),
    touchpoints={"email": ("email_open", "email_click")},
    channels={"email_open": "email", "email_click": "email"},
    calendar=Calendar(
        days=28.0, hours=tuple(range(1, 25)), returns=0.3, least_absence_seconds=7_200.0, absence_seconds=86_400.0
    ),
    basket=Basket("page", "item", "item_again", (1.0, 2.5, 4.0)),
    # So short that every pause between sittings may be cut off.
    longest_pause_seconds=7_000.0,
    remedies=(
        Remedy("cheaper", ("choose", "pay"), {Friction.PRICE: 0.8}, leave=0.1),
        Remedy("wallet", ("pay",), {Friction.PAYMENT: 0.9}, leave=0.1),
    ),
    upsetting={"slam": 2, "ask": 1, "failed": 2},
    upset=(0.0, 0.4, 1.0),
    marks={"bill": (0.6, 0.3, 0.1)},
    intent_leave=-0.4,
    intent_advance=0.5,
    policy_change={"choose": 0.8},
    policy_traces={"log_in": 4.0},
    decide_at={"choose": 0.3, "pay": 0.5},
    properties={
        "bill": {"sum": by_mark(5.0, 10.0, 20.5)},
        "type": {"field": choice("name", "street"), "items": lambda drawn: drawn.items},
        "page": {"part": lambda drawn: np.where(drawn.noise < 0.5, np.nan, drawn.noise)},
        "intervention_shown": {"intervention": _remedy, "propensity": lambda d: d.propensity},
    },
)
WORLDS = {"small": SMALL, **SHIPPED}


def alike(world: World, count: int, **values: Any) -> Setting:
    """Return the setting of ``count`` sessions that have everything in common."""
    opening = np.full((count, 3), -1, np.int64)
    opening[:, 0] = world.names.index(world.places[0].entry[0])
    given: dict[str, Any] = {"intent": 0.0, "kind": 0, "blocker": 0, "changed": 0, "leave": 0.0, "advance": 0.0}
    given |= values
    whole = ("kind", "blocker", "changed")
    arrays = {name: np.full(count, value, np.int64 if name in whole else np.float64) for name, value in given.items()}
    return Setting(**arrays, openings=opening)


def walks_of(world: World, setting: Setting, seed: int = 1, change: Callable[[Rules], Rules] = lambda r: r) -> Walks:
    """Walk through a world whose rules may be changed."""
    return walk(change(compile_world(world)), setting, TIES, np.random.default_rng(seed))


def no_decisions(rules: Rules) -> Rules:
    return rules._replace(decide=np.zeros_like(rules.decide))


def solve(rules: Rules, changed: int, leave: FloatArray, advance: FloatArray, b: int, c: int, t: int) -> FloatArray:
    """Return what ``reach_goal`` returns, by solving the Markov chain's linear system over every state at once."""
    stages, levels = leave.shape
    states, attempt = stages * levels, stages * levels
    chain, goal = np.zeros((states + 1, states + 1)), np.zeros(states + 1)
    for s in range(stages):
        for k in range(levels):
            rest = 1.0 - leave[s, k] - advance[s, k]
            chain[s * levels + k, attempt if s == stages - 1 else (s + 1) * levels] += advance[s, k]
            if s > 0:
                chain[s * levels + k, (s - 1) * levels] += rest * rules.back[s]
            for j in range(levels):
                stay = rest * (1.0 - rules.back[s]) * rules.upset_share[changed, s, b, c, j]
                chain[s * levels + k, s * levels + j] += stay
    failure = rules.failure[0] + (rules.failure[b] - rules.failure[0]) * (1.0 - rules.relief[t, b])
    chain[attempt, (stages - 1) * levels + levels - 1] = failure
    goal[attempt] = 1.0 - failure
    reached = np.linalg.solve(np.eye(states + 1) - chain, goal)
    return np.vstack((reached[:states].reshape(stages, levels), np.full(levels, reached[attempt])))


def close_to(observed: IntArray | FloatArray, expected: FloatArray | float, deviations: float = 4.5) -> bool:
    """Whether the mean of 0/1 outcomes lies within sampling error of their probabilities."""
    odds = np.broadcast_to(np.asarray(expected, np.float64), np.shape(observed))
    error = np.sqrt((odds * (1.0 - odds)).sum())
    return bool(abs(np.sum(observed) - odds.sum()) <= deviations * error + 1e-9)
