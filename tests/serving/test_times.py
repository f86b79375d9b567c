"""Times at the edge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.clocks import on_our_clock
from serving.errors import ClientError
from serving.times import parse_event_time, parse_moment, parse_time, show_time


@pytest.mark.parametrize(
    ("text", "at_us"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5+00:00", 1_500_000),
        ("1970-01-01T01:00:00.000001+01:00", 1),
        ("1970-01-01 00:00:02", 2_000_000),
        ("2026-03-01T12:30:00.123Z", 1_772_368_200_123_000),
    ],
)
def test_iso_8601_is_read_to_the_microsecond(text: str, at_us: int) -> None:
    assert parse_time(text, "at") == at_us


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "1772368200", "2026-03-01T25:00:00Z"])
def test_what_is_no_time_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(ClientError) as caught:
        parse_time(text, "events[3].occurred_at")
    assert (caught.value.status, caught.value.field) == (422, "events[3].occurred_at")


@given(st.integers(-60_000_000_000_000_000, 200_000_000_000_000_000))
def test_every_microsecond_survives_being_shown_and_read(at_us: int) -> None:
    assert parse_time(show_time(at_us), "at") == at_us


def test_events_lie_between_2000_and_the_latest_moment() -> None:
    latest_us = 1_772_368_200_000_000
    assert parse_event_time("2000-01-01T00:00:00Z", "t", latest_us) == 946_684_800_000_000
    assert parse_event_time("2026-03-01T12:30:00Z", "t", latest_us) == latest_us
    for text, code in (("1970-01-01T00:00:00Z", "time_too_early"), ("2026-03-01T12:30:00.000001Z", "time_in_future")):
        with pytest.raises(ClientError) as caught:
            parse_event_time(text, "t", latest_us)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("said", "at_us"),
    [
        (1_772_368_200, 1_772_368_200_000_000),
        (1_772_368_200.25, 1_772_368_200_250_000),
        (1_772_368_200_123, 1_772_368_200_123_000),
        (1_772_368_200_123_456, 1_772_368_200_123_456),
        (1_772_368_200_123_456_789, 1_772_368_200_123_456),
        ("1772368200123", 1_772_368_200_123_000),
        ("2026-03-01T12:30:00Z", 1_772_368_200_000_000),
        ("20260301", 1_772_323_200_000_000),
        (0, 0),
    ],
)
def test_numbers_are_seconds_milliseconds_microseconds_or_nanoseconds_by_their_size(
    said: str | float, at_us: int
) -> None:
    assert parse_moment(said, "timestamp") == at_us


@pytest.mark.parametrize("said", [1e20, -1e300, float("nan"), float("inf"), 10**40, "17723682001", "\u0661\u0662"])
def test_other_numbers_are_no_moment(said: str | float) -> None:
    with pytest.raises(ClientError) as caught:
        parse_moment(said, "timestamp")
    assert (caught.value.status, caught.value.field) == (422, "timestamp")


@pytest.mark.parametrize(
    ("behind_seconds", "moved_seconds"),
    [(3_600, 3_600), (2.1, 2.1), (2, 0), (0.3, 0), (0, 0), (-0.3, -0.3), (-3_600, -3_600)],
)
def test_the_difference_of_the_clocks_is_taken_out_unless_the_way_of_a_request_explains_it(
    behind_seconds: float, moved_seconds: float
) -> None:
    sent_us, behind_us = 1_772_368_200_000_000, round(behind_seconds * 1_000_000)
    at_us = sent_us - 5_000_000
    assert on_our_clock(at_us, sent_us, sent_us + behind_us) == at_us + round(moved_seconds * 1_000_000)
