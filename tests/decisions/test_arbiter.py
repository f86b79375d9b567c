"""One nudge at a time for a person: what is on its way, and what has just been there, holds back everything else."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from decisions.arbiter import ON_ITS_WAY, TOO_SOON, why_not_now
from decisions.past import PastIntervention

SECOND = 1_000_000
MOMENTS = st.integers(0, 1_000).map(lambda seconds: seconds * SECOND)


def past(at_us: int, *, on_its_way: bool = False, delivered_us: int | None = None) -> PastIntervention:
    return PastIntervention("s", at_us, "reminder", on_its_way, delivered_us)


def test_exactly_the_time_between_two_nudges_is_enough() -> None:
    shown = [past(100 * SECOND)]
    assert why_not_now(shown, 400 * SECOND - 1, 300.0) == TOO_SOON
    assert why_not_now(shown, 400 * SECOND, 300.0) is None


def test_a_message_that_may_still_arrive_holds_back_everything_however_old_it_is() -> None:
    assert why_not_now([past(0, on_its_way=True)], 10**12, 300.0) == ON_ITS_WAY


def test_a_message_counts_from_its_delivery_and_one_that_was_given_up_from_its_decision() -> None:
    delivered = past(0, delivered_us=1_000 * SECOND)
    assert why_not_now([delivered], 1_200 * SECOND, 300.0) == TOO_SOON
    assert why_not_now([past(0)], 1_200 * SECOND, 300.0) is None


def test_with_no_time_between_nudges_they_may_come_together() -> None:
    assert why_not_now([past(0, on_its_way=True), past(5)], 5, 0.0) is None


@given(st.lists(MOMENTS, max_size=30), st.integers(1, 400))
def test_whoever_nudges_only_when_the_arbiter_lets_never_nudges_twice_within_the_time(
    moments: list[int], seconds: int
) -> None:
    nudged: list[PastIntervention] = []
    for at_us in sorted(moments):
        if why_not_now(nudged, at_us, seconds) is None:
            nudged.append(past(at_us))
    gaps = [later.at_us - earlier.at_us for earlier, later in pairwise(nudged)]
    assert all(gap >= seconds * SECOND for gap in gaps)
    assert bool(nudged) == bool(moments)


@given(st.lists(st.tuples(MOMENTS, st.booleans()), max_size=20), MOMENTS, st.integers(1, 400))
def test_the_order_of_what_is_known_makes_no_difference(
    known: list[tuple[int, bool]], at_us: int, seconds: int
) -> None:
    history = [past(moment, on_its_way=coming) for moment, coming in known]
    assert why_not_now(history, at_us, seconds) == why_not_now(history[::-1], at_us, seconds)
