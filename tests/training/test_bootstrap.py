"""Persons are resampled whole, so rows of one person tell no more than one row."""

import numpy as np
import pytest

from training.bootstrap import person_interval


def test_the_interval_of_a_mean_is_that_of_its_standard_error() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, 2_000)
    found = person_interval(
        lambda weights: float(np.average(values, weights=weights)), np.arange(2_000), seed=1, replicates=1_000
    )
    assert found is not None
    half = 1.96 * values.std() / 2_000**0.5
    assert found == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_copies_of_a_persons_rows_make_nothing_more_certain() -> None:
    values = np.random.default_rng(2).normal(size=200)
    single = person_interval(lambda weights: float(np.average(values, weights=weights)), np.arange(200), seed=3)
    tenfold, persons = np.repeat(values, 10), np.repeat(np.arange(200), 10)
    assert person_interval(
        lambda weights: float(np.average(tenfold, weights=weights)), persons, seed=3
    ) == pytest.approx(single)


def test_what_is_never_defined_has_no_interval() -> None:
    assert person_interval(lambda _weights: None, np.arange(5), seed=1) is None
    assert person_interval(lambda _weights: 1.0, np.array([], np.int64), seed=1) is None


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.arange(50.0)
    first, again, other = (
        person_interval(lambda weights: float(np.average(values, weights=weights)), np.arange(50), seed=seed)
        for seed in (1, 1, 2)
    )
    assert first == again != other
