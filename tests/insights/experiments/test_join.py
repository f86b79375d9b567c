"""Exposures and outcomes are joined so that everything that is left out is counted, worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from made_experiments import DAY_US, START_US, texts

from insights.experiments.join import UNKNOWN_US, join, late_covariates
from insights.experiments.people import ExposureTable, OutcomeTable
from insights.experiments.question import AnalysisError, Measure, Question
from insights.experiments.sizing import MetricKind

QUESTION = Question(Measure("goal"))


def exposures(*rows: tuple[str, str, float], **more: object) -> ExposureTable:
    units, variants, days = zip(*rows, strict=True)
    at = np.array([START_US + round(day * DAY_US) for day in days])
    return ExposureTable(texts(units), texts(variants), at, **more)  # type: ignore[arg-type]


def outcomes(*rows: tuple[str, float, float], **more: object) -> OutcomeTable:
    units, values, days = zip(*rows, strict=True)
    at = np.array([START_US + round(day * DAY_US) for day in days])
    return OutcomeTable(texts(units), {"goal": np.array(values, np.float64)}, at, **more)  # type: ignore[arg-type]


PAIR = (("ann", "control", 0.0), ("ben", "b", 1.0))


def test_people_stand_in_the_order_of_their_exposure_with_what_they_did_after_it() -> None:
    found = join(exposures(*PAIR[::-1]), outcomes(("ben", 2.0, 3.0), ("ben", 1.0, 4.0)), QUESTION)
    assert found.variants == ("control", "b")
    assert found.arm.tolist() == [0, 1]
    assert found.sums["goal"].tolist() == [0.0, 3.0]


def test_outcomes_before_the_exposure_are_counted_and_left_out() -> None:
    found = join(exposures(*PAIR), outcomes(("ben", 1.0, 0.5), ("ben", 1.0, 1.0)), QUESTION)
    # At the very moment of the exposure it counts.
    assert (found.sums["goal"].tolist(), found.counts.before_exposure) == ([0.0, 1.0], 1)


def test_what_was_done_before_is_a_covariate_where_that_is_asked_for() -> None:
    found = join(exposures(*PAIR), outcomes(("ben", 4.0, 0.5), ("ben", 1.0, 1.5)), replace(QUESTION, before=True))
    assert found.covariates["goal before"].tolist() == [0.0, 4.0]


def test_outcomes_of_people_who_were_never_exposed_are_counted_and_left_out() -> None:
    found = join(exposures(*PAIR), outcomes(("cat", 1.0, 2.0), ("cat", 1.0, 3.0), ("dan", 1.0, 2.0)), QUESTION)
    assert found.sums["goal"].sum() == 0
    assert (found.counts.without_exposure, found.counts.units_without_exposure) == (3, 2)


def test_a_further_exposure_to_the_same_variant_is_repeated_and_the_first_counts() -> None:
    found = join(exposures(*PAIR, ("ann", "control", 5.0)), outcomes(("ann", 1.0, 2.0)), QUESTION)
    assert found.sums["goal"].tolist() == [1.0, 0.0]
    assert (len(found), found.counts.repeated_exposures, found.counts.crossed) == (2, 1, 0)


def test_who_meets_a_second_variant_stays_in_the_first_and_is_counted() -> None:
    found = join(exposures(*PAIR, ("ann", "b", 5.0), ("ann", "b", 6.0)), outcomes(("ann", 1.0, 7.0)), QUESTION)
    assert found.arm.tolist() == [0, 1]
    assert found.sums["goal"].tolist() == [1.0, 0.0]
    assert (found.counts.crossed, found.counts.crossed_dropped) == (1, 0)


def test_who_met_two_variants_is_left_out_where_nobody_knows_which_first() -> None:
    table = replace(exposures(*PAIR, ("ann", "b", 0.0), ("cat", "control", 0.0)), at_us=None)
    found = join(table, outcomes(("ann", 1.0, 7.0)), QUESTION)
    assert (len(found), found.counts.crossed_dropped, found.exposed_us) == (2, 1, None)


def test_duplicated_outcomes_are_counted_once() -> None:
    twice = (("ann", 1.0, 2.0), ("ann", 1.0, 2.0), ("ann", 1.0, 2.5))
    found = join(exposures(*PAIR), outcomes(*twice), QUESTION)
    assert (found.sums["goal"].tolist(), found.counts.duplicated_outcomes) == ([2.0, 0.0], 1)


def test_an_id_tells_equal_rows_apart_and_different_rows_together() -> None:
    rows = (("ann", 1.0, 2.0), ("ann", 1.0, 2.0), ("ann", 1.0, 3.0))
    found = join(exposures(*PAIR), outcomes(*rows, ids=texts(["x", "y", "x"])), QUESTION)
    assert (found.sums["goal"].tolist(), found.counts.duplicated_outcomes) == ([2.0, 0.0], 1)


def test_equal_rows_without_time_and_id_all_count_and_are_told() -> None:
    table = replace(outcomes(("ann", 5.0, 0.0), ("ann", 5.0, 0.0)), at_us=None)
    found = join(exposures(*PAIR), table, QUESTION)
    assert (found.sums["goal"].tolist(), found.counts.equal_outcomes) == ([10.0, 0.0], 1)
    assert found.counts.untimed_outcomes == 2


def test_a_window_leaves_out_later_outcomes_and_people_whose_window_has_not_passed() -> None:
    table = exposures(*PAIR, ("cat", "b", 3.5))
    done = outcomes(("ann", 1.0, 2.0), ("ann", 1.0, 2.1), ("ben", 1.0, 5.0), ("cat", 1.0, 4.0))
    found = join(table, done, replace(QUESTION, window_us=2 * DAY_US))
    # The data end on day 5: cat's two days end on 5.5. The end of the window itself counts.
    assert found.sums["goal"].tolist() == [1.0, 0.0]
    assert (found.counts.too_recent, found.counts.after_window) == (1, 2)
    later = join(table, done, replace(QUESTION, window_us=2 * DAY_US), known_until_us=START_US + 6 * DAY_US)
    assert (len(later), later.counts.too_recent) == (3, 0)


def test_rows_without_what_is_needed_are_counted() -> None:
    table = exposures(*PAIR, ("", "b", 1.0), ("cat", "", 1.0))
    table = replace(table, at_us=np.append(table.at_us[:-1], UNKNOWN_US))  # type: ignore[index]
    found = join(table, outcomes(("", 1.0, 2.0), ("ann", 1.0, 2.0)), QUESTION)
    assert (found.counts.unusable_exposures, found.counts.unusable_outcomes) == (2, 1)


def test_a_planned_variant_that_nobody_met_is_an_empty_arm() -> None:
    question = replace(QUESTION, shares={"control": 0.4, "b": 0.4, "c": 0.2})
    assert join(exposures(*PAIR), outcomes(("ann", 1.0, 2.0)), question).variants == ("control", "b", "c")


@pytest.mark.parametrize(
    ("names", "control"), [(("b", "Nothing"), "Nothing"), (("treatment", "control"), "control"), (("x", "w"), "w")]
)
def test_the_control_is_found_by_its_name_or_is_the_first(names: tuple[str, str], control: str) -> None:
    table = exposures(("ann", names[0], 0.0), ("ben", names[1], 0.0))
    assert join(table, outcomes(("ann", 1.0, 2.0)), QUESTION).variants[0] == control


def test_covariates_and_slices_are_those_of_the_first_exposure() -> None:
    table = exposures(
        *PAIR, ("ann", "control", 5.0), covariates={"risk": np.array([0.1, 0.2, 0.9])}, slices={"d": texts("xyz")}
    )
    found = join(table, outcomes(("ann", 1.0, 2.0)), QUESTION)
    assert found.covariates["risk"].tolist() == [0.1, 0.2]
    assert found.slices["d"].tolist() == ["x", "y"]


def test_a_covariate_measured_after_the_exposure_is_found_by_its_time() -> None:
    at = exposures(*PAIR).at_us
    assert at is not None
    table = exposures(
        *PAIR,
        covariates={"risk": np.zeros(2), "late": np.zeros(2), "gone": np.zeros(2)},
        measured_us={"risk": at, "late": at + np.array([0, 1]), "gone": np.full(2, UNKNOWN_US)},
    )
    assert late_covariates(table) == {"late": "measured after the exposure in 1 of 2 rows"}


@pytest.mark.parametrize(
    ("table", "question", "said"),
    [
        (exposures(("ann", "b", 0.0)), QUESTION, "everybody met the variant 'b'"),
        (exposures(("", "b", 0.0)), QUESTION, "nobody to compare"),
        (exposures(*PAIR), replace(QUESTION, control="off"), "no variant 'off' to compare with"),
        (exposures(*PAIR), replace(QUESTION, shares={"control": 1, "c": 1}), "exposed to 'b', for which no share"),
        (exposures(*PAIR, propensities={"b": np.ones(2)}), QUESTION, "none of the variant 'control'"),
        (
            exposures(*PAIR, propensities={"b": np.ones(2), "control": np.ones(2)}),
            QUESTION,
            "must be above 0, and sum to 1",
        ),
    ],
)
def test_exposures_that_cannot_be_compared_are_refused(table: ExposureTable, question: Question, said: str) -> None:
    with pytest.raises(AnalysisError, match=said):
        join(table, outcomes(("ann", 1.0, 2.0)), question)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Measure("a", MetricKind.RATIO), "only a ratio"),
        (lambda: Measure("a", MetricKind.MEAN, per="b"), "only a ratio"),
        (lambda: replace(QUESTION, alpha=0.0), "no error rate"),
        (lambda: replace(QUESTION, power=0.01), "the power 0.01"),
        (lambda: replace(QUESTION, minimum_effect=0.0), "the minimum effect 0"),
        (lambda: replace(QUESTION, planned_per_arm=0), "no size"),
        (lambda: replace(QUESTION, shares={"a": 0.0}), "planned share"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(make: object, said: str) -> None:
    with pytest.raises(AnalysisError, match=said):
        make()  # type: ignore[operator]
