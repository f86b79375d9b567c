"""Events of one time keep the order in which they were sent."""

from hypothesis import given
from hypothesis import strategies as st

from features.events import Event
from serving.ties import keep_order


def _event(number: int, visitor_id: str, at_us: int) -> Event:
    return Event(f"{1_000 - number}", "page_view", at_us, visitor_id)


def test_events_of_one_millisecond_are_a_microsecond_apart() -> None:
    events = [_event(0, "a", 5_000), _event(1, "a", 5_000), _event(2, "b", 5_000), _event(3, "a", 5_000)]
    assert [one.occurred_at_us for one in keep_order(events)] == [4_998, 4_999, 5_000, 5_000]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5)), max_size=60))
def test_times_in_milliseconds_keep_their_order_and_visitors_theirs(sent: list[tuple[str, int]]) -> None:
    events = [_event(number, visitor, at * 1_000) for number, (visitor, at) in enumerate(sent)]
    kept = keep_order(events)
    assert [one.event_id for one in kept] == [one.event_id for one in events]
    moved = [event.occurred_at_us - one.occurred_at_us for one, event in zip(kept, events, strict=True)]
    assert all(0 <= one < 1_000 for one in moved)
    for visitor in "ab":
        own = [(one.occurred_at_us, number) for number, one in enumerate(kept) if one.visitor_id == visitor]
        for at in range(6):
            within = [number for at_us, number in sorted(own) if -(-at_us // 1_000) == at]
            assert within == sorted(within)
