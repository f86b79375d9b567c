"""The policy's arithmetic, its propensities, and what may be shown at all."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_shop import offer

from decisions.assignment import in_holdout, uniform
from decisions.diagnosis import Blocker
from decisions.eligibility import eligible_interventions
from decisions.intervention import Intervention
from decisions.past import PastIntervention
from decisions.policy import (
    MAX_EXPLORATION,
    NOTHING,
    Assessment,
    Option,
    PolicySettings,
    PriorPolicy,
    Situation,
    certain,
    choose,
)
from features.friction import Friction


def assess(
    policy: PriorPolicy, offers: Sequence[Intervention], blockers: Sequence[Blocker], risk: float
) -> tuple[Option, ...]:
    return policy.assess(offers, Situation("pay", risk, tuple(blockers), {})).options


options = st.lists(st.floats(-5, 5), max_size=8).map(
    lambda values: [Option(f"option_{place}", 0.1, value) for place, value in enumerate(values)]
)


@given(options, st.floats(0, MAX_EXPLORATION), st.floats(0, 1, exclude_max=True))
def test_propensities_sum_to_one_and_exploration_keeps_its_bound(
    given_options: list[Option], exploration: float, drawn: float
) -> None:
    choice = choose(certain(given_options), exploration, drawn)
    assert sum(choice.propensities.values()) == pytest.approx(1, abs=1e-12)
    assert set(choice.propensities) == {NOTHING, *(option.name for option in given_options)}
    best = max(choice.propensities.values())
    assert 1 - best <= exploration + 1e-12
    assert choice.explored == (
        choice.propensities[choice.chosen] != best or (len(given_options) == 0 and choice.explored)
    )


@given(options, st.floats(0.001, MAX_EXPLORATION))
def test_draws_choose_each_option_as_often_as_its_propensity_says(given_options: list[Option], share: float) -> None:
    grid = (np.arange(20_000) + 0.5) / 20_000
    chosen = [choose(certain(given_options), share, float(drawn)).chosen for drawn in grid[::37]]
    propensities = choose(certain(given_options), share, 0.0).propensities
    for name, propensity in propensities.items():
        assert abs(chosen.count(name) / len(chosen) - propensity) < 0.01


def test_net_value_is_uplift_times_value_less_costs() -> None:
    policy = PriorPolicy(PolicySettings(goal_value=50.0, annoyance=0.2))
    discount = offer("discount", Friction.PRICE, effect=0.2, cost=0.3, cost_if_converted=5.0)
    blockers = [Blocker(Friction.PRICE, 0.6, 0.3, ()), Blocker(Friction.FORM, 0.4, 0.2, ())]
    [option] = assess(policy, [discount], blockers, risk=0.7)
    assert option.expected_uplift == pytest.approx(0.12)
    assert option.net_value == pytest.approx(0.12 * 50 - 0.3 - 0.2 - 5.0 * (0.3 + 0.12))


def test_an_effect_cannot_exceed_the_risk_there_is_to_take_away() -> None:
    policy = PriorPolicy(PolicySettings(goal_value=1.0))
    [option] = assess(
        policy, [offer("help", Friction.FORM, effect=0.5)], [Blocker(Friction.FORM, 1.0, 0.5, ())], risk=0.05
    )
    assert option.expected_uplift == 0.05


SHARES = st.lists(st.floats(0.01, 1), min_size=1, max_size=3).map(lambda parts: [part / sum(parts) for part in parts])


@given(
    SHARES,
    st.floats(0, 1),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 5), st.floats(0, 9)), min_size=1, max_size=4),
    st.floats(0.5, 100),
    st.floats(0, 2),
)
def test_every_option_is_worth_what_its_arithmetic_says(
    shares: list[float], risk: float, terms: list[tuple[float, float, float]], value: float, annoyance: float
) -> None:
    kinds = (Friction.FORM, Friction.PAYMENT, Friction.PRICE)[: len(shares)]
    blockers = [Blocker(kind, share, share, ()) for kind, share in zip(kinds, shares, strict=True)]
    offers = [
        offer(f"o{place}", *kinds[: 1 + place % len(kinds)], effect=effect, cost=cost, cost_if_converted=margin)
        for place, (effect, cost, margin) in enumerate(terms)
    ]
    found = assess(PriorPolicy(PolicySettings(goal_value=value, annoyance=annoyance)), offers, blockers, risk)
    for place, (option, (effect, cost, margin)) in enumerate(zip(found, terms, strict=True)):
        treated = sum(shares[: 1 + place % len(kinds)])
        uplift = min(effect * treated, risk)
        assert option.expected_uplift == pytest.approx(uplift)
        assert 0 <= option.expected_uplift <= risk
        worth = (1 - risk + uplift) * (value - margin) - (1 - risk) * value - cost - annoyance
        assert option.net_value == pytest.approx(worth, abs=1e-9)
    chosen = choose(certain(found), 0.0, 0.5).chosen
    best = max(0.0, *(option.net_value for option in found))
    assert next((option.net_value for option in found if option.name == chosen), 0.0) == best


def test_a_sure_buyer_is_left_alone_where_a_discount_would_cost_margin() -> None:
    policy = PriorPolicy(PolicySettings(goal_value=20.0))
    discount = offer("discount", Friction.PRICE, effect=0.1, cost=0.0, cost_if_converted=5.0)
    blocker = [Blocker(Friction.PRICE, 1.0, 0.5, ())]
    # At a risk of .9: 0.1 x 20 - 5 x (0.1 + 0.1) = 1. At .3: 0.1 x 20 - 5 x (0.7 + 0.1) = -2.
    [lost], [sure] = assess(policy, [discount], blocker, 0.9), assess(policy, [discount], blocker, 0.3)
    assert (lost.net_value, sure.net_value) == (pytest.approx(1.0), pytest.approx(-2.0))
    assert choose(certain([lost]), 0.0, 0.5).chosen == "discount"
    assert choose(certain([sure]), 0.0, 0.5).chosen == NOTHING


@given(options, st.floats(0.001, MAX_EXPLORATION))
def test_every_eligible_option_has_its_floor(given_options: list[Option], exploration: float) -> None:
    propensities = choose(certain(given_options), exploration, 0.0).propensities
    if given_options:
        assert min(propensities.values()) == pytest.approx(exploration / len(given_options))
    else:
        assert propensities == {NOTHING: 1.0}


def test_doing_nothing_wins_when_everything_costs_more_than_it_brings() -> None:
    assert choose(certain([Option("dear", 0.1, -0.01), Option("free", 0.0, 0.0)]), 0.0, 0.99).chosen == NOTHING


def allowed(*interventions: object, **changes: object) -> tuple[list[str], dict[str, str]]:
    arguments = {
        "stage": "pay",
        "frictions": [Friction.FORM],
        "session_id": "s",
        "at_us": 10_000_000_000,
        "history": [],
        "session_cap": 2,
        "consent": False,
    } | changes
    found = eligible_interventions(interventions, **arguments)  # type: ignore[arg-type]
    return [intervention.name for intervention in found.eligible], dict(found.excluded)


def test_every_rule_excludes_with_its_reason() -> None:
    help_, chat = offer("help", Friction.FORM), offer("chat", Friction.TRUST)
    mail = offer("mail", Friction.FORM, needs_consent=True)
    assert allowed(help_, chat, mail) == (
        ["help"],
        {"chat": "treats none of the blockers", "mail": "needs a consent that was not given"},
    )
    assert allowed(mail, consent=True)[0] == ["mail"]
    assert "stage" in allowed(help_, stage="elsewhere")[1]["help"]
    assert "stage" in allowed(help_, stage=None)[1]["help"]
    before = PastIntervention("s", 1, "help")
    assert "as often as it may" in allowed(help_, history=[before])[1]["help"]
    assert "as many interventions" in allowed(help_, history=[PastIntervention("s", 1, "x")] * 2)[1]["help"]


def test_a_cooldown_ends_exactly_when_it_says_also_across_sessions() -> None:
    help_ = offer("help", Friction.FORM, cooldown_seconds=600)
    last_us = 10_000_000_000 - 600 * 1_000_000
    assert allowed(help_, history=[PastIntervention("earlier", last_us, "help")])[0] == ["help"]
    assert allowed(help_, history=[PastIntervention("earlier", last_us + 1, "help")])[1] == {
        "help": "shown too recently"
    }


def test_the_holdout_has_its_share_and_nobody_changes_sides() -> None:
    visitors = [f"visitor-{number}" for number in range(20_000)]
    held = [visitor for visitor in visitors if in_holdout("shop", visitor, 0.05)]
    # Five standard deviations of a binomial of 20,000 at .05.
    assert abs(len(held) - 1_000) < 5 * (20_000 * 0.05 * 0.95) ** 0.5
    assert all(in_holdout("shop", visitor, 0.06) for visitor in held)
    other = {visitor for visitor in visitors if in_holdout("loan", visitor, 0.05)}
    assert len(other & set(held)) < 100


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_a_name_always_gets_the_same_number(parts: list[str]) -> None:
    assert 0 <= uniform(*parts) < 1
    assert uniform(*parts) == uniform(*parts)


@given(st.lists(st.floats(0.001, 1), min_size=2, max_size=6), st.floats(0, MAX_EXPLORATION))
def test_options_are_taken_as_often_as_they_may_be_the_best_and_none_below_its_floor(
    weights: list[float], exploration: float
) -> None:
    best = np.array(weights) / sum(weights)
    offers = tuple(Option(f"option_{place}", 0.1, 0.0) for place in range(len(weights) - 1))
    propensities = np.array(list(choose(Assessment(offers, best), exploration, 0.0).propensities.values()))
    assert propensities.sum() == pytest.approx(1, abs=1e-12)
    assert np.all(np.abs(propensities - best) <= exploration + 1e-12)
    assert np.all(propensities >= np.minimum(best, exploration / (len(weights) - 1)) - 1e-12)
