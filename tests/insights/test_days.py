"""Local days: where they begin, how long they are, and which one an attempt belongs to."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_funnels import TEN_US, Told, counts, run

from insights.days import day_edges_us, day_of, day_start_us

BERLIN = "Europe/Berlin"
HOUR_US = 3_600_000_000
zones = st.sampled_from([BERLIN, "UTC", "Asia/Kathmandu", "America/St_Johns"])


def us(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[arg-type]


def at(visitor: str, name: str, *parts: int, microseconds: int = 0) -> Told:
    """An event at a time in UTC."""
    return (visitor, name, (us(*parts) + microseconds - TEN_US) / 1e6)


def test_a_day_has_23_hours_where_clocks_go_forward_and_25_where_they_go_back() -> None:
    # In Berlin on 29 March 2026 two o'clock becomes three, on 25 October 2026 three o'clock two.
    spring = day_edges_us(date(2026, 3, 28), date(2026, 3, 30), BERLIN)
    assert [later - earlier for earlier, later in pairwise(spring.tolist())] == [
        hours * 3_600_000_000 for hours in (24, 23, 24)
    ]
    autumn = day_edges_us(date(2026, 10, 24), date(2026, 10, 26), BERLIN)
    assert [later - earlier for earlier, later in pairwise(autumn.tolist())] == [
        hours * 3_600_000_000 for hours in (24, 25, 24)
    ]
    assert day_start_us(date(2026, 3, 29), BERLIN) == us(2026, 3, 28, 23)
    assert day_start_us(date(2026, 3, 30), BERLIN) == us(2026, 3, 29, 22)


def test_a_day_whose_midnight_is_skipped_begins_when_the_clock_moves() -> None:
    # In Cairo on 26 April 2024 midnight became one o'clock: 23:59:59 on the 25th is 21:59:59 in UTC.
    assert day_start_us(date(2024, 4, 26), "Africa/Cairo") == us(2024, 4, 25, 22)


def test_a_day_whose_midnight_comes_twice_begins_with_the_first() -> None:
    # In Havana on 3 November 2024 one o'clock became midnight again: the first is 04:00 in UTC, the second 05:00.
    assert day_start_us(date(2024, 11, 3), "America/Havana") == us(2024, 11, 3, 4)


@given(
    st.integers(us(2020, 1, 1), us(2030, 1, 1)), st.sampled_from([BERLIN, "UTC", "Asia/Kathmandu", "America/St_Johns"])
)
def test_every_moment_lies_in_its_day(moment: int, timezone: str) -> None:
    day = day_of(moment, timezone)
    assert day_start_us(day, timezone) <= moment < day_start_us(day + timedelta(days=1), timezone)


def test_attempts_are_laid_out_over_local_days() -> None:
    # Half past eleven in the evening in UTC is half past midnight of the next day in Berlin.
    events = [at("v", "a", 2026, 3, 27, 23, 30), at("v", "b", 2026, 3, 27, 23, 40), at("w", "a", 2026, 3, 27, 12)]
    events += [at("z", "a", 2026, 3, 29, 21, 59), at("y", "a", 2026, 3, 29, 22)]
    result = run("a,b", events, timezone=BERLIN)
    assert [(day.day, day.hours, day.counts) for day in result.days] == [
        (date(2026, 3, 27), 24.0, (1, 0)),
        (date(2026, 3, 28), 24.0, (1, 1)),
        (date(2026, 3, 29), 23.0, (1, 0)),
        (date(2026, 3, 30), 24.0, (1, 0)),
    ]


def test_an_attempt_belongs_to_the_day_on_which_it_begins() -> None:
    events = [at("v", "a", 2026, 3, 17, 23, 59), at("v", "b", 2026, 3, 18, 0, 1)]
    assert [day.counts for day in run("a,b", events).days] == [(1, 1), (0, 0)]


def test_on_each_day_a_person_counts_with_the_best_attempt_of_that_day() -> None:
    events = [at("v", "a", 2026, 3, 17, 9), at("v", "a", 2026, 3, 18, 9), at("v", "b", 2026, 3, 18, 10)]
    result = run("a,b", events, window="2h")
    assert [step.count for step in result.steps] == [1, 1]
    assert [day.counts for day in result.days] == [(1, 0), (1, 1)]


def test_a_days_figures_do_not_change_with_later_days() -> None:
    first = [at("v", "a", 2026, 3, 17, 9), at("w", "a", 2026, 3, 17, 9), at("w", "b", 2026, 3, 17, 10)]
    later = [at("v", "a", 2026, 3, 18, 9), at("v", "b", 2026, 3, 18, 10)]
    assert run("a,b", first, window="2h").days[0] == run("a,b", [*first, *later], window="2h").days[0]


def test_the_first_and_last_microsecond_of_the_period_count() -> None:
    # 17 March in Berlin is from 23:00 UTC on the 16th to 23:00 on the 17th.
    inside = [at("v", "a", 2026, 3, 16, 23), at("w", "a", 2026, 3, 17, 23, microseconds=-1)]
    outside = [at("x", "a", 2026, 3, 16, 23, microseconds=-1), at("y", "a", 2026, 3, 17, 23)]
    how = {"since": "2026-03-17", "until": "2026-03-17", "timezone": BERLIN}
    assert counts("a", [*inside, *outside], **how) == [2]
    assert [day.counts for day in run("a", [*inside, *outside], **how).days] == [(2,)]


def test_steps_after_the_period_count_for_attempts_that_began_in_it() -> None:
    events = [at("v", "a", 2026, 3, 17, 23, 50), at("v", "b", 2026, 3, 18, 0, 10), at("w", "a", 2026, 3, 18, 1)]
    assert counts("a,b", events, until="2026-03-17") == [1, 1]


@pytest.mark.parametrize("order", ["ordered", "strict", "unordered"])
def test_a_window_is_as_long_on_the_day_when_clocks_move(order: str) -> None:
    # From 01:30 to 03:30 by the clock in Berlin is one hour.
    inside = [at("v", "a", 2026, 3, 29, 0, 30), at("v", "b", 2026, 3, 29, 1, 30)]
    outside = [at("w", "a", 2026, 3, 29, 0, 30), at("w", "b", 2026, 3, 29, 1, 30, microseconds=1)]
    assert counts("a,b", [*inside, *outside], order=order, window="1h", timezone=BERLIN) == [2, 1]
