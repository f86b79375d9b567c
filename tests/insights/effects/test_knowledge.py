"""What is known, and what knowing more is worth, against integration and arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from decisions.intervention import Effort, Intervention
from decisions.policy import PolicySettings, net_value
from features.friction import Friction
from insights.effects.knowledge import Belief, Knowledge, break_even, judge, people_needed, worth_of_knowing

SETTINGS = PolicySettings(goal_value=20.0, annoyance=0.1)


def offer(cost: float = 0.3, cost_if_converted: float = 2.0) -> Intervention:
    return Intervention(
        name="help", title="Help", message="Here", channel="on_site", stages=("pay",), treats=(Friction.FORM,),
        prior_effect=0.05, cost=cost, effort=Effort.QUICK_WIN, owner="Checkout", cost_if_converted=cost_if_converted,
    )  # fmt: skip


@given(st.floats(0, 5), st.floats(0, 15), st.floats(0, 1))
def test_at_break_even_showing_is_worth_nothing(cost: float, margin: float, base: float) -> None:
    intervention = offer(cost, margin)
    least = break_even(intervention, base, SETTINGS)
    assert least is not None
    assert net_value(intervention, least, base + least, SETTINGS) == pytest.approx(0, abs=1e-9)


def test_nothing_pays_where_a_goal_costs_more_than_it_is_worth() -> None:
    assert break_even(offer(cost_if_converted=20.0), 0.1, SETTINGS) is None
    assert judge(Belief(0.5, 0.01, is_measured=True), None) is Knowledge.DOES_NOT_PAY
    assert worth_of_knowing(Belief(0.5, 0.3, is_measured=False), None, offer(), SETTINGS) == 0


@pytest.mark.parametrize(
    ("effect", "deviation", "known"),
    [
        (0.10, 0.02, Knowledge.PAYS),
        (0.10, 0.05, Knowledge.UNKNOWN),
        (0.01, 0.005, Knowledge.DOES_NOT_PAY),
        (-0.10, 0.02, Knowledge.HARMS),
        (-0.01, 0.05, Knowledge.UNKNOWN),
    ],
)
def test_the_interval_says_what_is_known(effect: float, deviation: float, known: Knowledge) -> None:
    assert judge(Belief(effect, deviation, is_measured=True), 0.04) is known
    assert judge(Belief(effect, deviation, is_measured=False), 0.04) is Knowledge.UNTRIED


@given(st.floats(-0.2, 0.2), st.floats(0.005, 0.2))
def test_knowing_is_worth_the_better_choice_on_average(effect: float, deviation: float) -> None:
    least, gained = 0.03, 18.0
    mean, spread = gained * (effect - least), gained * deviation
    normal = stats.norm(mean, spread)
    low, high = max(0.0, mean - 10 * spread), max(0.0, mean + 10 * spread)
    best, _ = integrate.quad(lambda net: net * normal.pdf(net), low, high, limit=200)
    found = worth_of_knowing(Belief(effect, deviation, is_measured=True), least, offer(), SETTINGS)
    assert found == pytest.approx(best - max(mean, 0), abs=1e-5)


def test_a_test_needs_the_people_of_the_formula_of_two_shares() -> None:
    # R: power.prop.test(p1 = .05, p2 = .06, power = .8) gives n = 8157.5 an arm.
    assert people_needed(Belief(0.01, 0.01, is_measured=False), 0.05, 0.005) == 2 * 8158
    assert people_needed(Belief(-0.01, 0.01, is_measured=True), 0.05, 0.01) == 2 * 8158
    assert people_needed(Belief(0.01, 0.01, is_measured=True), 0.05, None) is None
