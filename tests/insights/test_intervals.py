import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from insights.intervals import (
    Estimate,
    estimate_count,
    estimate_difference,
    estimate_mean,
    estimate_mean_difference,
    estimate_ratio,
    estimate_share,
    median_ranks,
)
from insights.sums import Sums

COUNTS = st.integers(1, 3000).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count)))
PROBABILITIES = st.lists(st.floats(0.005, 1.0), min_size=1, max_size=150)
LEVELS = st.sampled_from((0.8, 0.95, 0.99))


def sums(values: list[float]) -> Sums:
    squares, total = math.fsum(value**2 for value in values), math.fsum(values)
    return Sums(len(values), len(values), total, len(values), squares, total)


def number_true(probabilities: list[float]) -> list[float]:
    """How probable it is that 0, 1, 2, ... of independent things are true: one joins after the other."""
    found = np.array([1.0])
    for probability in probabilities:
        found = np.convolve(found, [1 - probability, probability])
    return list(found)


@given(COUNTS, LEVELS)
def test_a_share_has_the_interval_that_scipy_gives_it(counted: tuple[int, int], level: float) -> None:
    hits, count = counted
    found = estimate_share(hits, count, level)
    wanted = stats.binomtest(hits, count).proportion_ci(level, method="wilson")
    assert found is not None
    assert found.value == hits / count
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_wilsons_interval_is_where_the_score_test_just_does_not_refuse() -> None:
    found = estimate_share(81, 263)
    assert found is not None
    for end in (found.low, found.high):
        assert abs(81 / 263 - end) / math.sqrt(end * (1 - end) / 263) == pytest.approx(1.959963985, abs=1e-8)
    # Newcombe 1998, Two-sided confidence intervals for the single proportion, table I, method 3.
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    none = estimate_share(0, 20)
    assert none is not None
    assert (none.low, round(none.high, 4)) == (0.0, 0.1611)


def test_of_nobody_nothing_is_estimated() -> None:
    assert estimate_share(0, 0) is None
    assert estimate_difference(0, 0, 1, 2) is None
    assert estimate_difference(1, 2, 0, 0) is None
    assert estimate_ratio(0, 0, 1, 2) is None
    assert estimate_mean(sums([3.0])) is None
    assert median_ranks(0) is None


def test_more_hits_than_people_are_refused() -> None:
    with pytest.raises(ValueError, match="5 of 4 is no share"):
        estimate_share(5, 4)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        # Newcombe 1998, Interval estimation for the difference between independent proportions, table II, method 10.
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((0, 10, 0, 10), -0.2775, 0.2775),
        ((10, 10, 0, 20), 0.6791, 1.0000),
        ((10, 10, 0, 10), 0.6075, 1.0000),
    ],
)
def test_a_difference_has_the_interval_that_newcombe_printed(
    counts: tuple[int, int, int, int], low: float, high: float
) -> None:
    found = estimate_difference(*counts)
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert found.value == counts[0] / counts[1] - counts[2] / counts[3]


@given(COUNTS, COUNTS)
def test_a_difference_lies_within_its_interval_and_turns_round_with_the_groups(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    found, turned = estimate_difference(*one, *other), estimate_difference(*other, *one)
    assert found is not None
    assert turned is not None
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert (turned.low, turned.value, turned.high) == pytest.approx((-found.high, -found.value, -found.low))


@given(COUNTS, COUNTS, LEVELS)
def test_a_ratio_has_the_interval_that_scipy_gives_it_where_both_have_hits(
    one: tuple[int, int], other: tuple[int, int], level: float
) -> None:
    assume(one[0] > 0 and other[0] > 0 and (one[0] < one[1] or other[0] < other[1]))
    found = estimate_ratio(*one, *other, level)
    wanted = stats.contingency.relative_risk(*one, *other)
    ends = wanted.confidence_interval(level)
    assert found is not None
    assert found.value == pytest.approx(wanted.relative_risk)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high))


@given(COUNTS, COUNTS)
def test_a_ratio_lies_within_its_interval_whatever_the_counts(one: tuple[int, int], other: tuple[int, int]) -> None:
    found = estimate_ratio(*one, *other)
    if other[0] == 0:
        assert found is None
    else:
        assert found is not None
        assert 0 <= found.low <= found.value <= found.high < math.inf
        assert found.low < found.high


def test_a_ratio_without_a_hit_has_the_upper_end_of_donner_and_zou() -> None:
    # At no hit the estimate and the lower end are 0, and their equation (7) is u / sqrt(l (2 p - l)).
    upper = stats.binomtest(0, 40).proportion_ci(method="wilson").high
    lower = stats.binomtest(12, 50).proportion_ci(method="wilson").low
    found = estimate_ratio(0, 40, 12, 50)
    assert found is not None
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(upper / math.sqrt(lower * (2 * 12 / 50 - lower)))


