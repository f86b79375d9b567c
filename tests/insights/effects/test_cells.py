"""Effects in one cell, against arithmetic, and on decisions whose truth is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
from made_decisions import make_decisions

from decisions.logged import LoggedDecisions
from insights.effects.cells import LEAST_PEOPLE, measure_effect


def fair_coin(shown: int, shown_goals: int, nothing: int, nothing_goals: int) -> LoggedDecisions:
    """Decisions between nothing and the first intervention with even odds, at a risk of .8."""
    count = shown + nothing
    logged = make_decisions(count, {})
    goals = [1.0] * shown_goals + [0.0] * (shown - shown_goals) + [1.0] * nothing_goals
    propensities = np.zeros((count, len(logged.options)))
    propensities[:, :2] = 0.5
    return replace(
        logged,
        chosen=np.array([1] * shown + [0] * nothing),
        converted=np.array(goals + [0.0] * (nothing - nothing_goals)),
        propensities=propensities,
        risk=np.full(count, 0.8),
    )


def test_a_fair_coin_gives_the_difference_of_the_shares_with_its_standard_error() -> None:
    found = measure_effect(fair_coin(100, 40, 50, 10), 1)
    assert found.effect is not None
    assert found.error is not None
    assert found.effect.value == pytest.approx(0.4 - 0.2)
    # Of two shares: sqrt(p (1 - p) / n) each; over people, n of them in all, times n / (n - 1).
    variance = (0.4 * 0.6 / 100 + 0.2 * 0.8 / 50) * 150 / 149
    assert found.error == pytest.approx(math.sqrt(variance))
    assert found.effect.high - found.effect.value == pytest.approx(1.959964 * found.error, rel=1e-6)
    assert (found.shown.decisions, found.shown.people, found.shown.goals) == (100, 100, 40)
    assert (found.nothing.decisions, found.nothing.goals) == (50, 10)
    assert found.base == pytest.approx(0.2)
    assert found.effective == pytest.approx(50)


def test_sides_without_any_goal_are_not_taken_for_certain() -> None:
    found = measure_effect(fair_coin(40, 0, 40, 0), 1)
    assert found.error == pytest.approx(math.sqrt(2 * 0.2 * 0.8 / 40))


def test_too_few_people_say_nothing() -> None:
    assert measure_effect(fair_coin(LEAST_PEOPLE - 1, 5, 500, 10), 1).effect is None
    assert measure_effect(fair_coin(LEAST_PEOPLE, 5, 500, 10), 1).effect is not None


def test_only_decisions_that_could_have_come_out_either_way_count() -> None:
    logged = fair_coin(100, 40, 50, 10)
    forced = np.array([[1.0, 0, 0, 0]] * 150)
    both = replace(
        logged,
        chosen=np.concatenate([logged.chosen, np.zeros(150, np.int64)]),
        converted=np.concatenate([logged.converted, logged.converted]),
        propensities=np.concatenate([logged.propensities, forced]),
        risk=np.concatenate([logged.risk, logged.risk]),
        units=np.arange(300),
    )
    assert measure_effect(both, 1).effect == measure_effect(logged, 1).effect


def test_decisions_of_one_person_do_not_count_as_many() -> None:
    logged = fair_coin(100, 40, 50, 10)
    twice = replace(
        logged,
        chosen=np.repeat(logged.chosen, 2),
        converted=np.repeat(logged.converted, 2),
        propensities=np.repeat(logged.propensities, 2, axis=0),
        risk=np.repeat(logged.risk, 2),
        units=np.repeat(logged.units, 2),
    )
    once, again = measure_effect(logged, 1), measure_effect(twice, 1)
    assert again.error == pytest.approx(once.error)
    assert (again.shown.decisions, again.shown.people) == (200, 100)


@pytest.mark.parametrize("skewed", [False, True])
def test_intervals_hold_the_true_effect_as_often_as_they_say_whatever_the_odds_went_by(skewed: bool) -> None:
    truth = {(friction, "other_payment"): 0.08 for friction in ("payment", "shipping", "information")}
    found = [measure_effect(make_decisions(1_500, truth, seed=seed, skewed=skewed), 1).effect for seed in range(300)]
    values = [one.value for one in found if one]
    # 300 independent estimates: their mean lies within 3 standard errors of the truth, some .006.
    assert np.mean(values) == pytest.approx(0.08, abs=3 * float(np.std(values)) / math.sqrt(300))
    covered = np.mean([one.low <= 0.08 <= one.high for one in found if one])
    assert 0.91 <= covered <= 0.98


def test_what_the_model_expected_takes_away_variance() -> None:
    logged = make_decisions(4_000, {}, base=0.3)
    blind = replace(logged, risk=np.full(4_000, 0.7))
    known, unknown = measure_effect(logged, 1).error, measure_effect(blind, 1).error
    assert known is not None
    assert unknown is not None
    assert known < unknown
