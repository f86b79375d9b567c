"""Resampled figures: the same as other libraries' with the drawn weights, and the law of intervals by simulation."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import bootstrap, norm
from sklearn import metrics as reference

from features.events import FloatArray, IntArray
from training.blocks import Partition, measure_parts, part_by_number, part_by_text
from training.intervals import FEWEST_PERSONS, intervals
from training.metrics import FIGURES, measure, session_weights
from training.resampling import Clustered, number_persons, resample

ALL = dict.fromkeys(FIGURES)


def whole(labels: FloatArray, risks: FloatArray, persons: IntArray, weights: FloatArray | None = None) -> Clustered:
    return Clustered(labels, risks, persons, np.zeros((len(labels), 1), np.int16), 1, weights)


def drawn_counts(persons: IntArray, resamples: int, seed: int) -> Any:
    """How often each row counts in each resample, (N, R), for persons numbered from 0 in the order they come."""
    count = int(persons.max()) + 1
    seeds = np.random.SeedSequence(seed).spawn(resamples)
    drawn = [np.random.default_rng(of_one).integers(0, count, count) for of_one in seeds]
    return np.stack([np.bincount(draw, minlength=count) for draw in drawn])[:, persons]


def shop(people: int, seed: int, *, decimals: int = 2, shift: float = 0.0) -> tuple[FloatArray, FloatArray, IntArray]:
    """Rows whose persons have a propensity of their own; risks are ``shift`` too low."""
    rng = np.random.default_rng(seed)
    persons = np.repeat(np.arange(people), rng.geometric(0.3, people))
    truth = expit(rng.normal(0, 1, people)[persons] + rng.normal(0, 1, len(persons)))
    labels = (rng.random(len(persons)) < np.clip(truth + shift, 0, 1)).astype(np.float64)
    return labels, truth.round(decimals), persons


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("decimals", [1, 9])
def test_a_resample_has_the_figures_of_the_rows_with_the_drawn_weights(weighted: bool, decimals: int) -> None:
    labels, risks, persons = shop(120, 1, decimals=decimals)
    weights = session_weights(persons) if weighted else None
    found = resample(whole(labels, risks, persons, weights), 20, 3)
    for figures, counts in zip(found[:, 0], drawn_counts(persons, 20, 3), strict=True):
        weight = counts * (1.0 if weights is None else weights)
        drawn = weight > 0
        rows = (labels[drawn], risks[drawn])
        base_rate = np.average(rows[0], weights=weight[drawn])
        brier = reference.brier_score_loss(*rows, sample_weight=weight[drawn])
        assert dict(zip(FIGURES, figures, strict=True)) == pytest.approx(
            {
                "auc": reference.roc_auc_score(*rows, sample_weight=weight[drawn]),
                "ap": reference.average_precision_score(*rows, sample_weight=weight[drawn]),
                "log_loss": reference.log_loss(rows[0], np.clip(rows[1], 1e-6, 1 - 1e-6), sample_weight=weight[drawn]),
                "brier": brier,
                "brier_skill": 1 - brier / (base_rate * (1 - base_rate)),
                "ece": measure(*rows, persons[drawn], weight[drawn])["ece"],
                "base_rate": base_rate,
            }
        )


rows = st.lists(
    st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 5), st.integers(-1, 2), st.integers(-1, 1)),
    min_size=1,
    max_size=40,
)


@given(rows, st.integers(0, 100))
def test_every_block_is_resampled_as_if_it_stood_alone(drawn: list[tuple[bool, int, int, int, int]], seed: int) -> None:
    labels, risks, persons, one, other = (np.array(column) for column in zip(*drawn, strict=True))
    labels, risks = labels.astype(np.float64), risks / 7
    members = np.column_stack([one, np.where(other < 0, -1, other + 3)]).astype(np.int16)
    found = resample(Clustered(labels, risks, persons, members, 5), 3, seed)
    counts = drawn_counts(number_persons(persons), 3, seed)
    for place, inside in enumerate([one == 0, one == 1, one == 2, other == 0, other == 1]):
        for draw in range(3):
            weight = (counts[draw] * inside).astype(np.float64)
            used = weight > 0
            expected = measure(labels[used], risks[used], persons[used], weight[used])
            told = {name: None if np.isnan(x) else x for name, x in zip(FIGURES, found[draw, place], strict=True)}
            # Without rows, and with one outcome, the same figures are unknown.
            assert told == pytest.approx({name: expected[name] for name in FIGURES})


def test_the_interval_of_a_mean_is_that_of_scipy() -> None:
    rng = np.random.default_rng(2)
    labels = (rng.random(400) < 0.8).astype(np.float64)
    persons = np.arange(400)
    figures = measure(labels, np.full(400, 0.8), persons)
    ours = intervals(figures, resample(whole(labels, np.full(400, 0.8), persons), 4_000, 1)[:, 0], (320, 80))
    theirs = bootstrap((labels,), np.mean, n_resamples=4_000, method="percentile", rng=rng).confidence_interval
    assert ours["base_rate"] == pytest.approx([theirs.low, theirs.high], abs=0.003)


def test_rows_of_one_person_count_as_one_observation() -> None:
    # Everybody twenty times over tells no more than once; rows drawn one by one would halve the interval and more.
    labels, risks, _ = shop(500, 3)
    persons = np.arange(len(labels))
    once = resample(whole(labels, risks, persons), 100, 1)
    again = resample(whole(labels.repeat(20), risks.repeat(20), persons.repeat(20)), 100, 1)
    np.testing.assert_allclose(again, once)


def test_the_names_of_persons_play_no_part() -> None:
    labels, risks, persons = shop(80, 4)
    renamed = np.random.default_rng(1).permutation(1_000)[persons]
    np.testing.assert_array_equal(
        resample(whole(labels, risks, persons), 10, 1), resample(whole(labels, risks, renamed), 10, 1)
    )


def test_two_models_meet_the_same_draws_so_that_a_constant_difference_has_no_spread() -> None:
    labels, risks, persons = shop(80, 5)
    brier = FIGURES.index("brier")
    better, worse = (resample(whole(labels, given, persons), 50, 9)[:, 0, brier] for given in (labels, 1 - labels))
    np.testing.assert_allclose(worse - better, 1.0)
    one, same, other = (resample(whole(labels, risks, persons), 5, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    # The truth from a sample five hundred times as large. Of 150 intervals at 95 %, fewer than 134 cover the truth
    # once in a thousand; the normal approximation to the binomial gives the bound.
    trials, people, least = 150, 300, 150 * 0.95 + norm.ppf(0.001) * np.sqrt(150 * 0.95 * 0.05)
    truth = measure(*shop(150_000, 99, shift=0.05))
    covered = dict.fromkeys(FIGURES, 0)
    for trial in range(trials):
        labels, risks, persons = shop(people, trial, shift=0.05)
        figures = measure(labels, risks, persons)
        ends = intervals(figures, resample(whole(labels, risks, persons), 200, trial)[:, 0], (people, people))
        for name in FIGURES:
            low, high = ends[name] or (np.nan, np.nan)
            covered[name] += low <= (truth[name] or 0.0) <= high
    # The error of calibration covers somewhat less, since which bin a row is in is random too.
    assert covered.pop("ece") > trials * 0.85
    assert min(covered.values()) >= least, covered


def test_the_interval_of_the_error_of_calibration_holds_zero_where_there_is_none() -> None:
    # Percentiles of the resamples never would: chance adds to the error in the sample, and in each resample again.
    held, by_percentile = 0, 0
    for trial in range(40):
        labels, risks, persons = shop(300, 1_000 + trial, decimals=9)
        figures, found = measure(labels, risks, persons), resample(whole(labels, risks, persons), 100, trial)[:, 0]
        low, high = intervals(figures, found, (99, 99))["ece"] or (np.nan, np.nan)
        held += low == 0
        by_percentile += bool(np.quantile(found[:, FIGURES.index("ece")], 0.025) <= 0)
        assert low <= (figures["ece"] or 0.0) <= high
    assert held >= 38
    assert by_percentile == 0


@pytest.mark.parametrize("few", [(FEWEST_PERSONS - 1, 500), (500, FEWEST_PERSONS - 1)])
def test_a_handful_of_persons_gets_no_interval(few: tuple[int, int]) -> None:
    labels, risks, persons = shop(200, 6)
    figures, found = measure(labels, risks, persons), resample(whole(labels, risks, persons), 20, 1)[:, 0]
    assert intervals(figures, found, few) == ALL
    assert None not in intervals(figures, found, (FEWEST_PERSONS, FEWEST_PERSONS)).values()
    assert intervals(figures, found[:0], (500, 500)) == ALL


def test_blocks_count_persons_and_know_where_an_interval_cannot_be_given() -> None:
    labels, risks, persons = shop(200, 7)
    many = np.where(persons < 150, 1, np.where(persons < 155, 2, 9))
    texts = np.where(persons < 100, "mobile", None).astype(object)
    texts[0] = "rare"
    parts = [part_by_number(many, {1: "many", 2: "few", 3: "none"}), part_by_text("device=", texts, 0.01)]
    numbered, named = measure_parts(labels, risks, persons, persons, parts, resamples=20, seed=1)
    counts = {name: (block["n_sessions"], block["n_visitors"]) for name, block in (numbered | named).items()}
    of_mobile = len(set(persons[texts == "mobile"].tolist()))
    assert counts == {"many": (150, 150), "few": (5, 5), "none": (0, 0), "device=mobile": (of_mobile, of_mobile)}
    assert numbered["few"]["intervals"] == numbered["none"]["intervals"] == ALL
    for name, figure in measure(labels[many == 1], risks[many == 1], persons[many == 1]).items():
        assert numbered["many"][name] == figure
    assert all(low < high for low, high in numbered["many"]["intervals"].values())  # type: ignore[attr-defined]


def test_no_rows_have_no_intervals() -> None:
    empty, nobody = np.array([]), np.array([], np.int64)
    [blocks] = measure_parts(empty, empty, nobody, nobody, [Partition(("all",), nobody)], resamples=5, seed=1)
    assert (blocks["all"]["n_rows"], blocks["all"]["n_visitors"], blocks["all"]["intervals"]) == (0, 0, ALL)


def test_the_figures_of_a_sample_vary_as_those_of_its_population_would() -> None:
    rng = np.random.default_rng(5)
    risks = rng.random(4_000)
    labels = (rng.random(4_000) < risks).astype(np.float64)
    rows = Clustered(labels, risks, np.arange(4_000) // 2, np.zeros((4_000, 1), np.int16), 1)
    own, nine = (resample(rows, 400, 3, population=count)[:, 0].std(axis=0) for count in (None, 9 * 2_000))
    # Errors fall with the root of the number of persons; the spread of 400 draws is known to 4 %.
    smooth = [FIGURES.index(name) for name in ("auc", "log_loss", "brier", "base_rate")]
    np.testing.assert_allclose(own[smooth] / nine[smooth], 3.0, rtol=0.15)
