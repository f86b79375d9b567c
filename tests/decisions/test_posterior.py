"""What is learnt from decisions: against scipy, closed forms, and laws."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from small_effects import INTERVENTIONS, SETTINGS, carry_out, goal_odds, situations, start

from decisions.hierarchy import prior_mean, prior_precision
from decisions.logged import LoggedDecisions
from decisions.posterior import Posterior, PosteriorUnreadable
from features.events import FloatArray


@pytest.fixture(scope="module")
def logged() -> LoggedDecisions:
    return carry_out(situations(4_000, 1), 1)


@pytest.fixture(scope="module")
def learnt(logged: LoggedDecisions) -> Posterior:
    return start().learn(logged)


def test_the_mode_is_where_scipy_finds_it(logged: LoggedDecisions, learnt: Posterior) -> None:
    terms = learnt.terms
    features, offset = terms.situations(logged)

    def loss(numbers: FloatArray) -> float:
        tau = features @ terms.coefficients(numbers[:, None])[:, :, 0].T
        margin = offset + tau[:, 0] + np.where(logged.chosen > 0, tau[np.arange(len(logged)), logged.chosen], 0.0)
        likelihood = logged.converted * margin - np.logaddexp(0, margin)
        away = numbers - prior_mean(terms)
        return float(-likelihood.sum() + prior_precision(terms, learnt.spreads) @ away**2 / 2)

    found = minimize(loss, np.zeros(terms.size), method="BFGS", options={"gtol": 0.05, "maxiter": 400})
    assert loss(learnt.mean) <= found.fun + 1e-6
    assert np.abs(learnt.mean - found.x).max() < 0.02


def test_before_any_decision_the_declarations_hold_for_what_is_treated_and_nothing_else() -> None:
    before = start()
    terms = before.terms
    tau = terms.coefficients(before.mean[:, None])[:, :, 0]
    # The usual margin is that of half of 1 - low_risk: .25.
    rise = np.log(0.33 / 0.67) - np.log(0.25 / 0.75)
    assert tau[1, 2 + 2] == pytest.approx(rise)
    assert np.count_nonzero(tau[1]) == 1
    assert np.count_nonzero(tau[0]) == 0
    assert (before.decisions, before.goals) == (0, 0)


def test_a_declared_deviation_is_that_of_the_effect_in_log_odds() -> None:
    before = start()
    certain = np.random.default_rng(2).standard_normal((before.terms.size, 40_000))
    drawn = before.terms.coefficients(before.draws(certain))[1, 4]
    rise = np.log(0.33 / 0.67) - np.log(0.25 / 0.75)
    # The effect itself deviates by as much as it is, the worth of declarations by 1.5 times it, and what all share by
    # .05.
    assert drawn.mean() == pytest.approx(rise, abs=0.01)
    assert drawn.std() == pytest.approx(np.sqrt(rise**2 + (1.5 * rise) ** 2 + 0.05**2), rel=0.02)


def test_what_is_learnt_comes_near_what_is_true(learnt: Posterior) -> None:
    later = situations(2_000, 2)
    true = np.log(goal_odds(later) / (1 - goal_odds(later)))
    before, after = start().margins(later), learnt.margins(later)
    error = [np.abs((found[:, 1:] - found[:, :1]) - (true[:, 1:] - true[:, :1])).mean() for found in (before, after)]
    assert error[1] < 0.8 * error[0]


def test_decisions_at_low_risk_without_a_choice_and_those_at_unknown_odds_teach_nothing(
    logged: LoggedDecisions,
) -> None:
    only = np.zeros_like(logged.propensities)
    only[:, 0] = 1.0
    low = replace(logged, risk=np.full(len(logged), 0.4), chosen=np.zeros(len(logged), np.int64), propensities=only)
    unknown = replace(logged, propensities=np.full_like(only, np.nan))
    before = start()
    assert before.learn(low) is before
    assert before.learn(unknown) is before


def test_decisions_of_one_session_weigh_as_much_as_one(logged: LoggedDecisions) -> None:
    few = logged.take(np.arange(300))
    twice = logged.take(np.repeat(np.arange(300), 2))
    once, again = start().learn(few), start().learn(twice)
    np.testing.assert_allclose(again.precision, once.precision, atol=1e-8)
    np.testing.assert_allclose(again.mean, once.mean, atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(6)), st.integers(0, 1_000))
def test_the_order_of_batches_hardly_matters(order: list[int], seed: int) -> None:
    batches = [
        carry_out(situations(3_000, seed), seed).take(np.arange(start, start + 500)) for start in range(0, 3_000, 500)
    ]
    straight, mixed = start(), start()
    for batch in batches:
        straight = straight.learn(batch)
    for place in order:
        mixed = mixed.learn(batches[place])
    deviation = np.sqrt(
        np.diag(np.linalg.inv(straight.precision + np.diag(prior_precision(straight.terms, straight.spreads))))
    )
    assert np.abs((mixed.mean - straight.mean) / deviation).max() < 0.1
    assert (mixed.decisions, mixed.goals, mixed.as_of_us) == (straight.decisions, straight.goals, straight.as_of_us)


def test_learning_bit_by_bit_is_nearly_learning_at_once(logged: LoggedDecisions, learnt: Posterior) -> None:
    by_bits = start()
    for first in range(0, len(logged), 200):
        by_bits = by_bits.learn(logged.take(np.arange(first, min(first + 200, len(logged)))))
    deviation = np.sqrt(
        np.diag(np.linalg.inv(learnt.precision + np.diag(prior_precision(learnt.terms, learnt.spreads))))
    )
    assert np.abs((by_bits.mean - learnt.mean) / deviation).max() < 0.35
    assert by_bits.decisions == learnt.decisions == len(logged)


def test_a_half_life_halves_what_is_older() -> None:
    hour = 3_600.0
    old, new = carry_out(situations(500, 3), 3), carry_out(situations(500, 4), 4)
    new = replace(new, at_us=np.full(500, int(3 * hour * 1e6)))
    old = replace(old, at_us=np.full(500, int(2 * hour * 1e6)))
    alone = start(half_life_seconds=hour).learn(old)
    both = alone.learn(new)
    added = both.precision - 0.5 * alone.precision
    # What the new decisions add is of their own: as much as a log of them alone at the same numbers.
    assert added.trace() == pytest.approx(start().learn(new).precision.trace(), rel=0.1)
    backwards = start(half_life_seconds=hour).learn(new).learn(old)
    np.testing.assert_allclose(backwards.precision, both.precision, atol=0.05 * both.precision.max())
    with pytest.raises(ValueError, match="half_life_seconds"):
        start(half_life_seconds=0.0)


def test_what_is_written_is_read_to_the_last_bit(learnt: Posterior) -> None:
    text = learnt.to_json()
    again = Posterior.from_json(text)
    assert again.terms == learnt.terms
    for name in ("spreads", "precision", "shift"):
        np.testing.assert_array_equal(getattr(again, name), getattr(learnt, name))
    assert (again.decisions, again.goals, again.as_of_us, again.low_risk) == (
        learnt.decisions,
        learnt.goals,
        learnt.as_of_us,
        learnt.low_risk,
    )
    np.testing.assert_array_equal(again.mean, learnt.mean)
    assert again.to_json() == text


def test_what_is_written_does_not_grow(logged: LoggedDecisions, learnt: Posterior) -> None:
    more = learnt.learn(carry_out(situations(4_000, 9), 9))
    assert len(more.to_json()) < 1.02 * len(learnt.to_json())


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', "null"])
def test_what_is_no_posterior_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(PosteriorUnreadable, match="no posterior of effects"):
        Posterior.from_json(text)


def test_another_format_is_refused(learnt: Posterior) -> None:
    with pytest.raises(PosteriorUnreadable, match="format 99; this version reads 1"):
        Posterior.from_json(json.dumps({**json.loads(learnt.to_json()), "format": 99}))


def test_decisions_of_something_else_are_refused(logged: LoggedDecisions) -> None:
    with pytest.raises(ValueError, match="options that nothing is learnt of: form_help"):
        Posterior.start(INTERVENTIONS[1:], SETTINGS, logged.stages, logged.frictions).learn(logged)
    with pytest.raises(ValueError, match="frictions that nothing is learnt of: form"):
        Posterior.start(INTERVENTIONS, SETTINGS, logged.stages, ("payment", "price")).learn(logged)
