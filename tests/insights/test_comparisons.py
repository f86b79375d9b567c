import itertools
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from insights.comparisons import Correction, adjust, p_of_means, p_of_shares
from insights.sums import Sums

P_VALUES = st.lists(st.one_of(st.none(), st.floats(0.0, 1.0)), max_size=40)
COUNTS = st.integers(1, 500).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count)))


@given(COUNTS, COUNTS)
def test_shares_are_tested_by_chi_squared_and_small_cells_exactly(one: tuple[int, int], other: tuple[int, int]) -> None:
    table = [[one[0], one[1] - one[0]], [other[0], other[1] - other[0]]]
    assume(all(map(sum, zip(*table, strict=True))))
    found = p_of_shares(*one, *other)
    if stats.contingency.expected_freq(table).min() < 5:
        assert found == pytest.approx(stats.fisher_exact(table).pvalue)
    else:
        assert found == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, abs=1e-12)


def test_two_groups_without_a_hit_do_not_differ_and_an_empty_one_cannot_be_compared() -> None:
    assert p_of_shares(0, 30, 0, 50) == 1.0
    assert p_of_shares(30, 30, 50, 50) == 1.0
    assert p_of_shares(0, 0, 3, 50) is None


def sums(values: list[float]) -> Sums:
    """Everybody has one session."""
    squares = math.fsum(value**2 for value in values)
    return Sums(len(values), len(values), sum(values), len(values), squares, sum(values))


def test_means_are_tested_as_welch_does() -> None:
    one, other = [0.0, 0.0, 40.0, 12.5, 0.0, 99.0], [0.0, 5.0, 7.0, 0.0]
    found = p_of_means(sums(one), sums(other))
    assert found == pytest.approx(stats.ttest_ind(one, other, equal_var=False).pvalue)
    assert p_of_means(sums([3.0]), sums(other)) is None
    assert p_of_means(sums([0.0] * 3), sums([0.0] * 5)) is None


def test_the_example_of_benjamini_and_hochberg_has_four_discoveries_and_holm_finds_three() -> None:
    # Benjamini and Hochberg 1995, section 3.2: fifteen hypotheses on myocardial infarction; the text counts these.
    p_values = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459,
        0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1,
    ]  # fmt: skip
    discovered = [value for value in adjust(p_values, Correction.DISCOVERY) if value is not None and value <= 0.05]
    every = [value for value in adjust(p_values, Correction.EVERY) if value is not None and value <= 0.05]
    assert (len(discovered), len(every)) == (4, 3)
    assert adjust(p_values, Correction.NONE) == p_values


@given(P_VALUES)
def test_benjamini_hochberg_agrees_with_scipy_on_what_is_known(p_values: list[float | None]) -> None:
    known = [value for value in p_values if value is not None]
    adjusted = [value for value in adjust(p_values, Correction.DISCOVERY) if value is not None]
    assert adjusted == pytest.approx(stats.false_discovery_control(known) if known else [])


@given(P_VALUES, st.floats(0.01, 0.5))
def test_holm_finds_what_stepping_down_finds(p_values: list[float | None], level: float) -> None:
    known = sorted(value for value in p_values if value is not None)
    found = 0
    while found < len(known) and known[found] <= level / (len(known) - found):
        found += 1
    adjusted = [value for value in adjust(p_values, Correction.EVERY) if value is not None]
    # The two ways round differ in the last digit.
    assert sum(value <= level * (1 - 1e-12) for value in adjusted) <= found
    assert sum(value <= level * (1 + 1e-12) for value in adjusted) >= found


@given(P_VALUES, st.sampled_from(list(Correction)))
def test_adjusted_p_values_keep_order_and_place_and_are_never_smaller(
    p_values: list[float | None], correction: Correction
) -> None:
    adjusted = adjust(p_values, correction)
    assert [value is None for value in adjusted] == [value is None for value in p_values]
    pairs = [
        (raw, value) for raw, value in zip(p_values, adjusted, strict=True) if raw is not None and value is not None
    ]
    assert all(raw <= value * (1 + 1e-12) and value <= 1 for raw, value in pairs)
    pairs.sort()
    assert all(one[1] <= other[1] for one, other in itertools.pairwise(pairs) if one[0] < other[0])
    discovery = adjust(p_values, Correction.DISCOVERY)
    assert all(
        (one or 0) <= (other or 0) * (1 + 1e-9)
        for one, other in zip(discovery, adjust(p_values, Correction.EVERY), strict=True)
    )
