"""Events of one time keep the order in which they were sent."""

from hypothesis import given
from hypothesis import strategies as st

from features.events import Event
from serving.ties import keep_order


def _event(number: int, visitor_id: str, at_us: int, received_at_us: int = 9_000) -> Event:
    return Event(f"{1_000 - number}", "page_view", at_us, visitor_id, received_at_us=received_at_us)


def test_events_of_one_millisecond_are_a_microsecond_apart() -> None:
    events = [_event(0, "a", 5_000), _event(1, "a", 5_000), _event(2, "b", 5_000), _event(3, "a", 5_000)]
    assert [one.occurred_at_us for one in keep_order(events)] == [5_000, 5_001, 5_000, 5_002]


def test_no_event_happens_after_it_came() -> None:
    events = [_event(number, "a", 9_000) for number in range(3)]
    assert [one.occurred_at_us for one in keep_order(events)] == [8_998, 8_999, 9_000]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), max_size=60))
def test_times_in_milliseconds_keep_their_order_and_visitors_theirs(sent: list[tuple[str, int]]) -> None:
    events = [_event(number, visitor, at * 1_000) for number, (visitor, at) in enumerate(sent)]
    kept = keep_order(events)
    assert [one.event_id for one in kept] == [one.event_id for one in events]
    assert all(abs(one.occurred_at_us - event.occurred_at_us) < 100 for one, event in zip(kept, events, strict=True))
    assert all(one.occurred_at_us <= 9_000 for one in kept)
    for visitor in "ab":
        own = [(one.occurred_at_us, number) for number, one in enumerate(kept) if one.visitor_id == visitor]
        said = [(events[number].occurred_at_us, number) for _, number in own]
        assert [number for _, number in sorted(own)] == [number for _, number in sorted(said)]


def test_more_events_than_a_millisecond_holds_stay_within_it() -> None:
    kept = keep_order([_event(number, "a", 5_000) for number in range(1_500)])
    assert max(one.occurred_at_us for one in kept) == 5_999
