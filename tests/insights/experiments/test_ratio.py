"""The ratio of the arms is held against scipy's tests and drawn experiments."""

import numpy as np
import pytest
from scipy import stats

from insights.experiments.people import People
from insights.experiments.question import Measure, Question
from insights.experiments.ratio import IF_OVERALL, IN_SLICES, OVERALL, check_ratio, name_slices

QUESTION = Question(Measure("goal"))


def people_of(*counts: int, **more: object) -> People:
    arm = np.repeat(np.arange(len(counts)), counts)
    names = ("control", "b", "c")[: len(counts)]
    return People(names, arm, None, {"goal": np.zeros(len(arm))}, **more)  # type: ignore[arg-type]


def test_the_example_of_the_textbook_has_its_p_value() -> None:
    # Kohavi, Tang and Xu (2020), Trustworthy Online Controlled Experiments, chapter 21: 821,588 against 815,482.
    found = check_ratio(people_of(821_588, 815_482), QUESTION)
    assert found.p == pytest.approx(1.8e-6, rel=0.05)
    assert found.alarm


@pytest.mark.parametrize("counts", [(5_000, 5_100), (1_000, 1_200), (3_000, 3_050, 2_900)])
def test_all_people_are_tested_as_scipys_chi_square_does(counts: tuple[int, ...]) -> None:
    assert check_ratio(people_of(*counts), QUESTION).p == pytest.approx(stats.chisquare(counts).pvalue, rel=1e-9)


def test_planned_shares_are_what_numbers_are_compared_with() -> None:
    question = Question(Measure("goal"), shares={"control": 3, "b": 1})
    found = check_ratio(people_of(7_600, 2_400), question)
    assert found.expected == {"control": pytest.approx(7_500), "b": pytest.approx(2_500)}
    assert found.p == pytest.approx(stats.chisquare([7_600, 2_400], [7_500, 2_500]).pvalue, rel=1e-9)


def test_small_numbers_are_tested_exactly() -> None:
    found = check_ratio(people_of(60, 35), QUESTION)
    assert found.p == pytest.approx(stats.binomtest(60, 95, 0.5).pvalue, rel=1e-9)


def test_equal_propensities_are_the_plain_test() -> None:
    plain = check_ratio(people_of(5_000, 5_100), QUESTION)
    adaptive = check_ratio(people_of(5_000, 5_100, propensities=np.full((10_100, 2), 0.5)), QUESTION)
    assert adaptive.p == pytest.approx(plain.p, rel=1e-9)
    assert (plain.adaptive, adaptive.adaptive) == (False, True)


def test_an_adaptive_allocation_is_tested_against_the_sum_of_its_propensities() -> None:
    # A bandit that moves from .5 to .9: the plain test sees a mismatch, that of the propensities does not.
    odds = np.linspace(0.5, 0.9, 20_000)
    arm = (np.random.default_rng(1).random(20_000) < odds).astype(np.int64)
    both = np.column_stack([1 - odds, odds])
    people = People(("control", "b"), arm, None, {}, propensities=both)
    found = check_ratio(people, QUESTION)
    # By hand: (observed - sum p) / sqrt(sum p (1 - p)).
    z = (arm.sum() - odds.sum()) / np.sqrt((odds * (1 - odds)).sum())
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-6)
    assert not found.failed
    assert check_ratio(People(("control", "b"), arm, None, {}), QUESTION).failed


def test_three_percent_of_fifty_thousand_are_missed() -> None:
    found = check_ratio(people_of(50_000, 48_500), QUESTION)
    # z = 1,500 / sqrt(98,500) = 4.78.
    assert found.p == pytest.approx(2 * stats.norm.sf(1_500 / np.sqrt(98_500)), rel=1e-6)
    assert found.alarm


def test_the_slice_that_lost_people_is_named_although_all_together_fit() -> None:
    draws = np.random.default_rng(3)
    device = np.where(np.arange(40_000) % 10 == 0, "tablet", "desktop").astype(object)
    arm = draws.integers(0, 2, 40_000)
    lost = (device == "tablet") & (arm == 1) & (draws.random(40_000) < 0.15)
    people = People(("control", "b"), arm[~lost], None, {}, slices={"device": device[~lost]})
    found = check_ratio(people, QUESTION)
    assert not found.alarm
    assert [(one.name, one.value) for one in found.named] == [("device", "tablet")]
    assert found.failed


def test_days_are_slices_where_the_time_is_known() -> None:
    days = np.repeat(np.arange(4), 2_000) * 86_400_000_000
    arm = np.tile([0, 1], 4_000)
    lost = (days == days[-1]) & (arm == 1) & (np.arange(8_000) % 4 == 1)
    found = check_ratio(People(("control", "b"), arm[~lost], days[~lost], {}), QUESTION)
    assert [(one.name, one.value) for one in found.named] == [("day", "1970-01-04")]


def test_slices_too_small_to_test_are_left_out() -> None:
    device = np.array(["tv"] * 40 + ["phone"] * 2_000, object)
    people = People(("control", "b"), np.tile([0, 1], 1_020), None, {}, slices={"device": device})
    assert [one.value for one in check_ratio(people, QUESTION).slices] == ["phone"]


def test_only_the_slices_that_are_asked_for_are_tested() -> None:
    device = np.tile(np.array(["tv", "phone"], object), 1_000)
    people = People(("control", "b"), np.repeat([0, 1], 1_000), None, {}, slices={"device": device, "same": device})
    assert check_ratio(people, QUESTION).slices_tested == 4
    assert check_ratio(people, Question(Measure("goal"), slices=("same",))).slices_tested == 2


def test_slices_are_named_more_readily_once_everybody_together_are_off() -> None:
    p_values = [0.0015, 0.5, 0.9]
    # Holm: 3 x .0015 = .0045 lies between the two limits.
    assert IN_SLICES < 0.0045 < IF_OVERALL
    assert [alarm for _, alarm in name_slices(0.5, p_values)] == [False, False, False]
    assert [alarm for _, alarm in name_slices(OVERALL / 2, p_values)] == [True, False, False]


def test_of_many_fair_experiments_hardly_any_raises_an_alarm() -> None:
    from benchmarks.experiments import check_ratios

    # Both limits together are .1 %; of 4,000 at most .3 % are to be expected with a probability of .999.
    assert check_ratios(4_000, 5).alarmed <= 0.003
    lossy = check_ratios(400, 6, lost=0.03, within="tablet")
    assert lossy.alarmed >= 0.97
    assert lossy.named_first >= 0.97
