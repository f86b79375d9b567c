"""Paired differences: the figures of each model, intervals that hold the truth, and a pairing that earns its name."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.metrics import log_loss

from features.events import FloatArray
from training.blocks import Partition, part_by_number
from training.evaluate import Scored
from training.metrics import measure, session_weights
from training.paired import COMPARED, Difference, DifferenceBlock, compare_parts


def shop(people: int, seed: int) -> tuple[Scored, FloatArray]:
    """Sessions of persons, each a session, and the true risks, which the scored ones are."""
    rng = np.random.default_rng(seed)
    persons = np.repeat(np.arange(people), rng.geometric(0.3, people))
    truth = expit(rng.normal(0, 1, people)[persons] + rng.normal(0, 1, len(persons)))
    labels = (rng.random(len(persons)) < truth).astype(np.float64)
    after = np.arange(len(persons)) - np.searchsorted(persons, persons) + 1
    return Scored(labels, truth, persons, persons, after, np.zeros(len(persons)), {}), truth


def noisy(truth: FloatArray, spread: float, seed: int) -> FloatArray:
    return expit(logit(truth) + np.random.default_rng(seed).normal(0, spread, len(truth)))


def whole(first: Scored, second: FloatArray, *, resamples: int = 200, weighted: bool = False) -> DifferenceBlock:
    everything = Partition(("all",), np.zeros(len(second), np.int64))
    weights = session_weights(first.sessions) if weighted else None
    [blocks] = compare_parts(first, second, [everything], weights=weights, resamples=resamples, seed=1)
    return blocks["all"]


@pytest.mark.parametrize("weighted", [False, True])
def test_a_difference_is_second_minus_first_of_the_figures_that_evaluation_gives(weighted: bool) -> None:
    first, truth = shop(200, 1)
    second = noisy(truth, 1.0, 2)
    block = whole(first, second, weighted=weighted)
    weights = session_weights(first.sessions) if weighted else None
    one, other = (measure(first.labels, risks, first.sessions, weights) for risks in (truth, second))
    for name in COMPARED:
        figure = block.figures[name]
        assert (figure.first, figure.second) == (one[name], other[name])
        assert figure.difference == pytest.approx((other[name] or 0) - (one[name] or 0), abs=1e-15)
        assert figure.interval is not None
        assert figure.interval[0] < figure.interval[1]
    assert (block.n_rows, block.n_sessions, block.n_visitors) == (len(truth), 200, 200)


def test_swapping_the_models_turns_every_difference_round() -> None:
    first, truth = shop(150, 3)
    second = noisy(truth, 0.5, 4)
    there, back = whole(first, second), whole(replace(first, risks=second), truth)
    for name in COMPARED:
        one, other = there.figures[name], back.figures[name]
        assert one.difference == pytest.approx(-(other.difference or 0))
        assert one.interval == pytest.approx([-bound for bound in reversed(other.interval or ())])


def test_a_model_does_not_differ_from_itself() -> None:
    first, truth = shop(100, 5)
    assert all(figure.difference == 0 and figure.interval == (0, 0) for figure in whole(first, truth).figures.values())


def test_the_interval_of_the_log_loss_is_that_of_the_mean_over_persons() -> None:
    """With a session a person and each weighing one, the difference is a mean of independent differences."""
    first, truth = shop(2_000, 6)
    second = noisy(truth, 0.7, 7)
    losses = [-np.where(first.labels == 1, np.log(risks), np.log1p(-risks)) for risks in (truth, second)]
    weights = session_weights(first.sessions)
    assert np.average(losses[0], weights=weights) == pytest.approx(log_loss(first.labels, truth, sample_weight=weights))
    of_person = np.bincount(first.persons, weights * (losses[1] - losses[0]))
    error = of_person.std(ddof=1) / np.sqrt(len(of_person))
    found = whole(first, second, weighted=True, resamples=1_000).figures["log_loss"].interval
    expected = of_person.mean() + norm.ppf([0.025, 0.975]) * error
    assert found == pytest.approx(expected, abs=0.25 * error)
    # Unpaired, the interval would be far wider: most of the spread is the people's, and both models meet the same.
    alone = np.bincount(first.persons, weights * losses[0]).std(ddof=1) / np.sqrt(len(of_person))
    assert error < alone / 1.5


def test_intervals_hold_the_truth_and_find_what_is_there() -> None:
    """Of 60 logs at least 52 intervals should hold the true difference (97.5 % of them, at 95 % coverage)."""
    trials, worse = 60, 0.25
    big, truth = shop(60_000, 999)
    true = whole(big, np.clip(noisy(truth, worse, 8) + 0.05, 0.001, 0.999), resamples=0)
    held = dict.fromkeys(COMPARED, 0)
    found = 0
    for trial in range(trials):
        first, truth = shop(600, trial)
        block = whole(first, np.clip(noisy(truth, worse, trial + 500) + 0.05, 0.001, 0.999), resamples=100)
        for name in COMPARED:
            low, high = block.figures[name].interval or (np.nan, np.nan)
            held[name] += low <= (true.figures[name].difference or 0) <= high
        found += block.figures["log_loss"].is_real
    assert min(held.values()) >= 52, held
    assert found > trials / 2


def test_two_equally_good_models_are_told_apart_no_more_often_than_chance_does() -> None:
    real = 0
    for trial in range(80):
        first, truth = shop(200, 2_000 + trial)
        one, other = noisy(truth, 0.4, 2 * trial), noisy(truth, 0.4, 2 * trial + 1)
        real += whole(replace(first, risks=one), other, resamples=100).figures["log_loss"].is_real
    # Five in a hundred are expected: 4 of 80, and more than 11 once in a thousand times.
    assert real <= 11


def test_parts_are_compared_on_their_own_prefixes_and_few_persons_get_no_interval() -> None:
    first, truth = shop(120, 9)
    second = noisy(truth, 0.5, 10)
    first = replace(first, after=np.where(first.persons < 8, 99, first.after))
    parts = part_by_number(first.after, {1.0: "1", 2.0: "2", 99.0: "99"})
    [blocks] = compare_parts(first, second, [parts], resamples=50, seed=1)
    rows = first.after == 2
    expected = measure(first.labels[rows], second[rows], first.sessions[rows])["auc"]
    assert blocks["2"].figures["auc"].second == expected
    assert blocks["2"].figures["auc"].interval is not None
    assert blocks["99"].n_visitors == 8
    assert all(figure.interval is None for figure in blocks["99"].figures.values())


def test_a_part_with_one_outcome_has_no_auc_to_compare() -> None:
    first, truth = shop(50, 11)
    block = whole(replace(first, labels=np.ones(len(truth))), noisy(truth, 0.5, 1))
    assert block.figures["auc"] == Difference(None, None, None, None)
    assert block.figures["log_loss"].difference is not None
    assert block.figures["log_loss"].interval is None
