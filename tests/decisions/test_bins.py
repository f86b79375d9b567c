"""Bins hold what they say: deciles, identities, what is missing and what is beyond."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from small_shop import Trained

from decisions.bins import MOST_IDENTITIES, Bins
from features.friction import Friction
from features.scan import category, last, prop
from features.table import Feature, FeatureTable, Stage

TABLE = FeatureTable(
    ("view",),
    (Stage("browse", "view"),),
    (
        Feature("price", last(prop("price")), Friction.NONE, "{:.0f} euros"),
        Feature("device", category("device"), Friction.NONE, "device"),
    ),
)
NUMBERS = st.one_of(st.just(np.nan), st.integers(-3, 12).map(float), st.floats(-1e6, 1e6))
ROWS = st.lists(st.tuples(NUMBERS, st.sampled_from([-7.0, -5.0, -3.0, np.nan])), min_size=1, max_size=60)


def counted(bins: Bins, rows: np.ndarray) -> np.ndarray:
    counts = np.zeros((1, bins.count), np.int64)
    bins.add(counts, rows, np.zeros(len(rows), np.int64))
    return counts[0]


@settings(deadline=None)  # the first example compiles
@given(ROWS, ROWS)
def test_a_row_is_counted_once_per_feature_and_where_numpy_places_it(seen: list, new: list) -> None:
    bins, rows = Bins.of(TABLE, np.array(seen, float)), np.array(new, float)
    counts = counted(bins, rows)
    price = rows[:, 0]
    expected = [np.isnan(price).sum(), *np.zeros(len(bins.points[0]) + 1)]
    for value in price[~np.isnan(price)]:
        expected[1 + int((bins.points[0] < value).sum())] += 1
    assert counts[bins.slice(0)].tolist() == expected
    device, known = rows[:, 1], bins.points[1]
    beyond = (~np.isnan(device) & ~np.isin(device, known)).sum()
    assert counts[bins.slice(1)].tolist() == [np.isnan(device).sum(), *((device == one).sum() for one in known), beyond]


def test_deciles_of_a_hundred_numbers_hold_ten_each() -> None:
    rows = np.column_stack((np.arange(100.0), np.full(100, -1.0)))
    bins = Bins.of(TABLE, rows)
    assert bins.points[0].tolist() == [9, 19, 29, 39, 49, 59, 69, 79, 89]
    assert counted(bins, rows)[bins.slice(0)].tolist() == [0, *[10] * 10]


def test_what_was_always_the_same_notices_other_values_on_both_sides() -> None:
    bins = Bins.of(TABLE, np.column_stack((np.full(50, 4.0), np.full(50, -1.0))))
    assert counted(bins, np.array([[3.9, -1], [4, -1], [4, -1], [4.1, -1]]))[bins.slice(0)].tolist() == [0, 1, 2, 1]


def test_of_many_identities_the_most_frequent_have_bins_and_the_others_share_one() -> None:
    identities = np.repeat(-np.arange(1.0, 31), np.arange(40, 10, -1))
    bins = Bins.of(TABLE, np.column_stack((identities, identities)))
    assert bins.points[1].tolist() == sorted(-np.arange(1.0, MOST_IDENTITIES + 1))
    others = np.arange(40, 10, -1)[MOST_IDENTITIES:].sum()
    assert counted(bins, np.column_stack((identities, identities)))[-1] == others


def test_a_feature_that_never_happened_has_bins_for_missing_and_for_anything() -> None:
    bins = Bins.of(TABLE, np.full((9, 2), np.nan))
    assert counted(bins, np.array([[np.nan, np.nan], [1, -4], [2, -4]])).tolist() == [1, 2, 1, 2]


def test_bins_come_back_from_json_as_they_were(trained: Trained) -> None:
    bins = Bins.of(trained.table, trained.rows)
    again = Bins.from_json(bins.to_json())
    assert counted(again, trained.rows).tolist() == counted(bins, trained.rows).tolist()
