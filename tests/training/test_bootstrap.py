"""Persons are resampled whole, so rows of one person tell no more than one row."""

import numpy as np
import pytest

from training.bootstrap import person_intervals
from training.intervals import FEWEST_PERSONS


def of_mean(values: np.ndarray, persons: np.ndarray, seed: int = 1, resamples: int = 1_000) -> list[float] | None:
    statistics = {"mean": lambda weights: float(np.average(values, weights=weights))}
    return person_intervals(statistics, persons, resamples=resamples, seed=seed)["mean"]


def test_the_interval_of_a_mean_is_that_of_its_standard_error() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, 2_000)
    half = 1.96 * values.std() / 2_000**0.5
    found = of_mean(values, np.arange(2_000))
    assert found == pytest.approx([values.mean() - half, values.mean() + half], abs=0.1 * half)


def test_copies_of_a_persons_rows_make_nothing_more_certain() -> None:
    values = np.random.default_rng(2).normal(size=200)
    single = of_mean(values, np.arange(200), seed=3)
    assert of_mean(np.repeat(values, 10), np.repeat(np.arange(200), 10), seed=3) == pytest.approx(single)


def test_what_is_never_defined_has_no_interval() -> None:
    statistics = {"known": lambda _weights: 1.0, "unknown": lambda _weights: None}
    found = person_intervals(statistics, np.arange(50), resamples=10, seed=1)
    assert found == {"known": [1.0, 1.0], "unknown": None}


def test_few_persons_and_no_resamples_have_none_either() -> None:
    few = FEWEST_PERSONS - 1
    assert of_mean(np.arange(3.0 * few), np.repeat(np.arange(few), 3)) is None
    assert of_mean(np.arange(50.0), np.arange(50), resamples=0) is None
    assert of_mean(np.array([]), np.array([], np.int64)) is None


def test_the_same_seed_gives_the_same_interval() -> None:
    first, again, other = (of_mean(np.arange(50.0), np.arange(50), seed, 50) for seed in (1, 1, 2))
    assert first == again != other
