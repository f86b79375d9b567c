"""Shapley values, against the textbook's games, all orders one by one, and the laws that define them."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from made_paths import named, ones, paths_of

from insights.channels.paths import Paths
from insights.channels.shapley import shapley, shapley_of_rates, shapley_values


def over_all_orders(count: int, worth: dict[frozenset[int], float]) -> list[float]:
    """The definition: what each member adds, on average over all orders of joining."""
    added = [0.0] * count
    orders = list(itertools.permutations(range(count)))
    for order in orders:
        for place, member in enumerate(order):
            added[member] += worth[frozenset(order[: place + 1])] - worth[frozenset(order[:place])]
    return [each / len(orders) for each in added]


def coalitions(count: int) -> list[frozenset[int]]:
    return [frozenset(one) for size in range(count + 1) for one in itertools.combinations(range(count), size)]


def by_bits(count: int, worth: dict[frozenset[int], float]) -> np.ndarray:
    return np.array([worth[frozenset(i for i in range(count) if bits >> i & 1)] for bits in range(1 << count)])


def test_the_glove_game_has_its_known_solution() -> None:
    # One left glove, two right ones; a pair is worth 1: (2/3, 1/6, 1/6).
    worth = {one: float(0 in one and len(one) > 1) for one in coalitions(3)}
    assert shapley_values(by_bits(3, worth)) == pytest.approx([2 / 3, 1 / 6, 1 / 6])


def test_the_airport_game_has_its_known_solution() -> None:
    # Littlechild and Owen (1973): each step of a runway is paid for by those who need it: 8, 11, 13, 18.
    costs = [8.0, 11.0, 13.0, 18.0]
    worth = {one: max((costs[i] for i in one), default=0.0) for one in coalitions(4)}
    expected = [8 / 4, 8 / 4 + 3 / 3, 8 / 4 + 3 / 3 + 2 / 2, 8 / 4 + 3 / 3 + 2 / 2 + 5]
    assert shapley_values(by_bits(4, worth)) == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.floats(-9, 9), min_size=1 << n, max_size=1 << n)))
def test_values_are_the_average_over_all_orders(drawn: list[float]) -> None:
    count = len(drawn).bit_length() - 1
    worth = {one: drawn[sum(1 << i for i in one)] for one in coalitions(count)}
    assert shapley_values(np.array(drawn)) == pytest.approx(over_all_orders(count, worth), abs=1e-9)


def test_channels_of_a_conversion_share_it_evenly_however_often_they_were_touched() -> None:
    paths = paths_of(["ads > ads > email", "email"], ["call"])
    assert named(paths, shapley(paths, ones(paths))) == {"ads": 0.5, "call": 0.0, "email": 1.5}


some_paths = st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=7).map(" > ".join), max_size=9)


def sets_of(written: list[str]) -> list[frozenset[str]]:
    return [frozenset(path.split(" > ")) for path in written]


def index_sets(paths: Paths, written: list[str]) -> list[frozenset[int]]:
    return [frozenset(paths.names.index(name) for name in one) for one in sets_of(written)]


@settings(max_examples=60, deadline=None)
@given(some_paths.filter(bool), some_paths)
def test_conversions_are_shared_out_as_over_all_orders(converted: list[str], others: list[str]) -> None:
    paths = paths_of(converted, others)
    reached, count = index_sets(paths, converted), len(paths.names)
    worth = {one: float(sum(touched <= one for touched in reached)) for one in coalitions(count)}
    assert shapley(paths, ones(paths)) == pytest.approx(over_all_orders(count, worth))


@settings(max_examples=60, deadline=None)
@given(some_paths.filter(bool), some_paths)
def test_rates_are_shared_out_as_over_all_orders(converted: list[str], others: list[str]) -> None:
    paths = paths_of(converted, others)
    reached = index_sets(paths, converted)
    every, count = reached + index_sets(paths, others), len(paths.names)

    def rate(touched: frozenset[int]) -> float:
        there = [touched] if touched in every else [one for one in every if one <= touched]
        paths_there = sum(one in there for one in every)
        return sum(one in there for one in reached) / paths_there if paths_there else 0.0

    worth = {one: sum(rate(touched & one) for touched in every) for one in coalitions(count)}
    drawn = shapley_of_rates(paths, ones(paths))
    assert drawn.credit == pytest.approx(over_all_orders(count, worth), abs=1e-9)
    assert drawn.credit.sum() == pytest.approx(len(converted))
    assert not drawn.error.any()


def test_rates_credit_a_channel_with_what_paths_reach_more_often_with_it() -> None:
    # Site alone 1 of 4; with e-mail 3 of 4; e-mail alone never: e-mail has half of 0 + half of (3 - 1).
    paths = paths_of(["site", *["email > site"] * 3], [*["site"] * 3, "email > site", "email"])
    assert named(paths, shapley_of_rates(paths, ones(paths)).credit) == pytest.approx({"email": 1.0, "site": 3.0})


def test_rates_are_negative_for_a_channel_whose_paths_reach_less() -> None:
    paths = paths_of(["site"] * 4, [*["banner > site"] * 4, "banner"])
    # Of the four paths with both: the banner alone 0, the site alone 4, both 0: half of 0 + half of (0 - 4).
    assert named(paths, shapley_of_rates(paths, ones(paths)).credit) == pytest.approx({"banner": -2.0, "site": 6.0})


def test_drawn_orders_come_within_their_stated_errors() -> None:
    source = np.random.default_rng(3)
    written = [" > ".join(source.choice(list("abcdefg"), source.integers(1, 8))) for _ in range(600)]
    paths = paths_of(written[:200], written[200:])
    exact, drawn = shapley_of_rates(paths, ones(paths)), shapley_of_rates(paths, ones(paths), most_exact=2)
    assert not exact.error.any()
    assert (drawn.error > 0).all()
    assert (np.abs(drawn.credit - exact.credit) < 4 * drawn.error).all()
    assert drawn.credit.sum() == pytest.approx(200)


def test_no_touch_at_all_means_no_credit() -> None:
    paths = paths_of(["", ""])
    assert shapley(paths, ones(paths)).tolist() == []
    assert shapley_of_rates(paths, ones(paths)).credit.tolist() == []
