import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights.comparisons import p_of_shares
from insights.intervals import estimate_difference, estimate_mean, estimate_ratio, estimate_share
from insights.sums import Sums

SESSIONS = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=60)


def sums_of(sessions: list[tuple[int, float]]) -> Sums:
    """The sums of sessions, each a person and what it came to, added up one by one."""
    counts: dict[int, int] = defaultdict(int)
    totals: dict[int, float] = defaultdict(float)
    for person, value in sessions:
        counts[person] += 1
        totals[person] += value
    return Sums(
        len(counts),
        len(sessions),
        sum(totals.values()),
        sum(count**2 for count in counts.values()),
        sum(total**2 for total in totals.values()),
        sum(counts[person] * totals[person] for person in counts),
    )


def test_the_variance_of_a_mean_is_that_of_the_residuals_of_whole_people() -> None:
    # Three people with 1, 2 and 3 sessions that come to 1, 0 and 5: the mean of a session is 1.
    found = sums_of([(0, 1.0), (1, 0.0), (1, 0.0), (2, 5.0), (2, 0.0), (2, 0.0)])
    residuals = [1 - 1, 0 - 2, 5 - 3]
    assert found.mean == 1
    assert found.variance_of_mean == pytest.approx(sum(r**2 for r in residuals) * 3 / 2 / 6**2)


def test_independent_sessions_have_no_design_effect_and_copies_have_their_number() -> None:
    alone = sums_of([(person, float(person % 3 == 0)) for person in range(300)])
    # The sample variance of people divides by one less than there are.
    assert alone.design == 1.0
    threefold = sums_of([(person, float(person % 3 == 0)) for person in range(300) for _ in range(3)])
    assert threefold.design == 3.0
    assert sums_of([(person, 0.0) for person in range(30) for _ in range(2)]).design == 2.0


@given(SESSIONS)
def test_a_design_effect_lies_between_one_and_that_of_people_whose_sessions_all_end_alike(
    sessions: list[tuple[int, bool]],
) -> None:
    found = sums_of([(person, float(value)) for person, value in sessions])
    assert found.design * (1 + 1e-12) >= 1.0
    assert found.design <= found.count_squares / found.count


def test_copies_of_sessions_tell_nothing_new() -> None:
    # 40 of 100 people, each three times: the intervals are those of 40 of 100.
    alone = estimate_share(40, 100)
    threefold = estimate_share(120, 300, design=3.0)
    assert threefold == alone
    assert estimate_difference(120, 300, 90, 150, designs=(3.0, 1.5)) == estimate_difference(40, 100, 60, 100)
    found, wanted = estimate_ratio(120, 300, 90, 150, designs=(3.0, 1.5)), estimate_ratio(40, 100, 60, 100)
    assert found is not None
    assert wanted is not None
    assert (found.value, found.low, found.high) == pytest.approx((wanted.value, wanted.low, wanted.high))
    assert p_of_shares(120, 300, 180, 300, designs=(3.0, 3.0)) == pytest.approx(p_of_shares(40, 100, 60, 100))


def test_intervals_hold_the_true_share_as_often_as_they_say_where_people_come_often() -> None:
    drawn = np.random.default_rng(5)
    held = naive = 0
    rounds = 800
    for _ in range(rounds):
        tendencies = drawn.beta(0.6, 1.4, 80)
        sessions = [
            (person, float(drawn.random() < tendency))
            for person, tendency in enumerate(tendencies)
            for _ in range(drawn.integers(1, 8))
        ]
        sums = sums_of(sessions)
        found, plain = (
            estimate_share(sums.hits, sums.count, design=sums.design),
            estimate_share(sums.hits, sums.count),
        )
        assert found is not None
        assert plain is not None
        held += found.low <= 0.3 <= found.high
        naive += plain.low <= 0.3 <= plain.high
    # Within three standard errors of 95 % over as many rounds; taken as independent, sessions fall far short.
    assert abs(held / rounds - 0.95) < 3 * math.sqrt(0.95 * 0.05 / rounds)
    assert naive / rounds < 0.85


def test_the_mean_of_one_person_has_no_interval() -> None:
    assert estimate_mean(sums_of([(0, 3.0), (0, 5.0)])) is None
