"""What is sent while costs are measured: events of new visitors, and questions about visitors who are known."""

import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from benchmarks.serving import call_of
from capacity.costs import BATCH, BATCH_EVENTS, EVENT, RECOMMEND, SCORE
from journeys.journey import Journey

FILL = "fill"
ADDRESSES = {
    FILL: "/v1/batch",
    EVENT: "/v1/track",
    BATCH: "/v1/batch",
    SCORE: "/v1/score",
    RECOMMEND: "/v1/recommend",
}
EVENTS_EACH = 12
"""Events of a session, as many as the simulated shop's have on average."""
ASKED = 2_000
"""Visitors that are asked about: few are asked about more than twice while a kind of request is measured."""
_ASKED_PER_BATCH = 8
_VISITORS_PER_BATCH = 60
"""A batch of a server holds events of many people, as ``benchmarks.traffic`` deals them."""
_EVENTS, _BATCHES = 40_000, 400


def write_bodies(journey: Journey, path: Path, seed: int = 1) -> Mapping[str, int]:
    """Write the bodies of every kind of request and return how many there are.

    Events have no ids of their own: each is a new one, however often it is sent.
    """
    source = random.Random(seed)

    def event(visitor: str) -> dict[str, object]:
        made = call_of(journey, visitor, source)
        del made["messageId"]
        return made | {"type": "track"}

    def batch(visitors: Iterable[str]) -> bytes:
        return json.dumps({"batch": [event(visitor) for visitor in visitors]}).encode()

    asking = [json.dumps({"visitor_id": f"asked-{number}"}).encode() for number in range(ASKED)]
    bodies = {
        FILL: [
            batch(f"asked-{first + place // EVENTS_EACH}" for place in range(_ASKED_PER_BATCH * EVENTS_EACH))
            for first in range(0, ASKED, _ASKED_PER_BATCH)
        ],
        EVENT: [json.dumps(event(f"one-{number // EVENTS_EACH}")).encode() for number in range(_EVENTS)],
        BATCH: [
            batch(f"many-{number}-{place % _VISITORS_PER_BATCH}" for place in range(BATCH_EVENTS))
            for number in range(_BATCHES)
        ],
        SCORE: asking,
        RECOMMEND: asking,
    }
    path.write_bytes(msgspec.msgpack.encode(bodies))
    return {kind: len(found) for kind, found in bodies.items()}
