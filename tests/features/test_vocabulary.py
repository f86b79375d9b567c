"""The vocabulary: which identities are learnt, and what they and the others become."""

import json
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from features.encode import key
from features.friction import Friction
from features.scan import any_event, category, count, hour
from features.table import Feature, FeatureTable, Stage
from features.vocabulary import UNKNOWN, Vocabulary

TABLE = FeatureTable(
    ("view",),
    (Stage("browse", "view"),),
    (
        Feature("events_seen", count(any_event), Friction.NONE, "{:.0f} events"),
        Feature("device", category("device"), Friction.NONE, "device"),
        Feature("hour", hour, Friction.NONE, "hour of the day"),
    ),
)


def rows_of(devices: list[float], hours: list[float]) -> np.ndarray:
    return np.column_stack((np.arange(float(len(devices))), devices, hours))


def test_identities_are_numbered_in_their_order_and_rare_ones_are_unknown() -> None:
    devices = [-5.0] * 3 + [-9.0] * 2 + [-7.0] + [math.nan]
    learnt = Vocabulary.learn(TABLE, rows_of(devices, [8.0] * 7), min_count=2)
    assert learnt.category_columns == (1, 2)
    seen = rows_of([-9.0, -5.0, -7.0, -1.0, math.nan, 0.0], [8.0, 9.0, 7.0, math.nan, 8.0, 8.0])
    expected = rows_of([1.0, 2.0, UNKNOWN, UNKNOWN, math.nan, UNKNOWN], [1.0, UNKNOWN, UNKNOWN, math.nan, 1.0, 1.0])
    np.testing.assert_array_equal(learnt.apply(seen), expected)


def test_applying_leaves_the_rows_as_they_were_and_quantities_alone() -> None:
    rows = rows_of([-5.0, -6.0], [1.0, 2.0])
    before = rows.copy()
    numbered = Vocabulary.learn(TABLE, rows, min_count=1).apply(rows)
    np.testing.assert_array_equal(rows, before)
    np.testing.assert_array_equal(numbered[:, 0], rows[:, 0])


def test_a_column_of_nothing_but_missing_values_knows_nothing() -> None:
    learnt = Vocabulary.learn(TABLE, rows_of([math.nan] * 3, [math.nan] * 3), min_count=1)
    assert [len(known) for known in learnt.known.values()] == [0, 0]
    np.testing.assert_array_equal(
        learnt.apply(rows_of([math.nan, -3.0], [1.0, math.nan]))[:, 1:], [[math.nan, UNKNOWN], [UNKNOWN, math.nan]]
    )


identities = st.one_of(st.sampled_from([math.nan, 0.0, 1.0, 23.0]), st.text(min_size=1, max_size=3).map(key))


@given(st.lists(identities, min_size=1, max_size=40), st.lists(identities, max_size=40), st.integers(1, 5))
def test_a_vocabulary_says_the_same_after_it_was_written_down(
    learnt_from: list[float], seen: list[float], min_count: int
) -> None:
    learnt = Vocabulary.learn(TABLE, rows_of(learnt_from, learnt_from), min_count)
    again = Vocabulary.from_json(json.loads(json.dumps(learnt.to_json())))
    rows = rows_of([*learnt_from, *seen], [*learnt_from, *seen])
    np.testing.assert_array_equal(again.apply(rows), learnt.apply(rows))


@given(st.lists(identities, min_size=1, max_size=40), st.lists(identities, max_size=40), st.integers(1, 5))
def test_every_identity_has_a_number_of_its_own_or_is_unknown(
    learnt_from: list[float], seen: list[float], min_count: int
) -> None:
    learnt = Vocabulary.learn(TABLE, rows_of(learnt_from, learnt_from), min_count)
    known = [value for value in learnt_from if not math.isnan(value)]
    frequent = sorted({value for value in known if known.count(value) >= min_count})
    found = learnt.apply(rows_of([*learnt_from, *seen], [*learnt_from, *seen]))[:, 1]
    for value, numbered in zip([*learnt_from, *seen], found.tolist(), strict=True):
        if math.isnan(value):
            assert math.isnan(numbered)
        else:
            assert numbered == (frequent.index(value) + 1 if value in frequent else UNKNOWN)
