"""The re-test that is proposed, sized by arithmetic."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from made_facts import SHOP
from made_tactics import NOW_US, evidence, tactic

from decisions.experiment_size import size_experiment
from insights.intervals import Estimate
from insights.playbook.retest import draft_retest, safe_rise
from insights.playbook.standing import aging_of, weigh
from storage.playbook import Draft, Tactic


def draft(known: Tactic) -> Draft:
    standing = weigh(known, aging_of(SHOP), NOW_US)
    assert standing is not None
    return draft_retest(SHOP, known, standing, NOW_US)


def test_it_is_sized_for_the_lower_end_of_the_60_percent_interval() -> None:
    # z(.8) / z(.975) = .8416 / 1.96 = .4294: two points less .4294 of one.
    assert safe_rise(Estimate(0.02, 0.01, 0.03)) == pytest.approx(0.02 - 0.4294 * 0.01, abs=1e-6)
    assert safe_rise(Estimate(0.02, -0.04, 0.08)) == 0.02
    # Of 5,600 people in four weeks, 200 a day.
    size = size_experiment(0.05, 0.05 + 0.02 - 0.42941 * 0.01, visitors_per_day=200)
    found = draft(tactic(evidence(900)))
    assert (found.per_arm, found.people, found.days) == (size.per_arm, size.total, size.days)
    assert (found.reason, found.metric, found.drafted_us) == ("", "goal", NOW_US)


def test_its_hypothesis_says_what_for_whom_and_how_much() -> None:
    assert draft(tactic(evidence(900), audience="device=mobile")).hypothesis == (
        "The share that reaches the goal is still higher with “Pay another way” for device mobile in whom payment is "
        "named at payment: by 1.6 points or more."
    )
    assert "is named: by" in draft(tactic(evidence(900), stage="")).hypothesis


def test_it_says_what_is_in_the_way() -> None:
    slow = draft(tactic(evidence(900, people=560)))
    assert slow.people is not None
    assert slow.reason.startswith("the traffic, 20 visitors a day, reaches its")
    value = draft(tactic(evidence(900, metric="net_value", baseline=None)))
    assert (value.people, value.days) == (None, None)
    assert value.reason == "net value per person is no share: size it as the experiment trial_900 was"
    harm = draft(tactic(evidence(900, effect=-0.02, low=-0.03, high=-0.01)))
    assert harm.people is None
    assert harm.reason.startswith("no rise is expected")
