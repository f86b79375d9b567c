"""Packed sessions: the same to the bit when they are unpacked, small, and refused where they do not belong."""

import struct
import uuid
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.encode import EncodedEvent
from features.friction import Friction
from features.live import LiveSession
from features.packing import Glance, PackedElsewhere, Packing
from features.plan import Plan, compile_plan
from features.scan import any_event, count, distinct, last, prop, since, total
from features.table import Feature, FeatureTable, Stage

TABLE = FeatureTable(
    events=("look", "buy"),
    stages=(Stage("looking", "look"), Stage("buying", "buy")),
    features=(
        Feature("events_seen", count(any_event), Friction.NONE, "{:.0f} events"),
        Feature("price", last(prop("price")), Friction.PRICE, "price {:.2f}"),
        Feature("spent", total(prop("revenue"), on="buy"), Friction.NONE, "spent {:.2f}"),
        Feature("products", distinct(prop("product"), on="look"), Friction.CHOICE, "{:.0f} products"),
        Feature("idle_seconds", since(any_event), Friction.NONE, "{:.0f} s"),
        Feature("bought_before", count("buy", per="visitor"), Friction.NONE, "{:.0f} purchases"),
    ),
)
PLAN = compile_plan(TABLE)
PACKING = Packing(PLAN)
SECOND = 1_000_000
START_US = 1_760_000_000 * SECOND
P = len(PLAN.columns)

# Any bits of a number but those of NaN, of which there is one: it stands for a value that is missing.
NUMBERS = st.floats(allow_nan=False, width=64) | st.sampled_from([np.nan, 0.0, -0.0, 59.99, 5e-324, -(2.0**52)])
IDS = st.uuids().map(str) | st.text(max_size=12) | st.sampled_from(["e-1", "e-2", "x" * 300, "Ü", "\ud800", ""])
EVENTS = st.builds(
    EncodedEvent,
    event_id=IDS,
    at_us=st.integers(-(2**40), 2**52) | st.integers(START_US, START_US + 3),
    code=st.integers(0, 5) | st.integers(0, 70_000),
    values=st.lists(NUMBERS, min_size=P, max_size=P).map(np.array),
)
SESSIONS = st.lists(st.tuples(st.text(max_size=8), st.lists(EVENTS, max_size=12)), max_size=4)


def _session(session_id: str, events: list[EncodedEvent], plan: Plan = PLAN) -> LiveSession:
    session = LiveSession(plan, session_id, "v")
    for event in events:
        session.append(event)
    return session


def _same(session: LiveSession, other: LiveSession) -> bool:
    mine, theirs = session.columns, other.columns
    return (
        (session.session_id, session.visitor_id, list(mine.event_ids))
        == (other.session_id, other.visitor_id, list(theirs.event_ids))
        and mine.at_us.tobytes() == theirs.at_us.tobytes()
        and mine.codes.tobytes() == theirs.codes.tobytes()
        and mine.values.tobytes() == theirs.values.tobytes()
    )


@settings(max_examples=150, deadline=None)
@given(SESSIONS)
def test_what_is_unpacked_is_what_was_packed_to_the_bit(given_sessions: list[tuple[str, list[EncodedEvent]]]) -> None:
    sessions = [_session(session_id, events) for session_id, events in given_sessions]
    packed = PACKING.pack(sessions)
    unpacked = PACKING.unpack(packed, "v")
    assert len(unpacked) == len(sessions)
    assert all(_same(one, other) for one, other in zip(sessions, unpacked, strict=True))
    assert list(PACKING.glance(packed)) == [
        Glance(one.session_id, len(one), one.last_at_us if len(one) else 0) for one in sessions
    ]


@settings(max_examples=50, deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=12), st.lists(EVENTS, max_size=6))
def test_an_unpacked_session_goes_on_as_the_session_itself_would(
    before: list[EncodedEvent], after: list[EncodedEvent]
) -> None:
    codes = [*PLAN.codes.values(), 0]
    before, after = (
        [
            msgspec.structs.replace(event, code=codes[event.code % len(codes)], at_us=START_US + event.at_us % 10**10)
            for event in events
        ]
        for events in (before, after)
    )
    session = _session("s", before)
    (unpacked,) = PACKING.unpack(PACKING.pack([session]), "v")
    for event in after:
        assert unpacked.append(event) == session.append(event)
    assert _same(session, unpacked)
    moments = [(len(session), session.last_at_us), (len(session), session.last_at_us + SECOND)]
    rows = (session.rows(moments), unpacked.rows(moments))
    assert rows[0].tobytes() == rows[1].tobytes()


def test_a_session_of_thirty_events_with_uuids_takes_less_than_two_kilobytes() -> None:
    source = np.random.default_rng(1)
    values = np.where(source.random((30, P)) < 0.7, np.nan, source.integers(0, 6_000, (30, P)) / 100)
    events = [
        EncodedEvent(str(uuid.UUID(int=int(source.integers(2**62)))), START_US + place * 20 * SECOND, 3, row)
        for place, row in enumerate(values)
    ]
    assert len(PACKING.pack([_session(str(uuid.UUID(int=7)), events)])) < 2_000


def test_sessions_of_another_feature_table_or_version_are_refused() -> None:
    packed = PACKING.pack([_session("s", [EncodedEvent("e", START_US, 3, np.full(P, np.nan))])])
    other = Packing(compile_plan(replace(TABLE, features=TABLE.features[:-1])))
    with pytest.raises(PackedElsewhere):
        other.unpack(packed, "v")
    with pytest.raises(PackedElsewhere):
        PACKING.unpack(struct.pack("B", packed[0] + 1) + packed[1:], "v")
    with pytest.raises(PackedElsewhere):
        list(PACKING.glance(b""))
