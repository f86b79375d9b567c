"""Touchpoints outside of sessions: mails, ads, calls and messages that reach people, some of them with a planted pull.

They are drawn after the sessions, from a random generator of their own, so that the sessions stay as they are. Given
whether a session converted, Bayes' rule says how probably its visitor was touched before: the log is as if touches had
been dealt out first, to some more than to others, and had raised the odds to convert by the planted pull.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import expit, logit

from features.events import US_PER_SECOND, FloatArray, IntArray
from training.simulator.log import numbered
from training.simulator.people import DAY_SECONDS, Visits
from training.simulator.world import Outreach, World

STRANGERS = 0.5
"""People who are reached and never visit, for each one who does."""
CAMPAIGNS = 4
_STREAM = 7


@dataclass(frozen=True)
class Reached:
    """Which outreach touched the visitor before each session (S, R), and what it is expected to have brought (R,)."""

    touched: np.ndarray
    extra: FloatArray


def touchpoints_generator(seed: int, chunk: int) -> np.random.Generator:
    """Return the generator for a chunk's touchpoints, which shares nothing with the one of its sessions."""
    return np.random.default_rng([seed, chunk, _STREAM])


def draw_reached(
    outreach: Sequence[Outreach],
    intent: FloatArray,
    p_convert: FloatArray,
    converted: IntArray,
    rng: np.random.Generator,
) -> Reached:
    """Draw who was touched before each session (S,), given its true probability to convert and whether it did.

    A base ``a`` solves ``sum_t q(t) sigmoid(a + pull t) = p_convert`` over all combinations ``t`` of touches with their
    probabilities ``q``; then ``P(t | converted)`` is in proportion to ``q(t) sigmoid(a + pull t)``. ``extra`` is the
    number of conversions that the touches of each outreach add: expected with them, less expected without.
    """
    combinations = np.arange(1 << len(outreach))[:, None] >> np.arange(len(outreach)) & 1
    reach = expit(np.stack([logit(one.reach) + one.aim * intent for one in outreach], axis=1))
    odds = np.ones((len(intent), len(combinations)))
    for place in range(len(outreach)):
        odds *= np.where(combinations[:, place] == 1, reach[:, [place]], 1.0 - reach[:, [place]])
    pull = combinations @ np.array([one.pull for one in outreach])
    base = _solve_base(odds, pull, p_convert)
    likely = expit(base[:, None] + pull)
    given = odds * np.where(converted[:, None] == 1, likely, 1.0 - likely)
    steps = np.cumsum(given, axis=1)
    chosen = (rng.random(len(intent))[:, None] * steps[:, -1:] > steps).sum(axis=1)
    spared = np.stack(
        [expit(base[:, None] + pull - combinations[:, place] * one.pull) for place, one in enumerate(outreach)]
    )
    extra: FloatArray = (odds * (likely - spared)).sum(axis=(1, 2))
    return Reached(combinations[chosen] == 1, extra)


def to_touchpoints(
    world: World, visits: Visits, reached: Reached, *, chunk: int, start_us: int, days: float, rng: np.random.Generator
) -> pa.Table:
    """Return the touchpoints of a chunk in the canonical columns, in the order in which they were received.

    Beside those before sessions there are strays: they reach visitors at any time, and people who never visit.
    """
    session, kind = np.nonzero(reached.touched)
    delay = np.array([one.hours for one in world.outreach])[kind] * 3_600.0 * rng.exponential(size=len(kind))
    ids = [numbered("v", visits.visitor[session], 9)]
    at_us, kinds = [visits.started_us[session] - np.round(delay * 1e3).astype(np.int64) * 1_000], [kind]
    known = np.unique(visits.visitor)
    strangers = np.arange(round(STRANGERS * len(known))) + int(known[0])
    for prefix, people in (("v", known), ("x", strangers)):
        for place, one in enumerate(world.outreach):
            # Strangers hear as often as visitors do before a session.
            times = rng.poisson(one.strays if prefix == "v" else one.reach, len(people))
            who = np.repeat(people, times)
            ids.append(numbered(prefix, who, 9))
            at_us.append(start_us + np.floor(rng.random(len(who)) * days * DAY_SECONDS * 1e3).astype(np.int64) * 1_000)
            kinds.append(np.full(len(who), place, np.int64))
    return _to_table(
        world, pa.chunked_array(ids).combine_chunks(), np.concatenate(at_us), np.concatenate(kinds), chunk, rng
    )


def to_truth_of_channels(world: World, touched: IntArray, extra: FloatArray) -> pa.Table:
    """Return what was planted: a row for each outreach; ``extra_conversions`` of an outreach without pull are 0."""
    return pa.table(
        {
            "channel": [one.channel for one in world.outreach],
            "pull": [one.pull for one in world.outreach],
            "aim": [one.aim for one in world.outreach],
            "touched_sessions": touched,
            "extra_conversions": extra,
        }
    )


def _solve_base(odds: FloatArray, pull: FloatArray, p_convert: FloatArray) -> FloatArray:
    low, high = np.full(len(p_convert), -60.0), np.full(len(p_convert), 60.0)
    for _ in range(50):
        middle = (low + high) / 2
        above = (odds * expit(middle[:, None] + pull)).sum(axis=1) > p_convert
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    base: FloatArray = (low + high) / 2
    return base


def _to_table(
    world: World, ids: pa.Array, at_us: IntArray, kinds: IntArray, chunk: int, rng: np.random.Generator
) -> pa.Table:
    order = np.argsort(at_us, kind="stable")
    kind, at_us = pa.array(kinds[order]), at_us[order]
    stamp = pa.timestamp("us", tz="UTC")
    sources = pa.array([one.source for one in world.outreach])
    campaign = numbered("-", rng.integers(0, CAMPAIGNS, len(order)), 1)
    received = at_us + 150_000 + np.floor(1.5 * US_PER_SECOND * rng.random(len(order))).astype(np.int64)
    return pa.table(
        {
            "event_id": pc.binary_join_element_wise(f"t{chunk:03}", numbered("", np.arange(len(order)), 9), "-"),
            "visitor_id": ids.take(pa.array(order)),
            "name": pa.array([one.event for one in world.outreach]).take(kind),
            "occurred_at": pa.array(at_us).cast(stamp),
            "received_at": pa.array(received).cast(stamp),
            "channel": pa.array([one.channel for one in world.outreach]).take(kind),
            "source": sources.take(kind),
            "campaign": pc.binary_join_element_wise(sources.take(kind), campaign, ""),
        }
    )
