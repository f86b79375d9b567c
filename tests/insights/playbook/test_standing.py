"""What age leaves of evidence, by hand, and when a tactic is to be tested again."""

import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from made_facts import SHOP
from made_tactics import DAY_US, NOW_US, evidence, tactic

from insights.playbook.standing import Aging, Standing, aging_of, countable, weigh
from storage.playbook import Tactic, TacticStatus

YEAR = Aging(365 * DAY_US, 730 * DAY_US)


def proven(*found: object) -> Tactic:
    return replace(tactic(*found), status=TacticStatus.PROVEN)  # type: ignore[arg-type]


def standing(known: Tactic) -> Standing:
    found = weigh(known, YEAR, NOW_US)
    assert found is not None
    return found


def test_new_evidence_counts_as_it_was_found() -> None:
    found = standing(proven(evidence(0)))
    assert (found.now.effect.low, found.now.effect.high) == pytest.approx((0.01, 0.03))
    assert found.weight == pytest.approx(1.0)
    assert (found.age_us, found.why_due) == (0, "")


def test_after_a_half_life_the_variance_has_doubled() -> None:
    found = standing(proven(evidence(365)))
    half = 0.01 * math.sqrt(2)
    assert (found.now.effect.low, found.now.effect.high) == pytest.approx((0.02 - half, 0.02 + half))
    assert found.weight == pytest.approx(0.5)
    assert (found.measured.effect.low, found.measured.effect.high) == pytest.approx((0.01, 0.03))


@pytest.mark.parametrize(("days", "due"), [(729, False), (731, True)])
def test_two_points_with_one_to_each_side_are_due_after_two_half_lives(days: int, due: bool) -> None:
    # The half width is .01 x 2^(days / 730): two points at 730 days.
    found = weigh(proven(evidence(days)), Aging(365 * DAY_US, 10_000 * DAY_US), NOW_US)
    assert found is not None
    assert bool(found.why_due) is due
    assert (found.now.effect.low <= 0) is due


def test_evidence_past_the_limit_is_due_however_sure_it_was() -> None:
    sure = evidence(731, low=0.0199, high=0.0201)
    assert standing(proven(sure)).why_due == "its latest evidence is 731 days old, past the limit of 730"
    assert standing(proven(replace(sure, to_us=sure.to_us + DAY_US))).why_due == ""


def test_later_harm_is_a_reason_to_test_again() -> None:
    harm = evidence(0, effect=-0.06, low=-0.062, high=-0.058, verdict="inconclusive")
    assert standing(proven(harm)).why_due == "experiments since say that it does harm"


@pytest.mark.parametrize("status", [TacticStatus.PROPOSED, TacticStatus.TESTING, TacticStatus.RETIRED])
def test_only_what_is_proven_is_due(status: TacticStatus) -> None:
    assert standing(replace(proven(evidence(5_000)), status=status)).why_due == ""


def test_older_evidence_weighs_less_in_the_mean() -> None:
    found = standing(proven(evidence(365, effect=0.014, low=0.004, high=0.024), evidence(0)))
    # The older one's variance is doubled: weights 1 to 2. They differ by less than chance.
    assert found.now.effect.value == pytest.approx((0.014 + 2 * 0.02) / 3)
    assert found.measured.effect.value == pytest.approx(0.017)
    assert found.latest.experiment == "trial_0"


def test_evidence_that_cannot_be_combined_does_not_count() -> None:
    good = evidence(0)
    left_out = [
        evidence(1, verdict="invalid"),
        evidence(2, metric="revenue", baseline=None),
        evidence(3, low=0.02, high=0.02),
    ]
    assert countable([*left_out, good]) == (good,)
    assert weigh(proven(*left_out[::2]), YEAR, NOW_US) is None


def test_the_journey_says_how_its_evidence_ages() -> None:
    assert aging_of(SHOP) == YEAR
    shorter = replace(SHOP, evidence_half_life="30d", evidence_limit="90d")
    assert aging_of(shorter) == Aging(30 * DAY_US, 90 * DAY_US)
