"""The kernel against the definitions, and the laws that make live and historical values one thing."""

import math
import sys
from pathlib import Path

import numpy as np
from hypothesis import given, note, settings

sys.path.insert(0, str(Path(__file__).parent))

from naive import Seen, naive_row
from strategies import sessions, tables

from features.build import build
from features.encode import EncodedEvent, encode_event
from features.events import Cutoffs, EncodedLog, Event
from features.friction import Friction
from features.live import LiveSession
from features.plan import Plan, compile_plan
from features.scan import count, distinct, key, peak, prop
from features.table import Feature, FeatureTable, Stage

Sessions = list[list[tuple[int, str, dict[str, float]]]]


def encode(plan: Plan, drawn: Sessions, visitor_id: str = "v") -> list[list[EncodedEvent]]:
    return [
        [
            encode_event(plan, Event(f"{number}-{index:04d}", name, at_us, visitor_id, properties=properties))
            for index, (at_us, name, properties) in enumerate(events)
        ]
        for number, events in enumerate(drawn)
    ]


def log_of(plan: Plan, encoded: list[list[EncodedEvent]]) -> EncodedLog:
    flat = [event for events in encoded for event in events]
    return EncodedLog(
        np.array([str(number) for number in range(len(encoded))], object),
        np.array(["v"] * len(encoded), object),
        np.array([None] * len(encoded), object),
        np.cumsum([0, *(len(events) for events in encoded)]),
        np.array([event.at_us for event in flat], np.int64),
        np.array([event.code for event in flat], np.int32),
        np.array([event.values for event in flat], np.float64).reshape(len(flat), len(plan.columns)),
        np.array([event.event_id for event in flat], object),
    )


def all_cutoffs(log: EncodedLog, wait_us: int) -> Cutoffs:
    """After every event, at its time and after a wait no longer than the next event allows."""
    session, after, at_us = [], [], []
    for number in range(log.session_count):
        begin, end = log.starts[number], log.starts[number + 1]
        for event in range(begin, end):
            limit = log.at_us[event + 1] if event + 1 < end else log.at_us[event] + wait_us
            for moment in (log.at_us[event], min(log.at_us[event] + wait_us, limit)):
                session.append(number)
                after.append(event - begin + 1)
                at_us.append(moment)
    return Cutoffs(np.array(session), np.array(after), np.array(at_us))


def naive_rows(table: FeatureTable, drawn: Sessions, cutoffs: Cutoffs) -> np.ndarray:
    rows = []
    for number, after, at_us in zip(cutoffs.session, cutoffs.after, cutoffs.at_us, strict=True):
        first_at = drawn[number][0][0]
        earlier = [
            Seen(other, event[0], event[1], event[2], index == 0)
            for other, events in enumerate(drawn[:number])
            for index, event in enumerate(events)
            if event[0] < first_at
        ]
        earlier.sort(key=lambda event: event.at_us)
        own = [
            Seen(number, event[0], event[1], event[2], index == 0) for index, event in enumerate(drawn[number][:after])
        ]
        rows.append(naive_row(table, earlier + own, number, int(at_us)))
    return np.array(rows)


@settings(max_examples=300, deadline=None)
@given(tables(), sessions())
def test_every_table_over_every_stream_equals_the_definitions(table: FeatureTable, drawn: Sessions) -> None:
    note(f"{[feature.expression for feature in table.features]} over {drawn}")
    plan = compile_plan(table)
    log = log_of(plan, encode(plan, drawn))
    cutoffs = all_cutoffs(log, 700_000)
    # A decayed sum is carried forward here and summed from its definition there, so the last bits may differ.
    np.testing.assert_allclose(build(plan, log, cutoffs), naive_rows(table, drawn, cutoffs), rtol=1e-9, atol=1e-12)


@settings(max_examples=150, deadline=None)
@given(tables(), sessions())
def test_live_rows_are_bit_identical_to_historical_ones(table: FeatureTable, drawn: Sessions) -> None:
    plan = compile_plan(table)
    encoded = encode(plan, drawn)
    log = log_of(plan, encoded)
    cutoffs = all_cutoffs(log, 700_000)
    historical = build(plan, log, cutoffs)
    row = 0
    earlier: list[LiveSession] = []
    for number, events in enumerate(encoded):
        live = LiveSession(plan, str(number), "v")
        for event in events:
            assert live.append(event)
            while row < len(cutoffs) and cutoffs.session[row] == number and cutoffs.after[row] == len(live):
                [values] = live.rows([(len(live), int(cutoffs.at_us[row]))], earlier)
                assert values.tobytes() == historical[row].tobytes()
                row += 1
        earlier.append(live)
    assert row == len(cutoffs)


@settings(max_examples=100, deadline=None)
@given(tables(), sessions(max_sessions=1))
def test_late_and_duplicated_events_find_their_place(table: FeatureTable, drawn: Sessions) -> None:
    plan = compile_plan(table)
    [events] = encode(plan, drawn)
    in_order, reversed_twice = LiveSession(plan, "s", "v"), LiveSession(plan, "s", "v")
    assert all(in_order.append(event) for event in events)
    assert all(reversed_twice.append(event) for event in reversed(events))
    assert not any(reversed_twice.append(event) for event in events)
    moment = in_order.last_at_us + 1
    assert in_order.row(moment).tobytes() == reversed_twice.row(moment).tobytes()


