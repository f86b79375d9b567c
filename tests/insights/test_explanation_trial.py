"""The gap of the explanation trial."""

import math
from dataclasses import replace

import numpy as np
import pytest
from made_experiments import exposed, happened, rates
from scipy.stats import norm

from decisions.experiments import StoppingRule
from insights.experiments.analyse import analyse
from insights.experiments.explanation_trial import Reading, explanation_gap, read_gap
from insights.experiments.question import Measure, Question
from insights.experiments.result import Analysis, Verdict
from insights.intervals import Estimate


def people(*cells: tuple[str, str, bool, int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return so many people of each cell, of whom so many reached the goal."""
    rows = [
        (named, other, treated, float(number < goals))
        for named, other, treated, count, goals in cells
        for number in range(count)
    ]
    named, other, treated, values = zip(*rows, strict=True)
    return np.array(named, object), np.array(other, object), np.array(treated), np.array(values)


def test_the_gap_of_one_pair_is_the_mean_of_both_directions_with_its_standard_error() -> None:
    found, pairs = explanation_gap(
        *people(
            ("form", "price", True, 100, 60),
            ("form", "price", False, 50, 20),
            ("price", "form", True, 200, 80),
            ("price", "form", False, 40, 12),
        )
    )
    assert found is not None
    # One direction has .6 - .4, the other .4 - .3.
    assert found.value == pytest.approx(0.15)
    cells = ((0.6, 100), (0.4, 50), (0.4, 200), (0.3, 40))
    within = sum(p * (1 - p) * n for p, n in cells) / (390 - 4)
    half = norm.ppf(0.975) * math.sqrt(within * sum(1 / n for _, n in cells)) / 2
    assert (found.low, found.high) == pytest.approx((0.15 - half, 0.15 + half))
    assert [(one.first, one.second, one.people, one.gap) for one in pairs] == [("form", "price", 390, found)]


def test_an_intervention_that_is_stronger_for_everybody_makes_no_gap_of_empty_names() -> None:
    # Whatever is named, what treats the form brings .5 and what treats the price .1; the form is named more often.
    cells = (
        ("form", "price", True, 400, 200),
        ("form", "price", False, 400, 40),
        ("price", "form", True, 100, 10),
        ("price", "form", False, 100, 50),
    )
    named, other, treated, values = people(*cells)
    found, _ = explanation_gap(named, other, treated, values)
    assert found is not None
    assert found.value == pytest.approx(0)
    # The two arms as they are would say otherwise.
    assert values[treated].mean() - values[~treated].mean() == pytest.approx(0.42 - 0.18)


def test_pairs_are_weighed_by_their_people_and_those_seen_one_way_are_left_out() -> None:
    one = [("a", "b", treated, 100, 70 if treated else 30) for treated in (True, False)]
    back = [("b", "a", treated, 100, 70 if treated else 30) for treated in (True, False)]
    two = [(x, y, treated, 50, 25) for x, y in (("a", "c"), ("c", "a")) for treated in (True, False)]
    lonely = [("b", "c", True, 10, 10), ("b", "c", False, 10, 0)]
    found, pairs = explanation_gap(*people(*one, *back, *two, *lonely))
    assert found is not None
    assert [(pair.first, pair.second) for pair in pairs] == [("a", "b"), ("a", "c")]
    # The weights are 100 / 4 and 50 / 4.
    assert found.value == pytest.approx((0.4 * 25 + 0.0 * 12.5) / 37.5)


def test_without_a_pair_there_is_no_gap() -> None:
    assert explanation_gap(*people(("a", "b", True, 10, 5), ("a", "b", False, 10, 5))) == (None, ())


def test_the_interval_covers_nothing_as_often_as_it_says_when_names_are_empty() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(200):
        named = rng.choice(["a", "b", "c"], 600, p=[0.6, 0.3, 0.1]).astype(object)
        other = np.array([rng.choice([one for one in "abc" if one != name]) for name in named], object)
        treated = rng.random(600) < 0.5
        strength = {"a": 0.5, "b": 0.3, "c": 0.1}
        goal = np.array(
            [strength[one if is_named else two] for one, two, is_named in zip(named, other, treated, strict=True)]
        )
        found, _ = explanation_gap(named, other, treated, (rng.random(600) < goal).astype(float))
        assert found is not None
        covered += found.low <= 0 <= found.high
    # Four standard deviations of a binomial of 200 at .95.
    assert abs(covered / 200 - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 200)


@pytest.mark.parametrize(
    ("rule", "half", "said"),
    [
        # At 2,000 people per arm the sequence is wider than 1.96 standard errors by more than a half.
        (StoppingRule.FIXED, 0.9, Reading.RIGHT),
        (StoppingRule.ALWAYS_VALID, 0.9, Reading.OPEN),
        (StoppingRule.ALWAYS_VALID, 0.4, Reading.RIGHT),
        (StoppingRule.FIXED, 1.1, Reading.OPEN),
    ],
)
def test_a_gap_is_read_by_the_rule_of_stopping(rule: StoppingRule, half: float, said: Reading) -> None:
    analysis = analysed(rule)
    assert read_gap(Estimate(1.0, 1 - half, 1 + half), 4_000, 0.95, analysis) is said
    if said is Reading.RIGHT:
        assert read_gap(Estimate(-1.0, -1 - half, -1 + half), 4_000, 0.95, analysis) is Reading.WRONG
    # Too few people, or nobody, say nothing by a sequence; an invalid experiment never does.
    assert read_gap(None, 0, 0.95, analysis) is Reading.OPEN
    invalid = replace(analysis, decision=replace(analysis.decision, verdict=Verdict.INVALID))
    assert read_gap(Estimate(1.0, 1 - half, 1 + half), 4_000, 0.95, invalid) is Reading.INVALID


def analysed(rule: StoppingRule) -> Analysis:
    variants, goals = rates(2_000, 0.1, 0.1)
    return analyse(
        exposed(variants), happened({"goal": goals}), Question(Measure("goal"), rule=rule, planned_per_arm=2_000)
    )
