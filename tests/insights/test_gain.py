"""What is at stake and what is expected, from figures small enough to work out by hand."""

import dataclasses
from statistics import NormalDist
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisions.intervention import Effort, Intervention
from decisions.policy import PolicySettings
from features.friction import Friction
from insights.affected import Affected, Reached
from insights.gain import Evidence, MeasuredEffect, at_stake, comparable_rate, expect, expected_gain
from insights.intervals import Estimate
from insights.named import Named, Target

FORM_HELP = Intervention(
    name="form_help",
    title="Help",
    message="We fill it in with you.",
    channel="on_site",
    stages=("form",),
    treats=(Friction.FORM,),
    prior_effect=0.05,
    cost=0.1,
    effort=Effort.QUICK_WIN,
    owner="Forms",
)
SETTINGS = PolicySettings(goal_value=20.0, annoyance=0.1)


def affected(**changes: Any) -> Affected:
    # 1,000 sessions reached the stage, 200 were left there for the form, and 400 reached the goal.
    made = Affected(
        stage_index=1,
        friction="form",
        cohort=None,
        sessions=Estimate(200.0, 180.0, 220.0),
        people=Estimate(190.0, 170.0, 210.0),
        reached=Reached(1_000, 500, 400, None),
        # In 300 it is named: 100 are stopped with a chance of .1, 200 with one of .8.
        named=Named(((20, Target(100, 100, 60, 50, 10.0, 9.0)), (160, Target(200, 190, 40, 30, 160.0, 32.0)))),
    )
    return dataclasses.replace(made, **changes)


def test_comparable_are_those_at_the_stage_that_were_not_left_for_the_blocker() -> None:
    rate = comparable_rate(affected())
    assert rate is not None
    assert rate.value == 400 / 800


def test_at_stake_are_the_goals_of_as_many_comparable_sessions() -> None:
    stake = at_stake(affected(), 20.0, weeks=4)
    assert stake is not None
    assert stake.value == pytest.approx(200 * 0.5 * 20 / 4)
    assert stake.low < stake.value < stake.high


def test_nothing_is_known_where_nobody_is_comparable() -> None:
    assert at_stake(affected(sessions=Estimate(0.0, 0.0, 0.0), reached=Reached(0, 0, 0, None)), 20.0, 4) is None


def test_it_is_shown_where_it_is_expected_to_pay() -> None:
    # A showing costs .2, and brings the probability of being stopped x .05 x 20 = that probability.
    gain = expected_gain(affected(), FORM_HELP, expect(FORM_HELP, "form", "form"), SETTINGS, weeks=4)
    assert gain.least_probability == pytest.approx(0.2)
    assert gain.target == Target(200, 190, 40, 30, 160.0, 32.0)
    assert gain.shown == 50
    assert gain.goals.value == pytest.approx(160 * 0.05 / 4)
    assert gain.value.value == pytest.approx(160 * 0.05 * 20 / 4 - 50 * 0.2)


def test_a_discount_is_paid_for_every_goal_that_comes_with_it() -> None:
    discount = dataclasses.replace(FORM_HELP, cost=0.0, cost_if_converted=4.0, prior_effect=0.5)
    settings_ = PolicySettings(goal_value=20.0)
    gain = expected_gain(affected(), discount, expect(discount, "form", "form"), settings_, weeks=1)
    # Of the 300 named 80 reach the goal anyway, so a showing is expected to cost 4 x 80 / 300 and pays 16 x .5 x p.
    assert gain.least_probability == pytest.approx((4 * 80 / 300) / 8)
    assert gain.goals.value == pytest.approx(80)
    assert gain.value.value == pytest.approx(80 * 20 - 4 * (30 + 80))


def test_nothing_is_gained_where_it_pays_for_nobody() -> None:
    dear = dataclasses.replace(FORM_HELP, cost=5.0)
    gain = expected_gain(affected(), dear, expect(dear, "form", "form"), SETTINGS, weeks=4)
    assert (gain.value, gain.shown, gain.chance) == (Estimate(0.0, 0.0, 0.0), 0.0, 0.0)


def test_no_more_is_expected_than_is_at_stake() -> None:
    miracle = dataclasses.replace(FORM_HELP, prior_effect=0.9)
    gain = expected_gain(affected(), miracle, expect(miracle, "form", "form"), SETTINGS, weeks=4)
    assert gain.goals.value == pytest.approx(200 * 0.5 / 4)


def test_a_belief_is_by_default_as_unsure_as_it_is_large() -> None:
    effect = expect(FORM_HELP, "form", "form").effect
    half = 0.05 * NormalDist().inv_cdf(0.975)
    assert (effect.low, effect.high) == (pytest.approx(0.05 - half), pytest.approx(0.05 + half))
    surer = dataclasses.replace(FORM_HELP, prior_deviation=0.01)
    assert expect(surer, "form", "form").effect.low == pytest.approx(0.05 - half / 5)


def test_what_was_measured_takes_the_place_of_a_belief_at_its_stage_first() -> None:
    everywhere = MeasuredEffect("form", "form_help", Estimate(0.02, 0.01, 0.03), "spring")
    here = MeasuredEffect("form", "form_help", Estimate(0.04, 0.02, 0.06), "summer", "form")
    other = MeasuredEffect("speed", "form_help", Estimate(0.9, 0.8, 1.0), "autumn")
    found = expect(FORM_HELP, "form", "form", [here, everywhere, other])
    assert (found.evidence, found.experiment, found.effect.value) == (Evidence.MEASURED, "summer", 0.04)
    assert expect(FORM_HELP, "form", "read", [here, everywhere, other]).experiment == "spring"
    assert expect(FORM_HELP, "form", "form", [other]).evidence is Evidence.PRIOR


def test_a_measured_effect_without_doubt_is_a_gain_for_sure_when_it_pays() -> None:
    sure = MeasuredEffect("form", "form_help", Estimate(0.05, 0.05, 0.05), "spring")
    stopped = affected(named=Named(((200, Target(200, 200, 40, 30, 200.0, 0.0)),)))
    gain = expected_gain(stopped, FORM_HELP, expect(FORM_HELP, "form", "form", [sure]), SETTINGS, weeks=1)
    assert (gain.value.low, gain.value.high, gain.chance) == (gain.value.value, gain.value.value, 1.0)


@given(st.floats(0, 1), st.floats(0, 0.5), st.floats(0, 3), st.floats(0, 30), st.floats(0.5, 60), st.floats(0.5, 20))
def test_an_interval_contains_its_estimate(
    effect: float, deviation: float, cost: float, cost_if_converted: float, goal_value: float, weeks: float
) -> None:
    one = dataclasses.replace(
        FORM_HELP, prior_effect=effect, prior_deviation=deviation, cost=cost, cost_if_converted=cost_if_converted
    )
    gain = expected_gain(affected(), one, expect(one, "form", "form"), PolicySettings(goal_value=goal_value), weeks)
    for estimate in (gain.value, gain.goals):
        assert estimate.low <= estimate.value <= estimate.high
    assert 0 <= gain.chance <= 1
