"""The live session: whatever arrives in whatever order, it says what a session built from scratch would say."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from strategies import sessions, tables

from features.encode import EncodedEvent, encode_event
from features.events import Event
from features.friction import Friction
from features.live import LiveSession
from features.plan import Plan, compile_plan
from features.scan import any_event, count, distinct, last, prop, session_start, since
from features.scan import key as key_value
from features.table import Feature, FeatureTable, Stage

SECOND = 1_000_000
FEATURES = (
    Feature("events_seen", count(any_event), Friction.NONE, "{:.0f} events"),
    Feature("views_ever", count("view", per="visitor"), Friction.NONE, "{:.0f} views"),
    Feature("visits", count(session_start, per="visitor"), Friction.NONE, "{:.0f} visits"),
    Feature("price", last(prop("price")), Friction.PRICE, "{:.0f} euros"),
    Feature("since_view", since("view"), Friction.NONE, "{:.0f} s"),
    Feature("products_ever", distinct(key_value("product"), per="visitor"), Friction.NONE, "{:.0f} products"),
)
PLAN = compile_plan(FeatureTable(("view", "click"), (Stage("browse", "view"),), FEATURES))


def encoded(event_id: str, seconds: float, name: str = "view", **properties: Any) -> EncodedEvent:
    return encode_event(PLAN, Event(event_id, name, int(seconds * SECOND), "v", properties=properties))


def session_of(*events: EncodedEvent, session_id: str = "s", plan: Plan = PLAN) -> LiveSession:
    live = LiveSession(plan, session_id, "v")
    for event in events:
        live.append(event)
    return live


def row(live: LiveSession, seconds: float, *earlier: LiveSession) -> dict[str, float]:
    return dict(zip(PLAN.feature_names, live.row(int(seconds * SECOND), earlier).tolist(), strict=True))


def test_an_event_counts_from_its_own_moment_on() -> None:
    live = session_of(encoded("a", 1, price=3), encoded("b", 5, "click", price=4))
    assert (live.seen(999_999), live.seen(1 * SECOND), live.seen(5 * SECOND), len(live)) == (0, 1, 2, 2)
    assert (live.first_at_us, live.last_at_us) == (1 * SECOND, 5 * SECOND)
    assert row(live, 1)["price"] == row(live, 4.999999)["price"] == 3
    assert row(live, 5)["price"] == 4
    assert row(live, 11)["since_view"] == 10


def test_what_has_happened_and_when_it_last_did_is_asked_of_a_moment() -> None:
    live = session_of(encoded("a", 1), encoded("b", 5, "click"))
    click = PLAN.codes["click"]
    assert not live.happened([click], 4 * SECOND)
    assert live.happened({click, 99}, 5 * SECOND)
    assert not live.happened([], 9 * SECOND)
    assert [live.latest_us(moment * SECOND) for moment in (0, 1, 4, 9)] == [0, SECOND, SECOND, 5 * SECOND]


def test_an_id_that_is_there_already_changes_nothing() -> None:
    live = session_of(encoded("a", 1, price=3))
    before = row(live, 9)
    assert not live.append(encoded("a", 2, "click", price=99))
    assert (len(live), row(live, 9)) == (1, before)


def test_a_late_event_changes_later_answers_and_no_earlier_ones() -> None:
    live = session_of(encoded("a", 1, price=3), encoded("c", 9, "click"))
    at_two, at_nine = row(live, 2), row(live, 9)
    assert live.append(encoded("b", 5, price=4))
    assert row(live, 2) == at_two
    assert row(live, 9) == at_nine | {"events_seen": 3, "views_ever": 2, "price": 4, "since_view": 4}


def test_ties_go_by_the_bytes_of_their_ids() -> None:
    # In UTF-16 the last of these would come before the one before it.
    ids = ["", "10", "9", "Z", "a", "é", "\uffff", "\U0001f600"]
    assert ids == sorted(ids, key=str.encode)
    for order in (ids, ids[::-1]):
        live = session_of(*(encoded(name, 1, price=place) for name in order for place in [ids.index(name)]))
        assert row(live, 1)["price"] == len(ids) - 1


def test_a_moment_before_the_first_event_is_refused() -> None:
    live = session_of(encoded("a", 1))
    for moments in ([], [(0, SECOND)]):
        with pytest.raises(ValueError, match="session 's' has no event at or before that moment"):
            live.rows(moments)
    with pytest.raises(ValueError, match="has no event at or before"):
        live.row(SECOND - 1)
    with pytest.raises(ValueError, match="has no event at or before"):
        session_of().row(SECOND)


def test_moments_that_saw_more_than_there_was_or_go_backwards_are_refused() -> None:
    live = session_of(encoded("a", 1), encoded("b", 5))
    for moments in ([(3, 9 * SECOND)], [(2, 4 * SECOND)]):
        with pytest.raises(ValueError, match="had not seen so many events by that moment"):
            live.rows(moments)
    for moments in ([(2, 5 * SECOND), (1, 5 * SECOND)], [(1, 3 * SECOND), (1, 2 * SECOND)]):
        with pytest.raises(ValueError, match="must be in ascending order"):
            live.rows(moments)


def test_several_moments_at_once_are_what_they_are_one_by_one() -> None:
    live = session_of(*(encoded(f"{number:02}", number, price=number) for number in range(40)))
    before = session_of(encoded("x", -9, product="p"), session_id="before")
    moments = [(number // 2 + 1, (number // 2) * SECOND + (number % 2) * 500_000) for number in range(80)]
    together = live.rows(moments, [before])
    for moment, found in zip(moments, together, strict=True):
        assert live.rows([moment], [before])[0].tobytes() == found.tobytes()


def test_earlier_sessions_are_those_that_began_before_in_whatever_order_they_are_given() -> None:
    live = session_of(encoded("a", 100, product="p"))
    first = session_of(encoded("b", 1, product="p"), encoded("c", 2, product="q"), session_id="first")
    second = session_of(encoded("d", 50, product="r"), session_id="second")
    same = session_of(encoded("e", 100, product="x"), session_id="same")
    later = session_of(encoded("f", 101, product="y"), session_id="later")
    empty = LiveSession(PLAN, "empty", "v")
    assert row(live, 100) | {"price": 0} == {
        "events_seen": 1,
        "views_ever": 1,
        "visits": 1,
        "price": 0,
        "since_view": 0,
        "products_ever": 1,
    }
    expected = {"visits": 3, "views_ever": 4, "products_ever": 3, "events_seen": 1}
    for earlier in ([first, second], [second, later, live, first, empty, same]):
        found = row(live, 100, *earlier)
        assert {name: found[name] for name in expected} == expected


def test_of_an_earlier_session_that_is_still_open_only_what_came_before_counts() -> None:
    live = session_of(encoded("a", 100))
    other = session_of(encoded("b", 1), encoded("c", 99.999999), encoded("d", 100), session_id="o")
    assert row(live, 200, other)["views_ever"] == 3


def test_what_is_carried_over_follows_every_change_of_it() -> None:
    live = session_of(encoded("a", 100))
    other = session_of(encoded("b", 50), session_id="o")
    assert row(live, 100, other)["views_ever"] == 2
    # A late event of the earlier session, then of this one, which moves its beginning before the other.
    other.append(encoded("c", 20))
    assert row(live, 100, other)["views_ever"] == 3
    live.append(encoded("d", 10))
    found = row(live, 100, other)
    assert (found["views_ever"], found["visits"]) == (2, 1)
    assert row(live, 100)["views_ever"] == 2


def test_a_thousand_products_and_more_are_told_apart_whoever_saw_them_first() -> None:
    before = session_of(
        *(encoded(f"b{number}", number / 100, product=f"p{number}") for number in range(800)), session_id="before"
    )
    live = LiveSession(PLAN, "s", "v")
    for number in range(600, 1_500):
        live.append(encoded(f"s{number}", number, product=f"p{number}"))
    assert row(live, 9_999, before)["products_ever"] == 1_500
    assert row(live, 9_999)["products_ever"] == 900
    assert row(live, 9_999, before)["products_ever"] == 1_500


@settings(max_examples=80, deadline=None)
@given(tables(), sessions(), st.randoms(use_true_random=False))
def test_reading_between_arrivals_changes_nothing_in_any_order(
    table: FeatureTable, drawn: list[list[tuple[int, str, dict[str, float]]]], chance: Any
) -> None:
    plan = compile_plan(table)
    arrivals = [
        (number, encode_event(plan, Event(f"{number}-{place}", name, at_us, "v", properties=properties)))
        for number, events in enumerate(drawn)
        for place, (at_us, name, properties) in enumerate(events)
    ]
    chance.shuffle(arrivals)
    read_all_along = [LiveSession(plan, str(number), "v") for number in range(len(drawn))]
    for seen, (number, event) in enumerate(arrivals, start=1):
        read_all_along[number].append(event)
        fresh = [LiveSession(plan, str(other), "v") for other in range(len(drawn))]
        for other, arrived in arrivals[:seen]:
            fresh[other].append(arrived)
        asked, moment = read_all_along[number], read_all_along[number].last_at_us + 250_000
        assert asked.row(moment, read_all_along).tobytes() == fresh[number].row(moment, fresh).tobytes()


def test_room_grows_without_losing_an_event() -> None:
    numbers = np.random.default_rng(3).permutation(1_000)
    live = session_of(*(encoded(f"{number:04}", int(number), price=int(number)) for number in numbers))
    prices = live.rows([(number + 1, number * SECOND) for number in range(1_000)])[:, PLAN.feature_names.index("price")]
    assert prices.tolist() == list(range(1_000))
