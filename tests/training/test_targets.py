"""Targets: outcomes mixed with what a first model says of the next rows, which never knew the person."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_rows import rows, table, vocabulary

from training.fit import Rows
from training.targets import FIRST_MODEL, FIRST_MODEL_TREES, mix, teach

TABLE = table()


def test_the_mixture_by_hand() -> None:
    # One session of three events, a silence after the first; one of a single event.
    sessions, after = np.array([4, 4, 4, 4, 9]), np.array([1, 1, 2, 3, 1])
    labels, expected = np.array([1.0, 1, 1, 1, 0]), np.array([0.9, 0.9, 0.6, 0.8, 0.2])
    second = 0.3 * 0.8 + 0.7 * 1.0
    first = 0.3 * 0.6 + 0.7 * second
    assert mix(sessions, after, labels, expected, 0.7) == pytest.approx([first, first, second, 1.0, 0.0])


def test_with_a_decay_of_nothing_a_row_is_taught_the_risk_of_the_next_and_the_last_its_outcome() -> None:
    sessions, after = np.array([1, 1, 1]), np.array([1, 2, 5])
    targets = mix(sessions, after, np.array([0.0, 0, 0]), np.array([0.9, 0.8, 0.4]), 0.0)
    assert targets.tolist() == [0.8, 0.4, 0.0]


@given(
    st.lists(st.tuples(st.integers(1, 6), st.sampled_from([0.0, 1.0])), min_size=1, max_size=8),
    st.integers(0, 2**32 - 1),
)
def test_with_a_decay_of_one_targets_are_the_outcomes(drawn: list[tuple[int, float]], seed: int) -> None:
    lengths = [length for length, _ in drawn]
    sessions = np.repeat(np.arange(len(drawn)), lengths)
    after = np.concatenate([np.arange(1, length + 1) for length in lengths])
    labels = np.repeat([outcome for _, outcome in drawn], lengths)
    expected = np.random.default_rng(seed).random(len(labels))
    np.testing.assert_array_equal(mix(sessions, after, labels, expected, 1.0), labels)


@given(st.integers(2, 12), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_a_first_model_that_is_right_on_average_gives_targets_that_are(length: int, decay: float, seed: int) -> None:
    # Where each risk is the mean of the next, the mean of every target is the risk of its row: a fair game.
    rng = np.random.default_rng(seed)
    half = rng.random(length) * 0.4
    up, down = 0.5 + half, 0.5 - half
    for row, following in pairwise(range(length)):
        both = []
        for branch in (up, down):
            expected = np.full(length, 0.5)
            expected[following:] = branch[following]
            outcomes = [
                mix(np.zeros(length, int), np.arange(1, length + 1), np.full(length, outcome), expected, decay)[row]
                for outcome in (1.0, 0.0)
            ]
            both.append(np.average(outcomes, weights=[branch[following], 1 - branch[following]]))
        assert np.mean(both) == pytest.approx(0.5)


def test_what_a_person_is_taught_comes_from_a_model_that_does_not_know_the_person() -> None:
    training = rows(2_000, 1)
    sessions, after = np.arange(2_000) // 4, np.tile([1, 2, 3, 4], 500)
    persons = sessions // 2
    training = Rows(training.features, np.repeat(training.labels[::4], 4), after)
    options = {"seed": 3, "threads": 1}
    learnt = vocabulary(training)
    taught = teach(TABLE, learnt, training, sessions, persons, **options)
    own = persons == 7
    turned = Rows(training.features, np.where(own, 1 - training.labels, training.labels), after)
    again = teach(TABLE, learnt, turned, sessions, persons, **options)
    # Only the person's own outcome changed what is taught of the person: .7 of it at each event but the last.
    passed_on = 0.7 ** (4 - after[own])
    np.testing.assert_allclose(np.abs(again.labels - taught.labels)[own], passed_on, atol=1e-12)
    assert (again.labels != taught.labels)[~own].any()


def test_targets_stay_between_the_outcomes_and_features_stay_as_they_are() -> None:
    training = rows(1_000, 2)
    training = Rows(training.features, np.repeat(training.labels[::5], 5), np.tile(np.arange(1, 6), 200))
    taught = teach(
        TABLE, vocabulary(training), training, np.arange(1_000) // 5, np.arange(1_000) // 5, seed=1, threads=1
    )
    assert ((taught.labels >= 0) & (taught.labels <= 1)).all()
    assert ((taught.labels > 0) & (taught.labels < 1)).mean() > 0.7
    assert taught.features is training.features
    np.testing.assert_array_equal(taught.labels[4::5], training.labels[4::5])


def test_the_log_of_a_single_person_is_taught_its_outcomes() -> None:
    training = rows(50, 2)
    alone = np.zeros(50, np.int64)
    assert teach(TABLE, vocabulary(training), training, alone, alone, seed=1, threads=1) is training


def test_the_first_model_is_a_small_one() -> None:
    assert FIRST_MODEL_TREES <= 100
    assert FIRST_MODEL.num_leaves <= 15
