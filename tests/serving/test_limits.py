"""Token buckets, compared with a naive one that is refilled."""

from hypothesis import given
from hypothesis import strategies as st

from serving.limits import Limits

SECOND = 1_000_000


def test_a_burst_passes_then_one_at_a_time() -> None:
    limits = Limits()
    # Three at once, two a second: the fourth waits for half a second.
    assert [limits.take("a", 2, 3, 0) for _ in range(4)] == [0, 0, 0, SECOND // 2]
    assert limits.take("a", 2, 3, SECOND // 2 - 1) == 1
    assert limits.take("a", 2, 3, SECOND // 2) == 0
    assert limits.take("a", 2, 3, SECOND // 2) == SECOND // 2


def test_everybody_has_a_bucket_of_their_own_and_looking_takes_nothing() -> None:
    limits = Limits()
    assert limits.take("a", 1, 1, 0) == 0
    assert limits.wait_us("a", 1, 1, 0) == SECOND
    assert [limits.wait_us("b", 1, 1, 0) for _ in range(3)] == [0, 0, 0]
    assert limits.take("b", 1, 1, 0) == 0


def test_memory_is_bounded_and_the_least_recently_used_goes_first() -> None:
    limits = Limits(most_buckets=2)
    for name in ("a", "b", "a", "c"):
        limits.take(name, 1, 5, 0)
    # b was forgotten, so its bucket is full again; a has two taken.
    assert limits.wait_us("b", 1, 1, 0) == 0
    assert limits.wait_us("a", 1, 1, 0) > 0


def test_a_clock_that_is_set_back_keeps_nobody_out_for_long() -> None:
    limits = Limits()
    limits.take("a", 1, 1, 10**9 * SECOND)
    assert limits.wait_us("a", 1, 1, 0) <= SECOND


@given(
    steps=st.lists(st.integers(0, 3 * SECOND), min_size=1, max_size=60),
    per_second=st.sampled_from([1, 2, 4, 5, 10]),
    at_once=st.integers(1, 8),
)
def test_it_is_the_bucket_that_everybody_knows(steps: list[int], per_second: int, at_once: int) -> None:
    limits, now_us = Limits(), 0
    # Tokens in units of a microsecond times the rate, so that the sum is exact.
    full = at_once * SECOND
    tokens, last_us = full, 0
    for step in steps:
        now_us += step
        tokens, last_us = min(full, tokens + (now_us - last_us) * per_second), now_us
        passes = tokens >= SECOND
        tokens -= SECOND if passes else 0
        assert (limits.take("a", per_second, at_once, now_us) == 0) == passes