@settings(max_examples=100, deadline=None)
@given(tables(), sessions())
def test_what_comes_after_a_cutoff_never_changes_its_row(table: FeatureTable, drawn: Sessions) -> None:
    plan = compile_plan(table)
    whole = log_of(plan, encode(plan, drawn))
    cutoffs = all_cutoffs(whole, 0)
    expected = build(plan, whole, cutoffs)
    for number, events in enumerate(drawn):
        for after in range(1, len(events) + 1):
            moment = events[after - 1][0]
            past = [[event for event in other if event[0] <= moment] for other in drawn[:number]] + [events[:after]]
            past = [other for other in past if other]
            log = log_of(plan, encode(plan, past))
            cut = Cutoffs(np.array([len(past) - 1]), np.array([after]), np.array([moment]))
            chosen = (cutoffs.session == number) & (cutoffs.after == after) & (cutoffs.at_us == moment)
            assert build(plan, log, cut)[0].tobytes() == expected[chosen][0].tobytes()


@settings(max_examples=50, deadline=None)
@given(tables(), sessions(max_sessions=2))
def test_reading_never_changes_the_state(table: FeatureTable, drawn: Sessions) -> None:
    plan = compile_plan(table)
    log = log_of(plan, encode(plan, drawn))
    cutoffs = all_cutoffs(log, 0)
    final = np.flatnonzero(np.append(np.diff(cutoffs.session) != 0, True))
    assert build(plan, log, cutoffs)[final].tobytes() == build(plan, log, cutoffs.take(final)).tobytes()


def shop(*features: Feature) -> Plan:
    return compile_plan(FeatureTable(("click", "view"), (Stage("browse", "view"),), features))


def test_distinct_counts_exactly_past_any_table_size() -> None:
    plan = shop(
        Feature("products", distinct(key("product"), "view"), Friction.CHOICE, "{:.0f} products"),
        Feature("ever", distinct(key("product"), "view", per="visitor"), Friction.CHOICE, "{:.0f} products"),
    )
    rng = np.random.default_rng(7)
    products = rng.integers(0, 3_000, (3, 20_000)).astype(float)
    starts = np.array([0, 20_000, 40_000, 60_000])
    log = EncodedLog(
        np.array(["1", "2", "3"], object),
        np.array(["v", "v", "v"], object),
        np.array([None] * 3, object),
        starts,
        np.arange(60_000) * 1_000_000,
        np.full(60_000, plan.codes["view"], np.int32),
        products.reshape(-1, 1),
        np.array([], object),
    )
    cutoffs = Cutoffs(np.arange(3), np.full(3, 20_000), log.at_us[starts[1:] - 1])
    rows = build(plan, log, cutoffs)
    assert rows[:, 0].tolist() == [len(np.unique(session)) for session in products]
    assert rows[:, 1].tolist() == [len(np.unique(products[: number + 1])) for number in range(3)]


def test_a_live_session_counts_as_many_different_things_as_there_are() -> None:
    plan = shop(
        Feature("products", distinct(key("product"), "view"), Friction.CHOICE, "{:.0f} products"),
        Feature("ever", distinct(key("product"), "view", per="visitor"), Friction.CHOICE, "{:.0f} products"),
    )
    earlier, live = LiveSession(plan, "1", "v"), LiveSession(plan, "2", "v")
    for index in range(3_000):
        earlier.append(EncodedEvent(f"a{index:04d}", index, plan.codes["view"], np.array([float(index % 500)])))
        at_us = 10_000 + index
        live.append(EncodedEvent(f"b{index:04d}", at_us, plan.codes["view"], np.array([float(index % 700)])))
    assert live.row(20_000).tolist() == [700.0, 700.0]
    assert live.row(20_000, [earlier]).tolist() == [700.0, 700.0]


def test_minus_zero_is_the_same_product_as_zero() -> None:
    plan = shop(Feature("products", distinct(key("product"), "view"), Friction.CHOICE, "{:.0f} products"))
    live = LiveSession(plan, "s", "v")
    for index, value in enumerate((0.0, -0.0)):
        live.append(EncodedEvent(str(index), index, plan.codes["view"], np.array([value])))
    assert live.row(10)[0] == 1


def test_a_ratio_to_zero_is_missing() -> None:
    plan = shop(Feature("share", count("click") / count("view"), Friction.FORM, "{:.1f} clicks a view"))
    live = LiveSession(plan, "s", "v")
    live.append(EncodedEvent("1", 0, plan.codes["click"], np.empty(0)))
    assert math.isnan(live.row(0)[0])


def test_a_session_of_a_hundred_thousand_events_is_read_whole() -> None:
    plan = shop(
        Feature("clicks", count("click"), Friction.FORM, "{:.0f} clicks"),
        Feature("peak_x", peak(prop("x")), Friction.FORM, "{:.0f} at most"),
    )
    live = LiveSession(plan, "s", "v")
    for index in range(100_000):
        live.append(EncodedEvent(f"{index:06d}", index, plan.codes["click"], np.array([float(index % 777)])))
    assert live.row(100_000).tolist() == [100_000.0, 776.0]
