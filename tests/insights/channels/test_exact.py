"""Shares that add up: in any order, to the last digit."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insights.channels.exact import divisible, settle


def test_thirds_of_a_whole_add_up_to_it_in_every_order() -> None:
    settled = settle(np.array([1 / 3, 1 / 3, 1 / 3]), 1.0).tolist()
    assert all(sum(order) == 1.0 for order in itertools.permutations(settled))
    assert settled == pytest.approx([1 / 3] * 3, abs=1e-15)


def test_whole_shares_stay_as_they_are_and_zeros_stay_zero() -> None:
    assert settle(np.array([3.0, 0.0, 4.0]), 7.0).tolist() == [3.0, 0.0, 4.0]
    assert settle(np.zeros(2), 0.0).tolist() == [0.0, 0.0]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=9).filter(lambda drawn: sum(drawn) > 0),
    st.integers(1, 10**7),
    st.randoms(),
)
def test_shares_of_any_number_add_up_in_any_order(drawn: list[float], total: int, order) -> None:  # type: ignore[no-untyped-def]
    shares = np.array(drawn) / sum(drawn) * total
    settled = settle(shares, total).tolist()
    assert settled == pytest.approx(shares.tolist(), abs=1e-12 * total)
    order.shuffle(settled)
    assert sum(settled) == total


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=9).filter(lambda drawn: sum(drawn) > 0),
    st.floats(0.01, 1e9),
    st.randoms(),
)
def test_shares_of_any_sum_of_money_add_up_in_any_order(drawn: list[float], total: float, order) -> None:  # type: ignore[no-untyped-def]
    settled = settle(np.array(drawn) / sum(drawn) * total, total).tolist()
    order.shuffle(settled)
    assert sum(settled) == total


@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=9), st.floats(0.01, 1e9), st.randoms())
def test_shares_of_both_signs_add_up_to_a_divisible_total(drawn: list[float], money: float, order) -> None:  # type: ignore[no-untyped-def]
    total = divisible(money)
    assert math.isclose(total, money, rel_tol=1e-13)
    shares = np.array([*drawn, 1.0 - math.fsum(drawn)]) * total
    settled = settle(shares, total).tolist()
    assert settled == pytest.approx(shares.tolist(), abs=1e-11 * total)
    order.shuffle(settled)
    assert sum(settled) == total