def test_a_ratio_of_two_full_shares_is_one_and_as_unsure_as_the_shares_are() -> None:
    found = estimate_ratio(30, 30, 50, 50)
    lowest = stats.binomtest(30, 30).proportion_ci(method="wilson").low
    lowest_of_other = stats.binomtest(50, 50).proportion_ci(method="wilson").low
    assert found is not None
    assert found.value == 1
    # With both shares and both upper limits at 1, their equations come to these.
    assert found.low == pytest.approx(lowest)
    assert found.high == pytest.approx(1 / lowest_of_other, rel=0.01)


@given(st.integers(1, 50), st.integers(2, 50), st.integers(2, 20))
def test_intervals_shrink_with_the_people(hits: int, count: int, times: int) -> None:
    assume(hits < count)
    few, many = estimate_share(hits, count), estimate_share(hits * times, count * times)
    assert width(many) < width(few)
    few, many = (
        estimate_difference(hits, count, 1, 3),
        estimate_difference(hits * times, count * times, times, 3 * times),
    )
    assert width(many) < width(few)
    few, many = estimate_ratio(hits, count, 1, 3), estimate_ratio(hits * times, count * times, times, 3 * times)
    assert width(many) < width(few)


def width(estimate: Estimate | None) -> float:
    assert estimate is not None
    return estimate.high - estimate.low


@given(
    st.lists(st.integers(-500, 500), min_size=2, max_size=50), st.lists(st.integers(-500, 500), min_size=2, max_size=50)
)
def test_means_and_their_difference_have_the_intervals_that_scipy_gives_them(
    ones: list[int], others: list[int]
) -> None:
    assume(len(set(ones)) > 1 and len(set(others)) > 1)
    one, other = [float(value) for value in ones], [float(value) for value in others]
    found = estimate_mean(sums(one))
    wanted = stats.ttest_1samp(one, 0).confidence_interval()
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((np.mean(one), wanted.low, wanted.high), abs=1e-6)
    between = estimate_mean_difference(sums(one), sums(other))
    wanted = stats.ttest_ind(one, other, equal_var=False).confidence_interval()
    assert between is not None
    assert between.value == pytest.approx(np.mean(one) - np.mean(other))
    assert (between.low, between.high) == pytest.approx((wanted.low, wanted.high), abs=1e-6)


def test_a_mean_of_equal_values_is_sure() -> None:
    assert estimate_mean(sums([4.0] * 9)) == Estimate(4.0, 4.0, 4.0)
    assert estimate_mean_difference(sums([4.0] * 9), sums([1.0] * 5)) == Estimate(3.0, 3.0, 3.0)


@pytest.mark.parametrize("count", [6, 7, 10, 30, 100, 101, 3000])
def test_the_ranks_of_a_median_are_those_that_scipy_inverts_the_sign_test_to(count: int) -> None:
    values = np.arange(1.0, count + 1)
    wanted = stats.quantile_test(values, q=3, p=0.5).confidence_interval()
    assert median_ranks(count) == (wanted.low, wanted.high)


@given(st.integers(1, 200), LEVELS)
def test_the_median_lies_between_its_ranks_as_often_as_the_level_says(count: int, level: float) -> None:
    found = median_ranks(count, level)
    # Of so many values, each below the median with probability one half: from low to high - 1 of them are.
    ways = [math.comb(count, below) / 2**count for below in range(count + 1)]
    if found is None:
        assert sum(ways[1:count]) < level
    else:
        low, high = found
        assert sum(ways[low:high]) >= level
        assert low + 1 > high - 1 or sum(ways[low + 1 : high - 1]) < level


@given(PROBABILITIES)
def test_an_expected_number_has_the_quantiles_of_the_exact_distribution(probabilities: list[float]) -> None:
    expected = math.fsum(probabilities)
    variance = math.fsum(probability * (1 - probability) for probability in probabilities)
    found = estimate_count(expected, variance)
    cumulative = np.cumsum(number_true(probabilities))
    low, high = (int(np.searchsorted(cumulative, tail - 1e-9)) for tail in (0.025, 0.975))
    assert found.value == expected
    assert abs(found.low - min(low, expected)) <= 1
    assert abs(found.high - max(high, expected)) <= 1


def test_an_expected_number_of_equal_probabilities_is_binomial_and_of_tiny_ones_poisson() -> None:
    found = estimate_count(30.0, 30.0 * 0.7)
    assert (found.low, found.high) == (stats.binom.ppf(0.025, 100, 0.3), stats.binom.ppf(0.975, 100, 0.3))
    found = estimate_count(7.0, 7.0)
    assert (found.low, found.high) == (stats.poisson.ppf(0.025, 7), stats.poisson.ppf(0.975, 7))


def test_what_is_certain_has_no_interval() -> None:
    assert estimate_count(12.0, 0.0) == Estimate(12.0, 12.0, 12.0)
    assert estimate_count(0.0, 0.0) == Estimate(0.0, 0.0, 0.0)


def test_a_variance_that_no_probabilities_have_is_refused() -> None:
    with pytest.raises(ValueError, match="variance of 3"):
        estimate_count(2.0, 3.0)
