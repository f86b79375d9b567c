"""The verdict on a comparison: what it says, about whom, and when it says nothing."""

import pytest

from training.paired import COMPARED, Difference, DifferenceBlock
from training.verdict import judge

NOTHING = Difference(0.5, 0.5, 0.0, (-0.001, 0.001))


def block(**figures: Difference) -> DifferenceBlock:
    return DifferenceBlock(9_000, 2_000, 1_500, {name: figures.get(name, NOTHING) for name in COMPARED})


def loss(difference: float, low: float, high: float) -> Difference:
    return Difference(0.4, 0.4 + difference, difference, (low, high))


def test_a_lower_log_loss_by_more_than_chance_is_better() -> None:
    verdict, better = judge("3", "4", block(log_loss=loss(-0.02, -0.03, -0.01)))
    assert better == "4"
    assert verdict == (
        "Version 4 predicts better than version 3: the log loss of version 4 is 0.0200 lower (5.0%; 95 % "
        "interval of the difference -0.0300 to -0.0100; 1,500 visitors)."
    )


def test_a_higher_log_loss_makes_the_first_the_better_one() -> None:
    verdict, better = judge("3", "4", block(log_loss=loss(0.02, 0.01, 0.03)))
    assert better == "3"
    assert verdict.startswith("Version 3 predicts better than version 4: the log loss of version 4 ")
    assert "is 0.0200 higher (5.0%; " in verdict


def test_an_interval_that_holds_zero_tells_nothing() -> None:
    verdict, better = judge("3", "4", block(log_loss=loss(-0.001, -0.003, 0.001)))
    assert better is None
    assert verdict == (
        "No difference between versions 3 and 4 can be told. The log loss of version 4 is 0.0010 lower, and the "
        "95 % interval of the difference, -0.0030 to +0.0010, holds zero (1,500 visitors)."
    )


@pytest.mark.parametrize(
    ("name", "difference", "told"),
    [
        ("auc", -0.01, " Of version 4, though, its AUC is 0.0100 lower, which is more than chance."),
        ("ece", 0.01, " Of version 4, though, its ECE is 0.0100 higher, which is more than chance."),
        ("auc", 0.01, ""),
        ("ece", -0.01, ""),
    ],
)
def test_figures_that_speak_against_the_log_loss_are_told(name: str, difference: float, told: str) -> None:
    against = Difference(0.5, 0.5 + difference, difference, tuple(sorted((0.5 * difference, 1.5 * difference))))
    verdict, better = judge("3", "4", block(log_loss=loss(-0.02, -0.03, -0.01), **{name: against}))
    assert better == "4"
    assert verdict.endswith(f"1,500 visitors).{told}")


def test_without_a_difference_in_log_loss_another_that_is_real_is_told() -> None:
    better_auc = Difference(0.7, 0.72, 0.02, (0.01, 0.03))
    verdict, better = judge("3", "4", block(log_loss=loss(-0.001, -0.003, 0.001), auc=better_auc))
    assert better is None
    assert verdict.endswith("its AUC is 0.0200 higher, which is more than chance.")


def test_too_few_visitors_are_said_to_be_too_few() -> None:
    few = DifferenceBlock(20, 9, 9, dict.fromkeys(COMPARED, Difference(0.4, 0.5, 0.1, None)))
    assert judge("3", "4", few) == (
        "9 visitors are too few to tell versions 3 and 4 apart: each outcome needs ten.",
        None,
    )


def test_without_resamples_the_difference_is_told_and_nobody_is_called_too_few() -> None:
    unsure = DifferenceBlock(9_000, 2_000, 1_500, dict.fromkeys(COMPARED, Difference(0.4, 0.39, -0.01, None)))
    assert judge("3", "4", unsure, resampled=False) == (
        "The log loss of version 4 is 0.0100 lower (1,500 visitors); without resamples nobody can tell whether that "
        "is chance.",
        None,
    )


def test_the_same_risks_are_as_good_as_each_other() -> None:
    same = block(**dict.fromkeys(COMPARED, Difference(0.4, 0.4, 0.0, (0.0, 0.0))))
    told = "Versions 3 and 4 are as good as each other: no figure differs on this log."
    assert judge("3", "4", same) == (told, None)
