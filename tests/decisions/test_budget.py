"""The budget: its price against linear programming, its pace by the clock, and its limits."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linprog
from small_effects import INTERVENTIONS, OPTIONS, SETTINGS, goal_odds, situations
from small_shop import offer

from decisions.budget import BURST, LEAD, Budget, BudgetError, Pace, fair_price, priced, spending_of
from decisions.diagnosis import Blocker
from decisions.logged import costs
from decisions.policy import PolicySettings, PriorPolicy, Situation
from features.events import FloatArray
from features.friction import Friction

MIDNIGHT_US = int(datetime(2026, 5, 4, tzinfo=UTC).timestamp()) * 1_000_000
HOUR_US = 3_600_000_000


def chosen_at(price: float, values: FloatArray, spending: FloatArray) -> tuple[float, float]:
    chosen = (values - price * spending).argmax(axis=1)
    rows = np.arange(len(values))
    return float(values[rows, chosen].sum()), float(spending[rows, chosen].sum())


@given(
    arrays(np.float64, (12, 3), elements=st.floats(-2, 5)),
    arrays(np.float64, (12, 3), elements=st.floats(0.1, 2)),
    st.floats(0.02, 1.5),
)
def test_the_price_is_that_of_the_knapsack(values: FloatArray, spending: FloatArray, rate: float) -> None:
    values[:, 0], spending[:, 0] = 0.0, 0.0
    price = fair_price(values, spending, rate)
    worth, taken = chosen_at(price, values, spending)
    assert taken <= rate * 12 + 1e-9
    # At the price of linear programming's dual, nobody could do better even with shares of options, but for one option.
    one_each = np.kron(np.eye(12), np.ones((1, 3)))
    best = linprog(
        -values.ravel(), A_ub=np.vstack([spending.ravel(), one_each]), b_ub=np.array([rate * 12, *np.ones(12)])
    )
    assert worth <= -best.fun + 1e-6
    bound = price * rate * 12 + np.maximum(values - price * spending, 0).max(axis=1).sum()
    assert bound == pytest.approx(-best.fun, abs=1e-5)


def test_without_a_shortage_there_is_no_price() -> None:
    assert fair_price(np.array([[0.0, 1.0], [0.0, -1.0]]), np.array([[0.0, 1.0], [0.0, 1.0]]), 0.5) == 0.0


def worth_of_all(logged_seed: int, size: int) -> tuple[FloatArray, FloatArray]:
    logged = situations(size, logged_seed)
    shown, if_converted = costs(OPTIONS, INTERVENTIONS, SETTINGS)
    goal = goal_odds(logged)
    values = (goal - goal[:, :1]) * SETTINGS.goal_value - shown - if_converted * goal
    values[:, 0] = 0.0
    return np.where(logged.eligible, values, -np.inf), (np.arange(len(OPTIONS)) > 0) * np.ones(values.shape)


def test_a_share_of_decisions_is_kept_to_and_goes_to_those_for_whom_it_is_worth_most() -> None:
    budget, pace = Budget(treated_share=0.2), Pace()
    values, spending = worth_of_all(3, 10_000)
    gained = 0.0
    for start in range(0, 10_000, 100):
        here = slice(start, start + 100)
        for row in range(start, start + 100):
            allowed = pace.allows(budget, row)
            option = int((values[row] - pace.price * spending[row]).argmax()) if allowed else 0
            gained += values[row, option]
            pace = pace.after(budget, 1, spending[row, option], row)
            assert pace.spent <= 0.2 * pace.decisions + BURST
        seen = slice(max(0, here.stop - 2_000), here.stop)
        pace = pace.replan(budget, values[seen], spending[seen])
    ideal, _ = chosen_at(fair_price(values, spending, 0.2), values, spending)
    assert gained / ideal > 0.95
    assert pace.spent / pace.decisions == pytest.approx(0.2, abs=0.005)


def test_money_lasts_the_day_and_no_more_than_the_days_is_spent() -> None:
    budget, pace = Budget(spending_per_day=300.0), Pace()
    values, spending = worth_of_all(4, 12_000)
    spending = spending * np.array([0.0, 0.5, 1.0, 2.0])
    hours, spent_by_hour = np.sort(np.random.default_rng(1).uniform(0, 72, 12_000)), np.zeros(72)
    for row, hour in enumerate(hours):
        at_us = MIDNIGHT_US + int(hour * HOUR_US)
        allowed = pace.allows(budget, at_us)
        option = int((values[row] - pace.price * spending[row]).argmax()) if allowed else 0
        spent_by_hour[int(hour)] += spending[row, option]
        pace = pace.after(budget, 1, spending[row, option], at_us)
        if row % 200 == 199:
            seen = slice(max(0, row - 2_000), row)
            pace = pace.replan(budget, values[seen], spending[seen])
    by_day = spent_by_hour.reshape(3, 24)
    assert (by_day.sum(axis=1) <= 300.0 + 2.0).all()
    # No more than the clock allows and the lead, at any hour, and the price keeps something for the evening.
    clock = 300.0 * np.minimum((np.arange(24) + 1) / 24 + LEAD, 1.0)
    assert (by_day.cumsum(axis=1) <= clock + 2.0).all()
    assert (by_day[1:, 18:].sum(axis=1) > 0.1 * 300.0).all()
    assert (by_day[1:].sum(axis=1) > 0.85 * 300.0).all()


def test_a_day_begins_at_midnight_in_the_journeys_time_zone() -> None:
    budget = Budget(spending_per_day=100.0)
    noon_us = MIDNIGHT_US + 12 * HOUR_US
    pace = Pace().after(budget, 10, 70.0, noon_us)
    assert not pace.allows(budget, noon_us)
    assert not pace.allows(budget, MIDNIGHT_US + int(14.3 * HOUR_US))
    assert pace.allows(budget, MIDNIGHT_US + int(14.5 * HOUR_US))
    late_us = MIDNIGHT_US + int(22.5 * HOUR_US)
    assert Pace().after(budget, 1, 99.0, late_us).allows(budget, late_us + 2 * HOUR_US)
    assert Pace().after(budget, 1, 99.0, late_us, "Europe/Berlin").day == "2026-05-05"


@given(st.floats(0, 3), st.floats(0, 1), st.floats(0, 2), st.floats(0, 5))
def test_a_price_in_the_costs_is_a_price_off_the_net_value(
    price: float, share: float, cost: float, if_converted: float
) -> None:
    offers = (offer("help", Friction.FORM, effect=0.1, cost=cost, cost_if_converted=if_converted),)
    seen = Situation("pay", 0.7, (Blocker(Friction.FORM, share, 0.3, ()),), {})
    uplift = 0.1 * share
    for budget, unit in (
        (Budget(treated_share=0.1), 1.0),
        (Budget(spending_per_day=5.0), cost + if_converted * (0.3 + uplift)),
    ):
        settings = PolicySettings(goal_value=20.0, annoyance=0.1, budget=budget)
        free = PriorPolicy(settings).assess(offers, seen).options[0].net_value
        dearer, paying = priced(offers, settings, price)
        assert PriorPolicy(paying).assess(dearer, seen).options[0].net_value == pytest.approx(free - price * unit)


def test_what_an_option_takes_follows_from_what_it_is_worth() -> None:
    logged, settings = situations(50, 6), replace(SETTINGS, budget=Budget(spending_per_day=10.0))
    goal = goal_odds(logged)
    shown, if_converted = costs(OPTIONS, INTERVENTIONS, settings)
    values = (goal - goal[:, :1]) * settings.goal_value - shown - if_converted * goal
    found = spending_of(np.where(logged.eligible, values, -np.inf), logged, INTERVENTIONS, settings)
    expected = np.array([0.0, 0.1, 0.1, 0.0]) + np.array([0.0, 0.0, 0.0, 2.0]) * goal
    np.testing.assert_allclose(found[logged.eligible], expected[logged.eligible], atol=1e-9)
    shares = spending_of(values, logged, INTERVENTIONS, replace(SETTINGS, budget=Budget(treated_share=0.1)))
    assert shares.tolist() == [[0.0, 1.0, 1.0, 1.0]] * 50


def test_a_pace_is_read_as_it_was_written() -> None:
    pace = Pace(0.1 + 0.2, 7, 1 / 3, 2.0, "2026-05-04", 12.5)
    assert Pace.from_json(pace.to_json()) == pace


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(), "write either"),
        (Budget(0.1, 5.0), "write either"),
        (Budget(treated_share=0.0), "share of decisions"),
        (Budget(treated_share=1.1), "share of decisions"),
        (Budget(spending_per_day=-1.0), "must be positive"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(budget: Budget, said: str) -> None:
    with pytest.raises(BudgetError, match=said):
        budget.check()
