"""What an evaluation counts, when it says that the log cannot tell, and what it says then."""

import json
from dataclasses import replace

import numpy as np
import pytest
from few_decisions import decisions, drawn

from decisions.intervention import Effort, Intervention
from decisions.off_policy.estimators import Estimator
from decisions.off_policy.evaluate import (
    Evaluation,
    NoOdds,
    effective_size,
    evaluate,
    nothing,
)
from decisions.off_policy.outcomes import given_outcomes
from decisions.off_policy.say import overlap_lines, rows, verdict
from decisions.policy import PolicySettings
from features.friction import Friction
from insights.story.causal_words import claims_a_cause

SETTINGS = PolicySettings(goal_value=10.0)
INTERVENTIONS = tuple(
    Intervention(name, name, "", "on_site", ("cart",), (Friction.TRUST,), 0.05, cost, Effort.QUICK_WIN, "Shop")
    for name, cost in (("chat", 0.2), ("coupon", 0.0))
)


def weighed(seed: int, number: int, wanted: tuple[float, float, float], explored: float = 1.0) -> Evaluation:
    return evaluate(drawn(seed, number, explored=explored), np.tile(wanted, (number, 1)), INTERVENTIONS, SETTINGS)


def test_a_value_is_goals_at_their_worth_less_what_was_spent() -> None:
    logged = decisions([1, 1, 0, 0], [1, 0, 1, 0], [[0.5, 0.5, 0.0]] * 4)
    outcomes = given_outcomes(logged, np.full((4, 3), 0.5))
    found = evaluate(logged, np.array([[0.0, 1.0, 0.0]] * 4), INTERVENTIONS, SETTINGS, outcomes)
    # IPS: weights of 2 for the chats, which brought 9.8 and -.2.
    ips = found.by(Estimator.IPS)
    assert ips.value.value == pytest.approx(2 * (9.8 - 0.2) / 4)
    # Doing nothing brought 10 and 0; the log's policy 9.8, -.2, 10 and 0.
    assert ips.over_nothing.value == pytest.approx(4.8 - 2 * 10 / 4)
    assert ips.over_before.value == pytest.approx(4.8 - 19.6 / 4)
    assert found.goal_rate[1].value.value == pytest.approx(0.5)


def test_decisions_that_left_no_choice_and_those_at_unknown_odds_are_counted_apart() -> None:
    logged = drawn(1, 1_000)
    logged.propensities[:100], logged.chosen[:100] = (1.0, 0.0, 0.0), 0
    logged.propensities[100:130] = np.nan
    found = evaluate(logged, np.tile([0.2, 0.4, 0.4], (1_000, 1)), INTERVENTIONS, SETTINGS)
    assert (found.decisions, found.quiet, found.unknown) == (870, 100, 30)
    assert found.supported
    assert found.cautions == ("30 decisions without known odds are left out",)
    assert next(overlap_lines(found)).endswith("(besides 100 that left nothing to choose and 30 at unknown odds).")


def test_without_any_known_odds_it_refuses_and_says_what_to_do() -> None:
    logged = drawn(1, 50)
    logged.propensities[:] = np.nan
    with pytest.raises(
        NoOdds, match=r"none of 50 decisions .* let the service decide with exploration above 0"
    ) as told:
        evaluate(logged, nothing(logged), INTERVENTIONS, SETTINGS)
    assert not claims_a_cause(str(told.value))


def test_an_option_that_the_log_never_could_have_chosen_is_not_supported() -> None:
    logged = drawn(2, 3_000)
    logged.propensities[:] = (0.5, 0.5, 0.0)
    logged.chosen[:] = np.minimum(logged.chosen, 1)
    found = evaluate(logged, np.tile([0.0, 0.5, 0.5], (3_000, 1)), INTERVENTIONS, SETTINGS)
    assert found.reasons == ("the log never could have chosen coupon",)
    assert found.overlap.unsupported == pytest.approx(0.5)
    assert verdict(found, "new") == "Not supported: the log never could have chosen coupon."


def test_an_option_that_was_not_eligible_where_it_is_wanted_is_not_supported_either() -> None:
    logged = drawn(2, 3_000)
    logged.propensities[:30] = (0.5, 0.5, 0.0)
    logged.chosen[:30] = np.minimum(logged.chosen[:30], 1)
    found = evaluate(logged, np.tile([0.0, 0.0, 1.0], (3_000, 1)), INTERVENTIONS, SETTINGS)
    assert found.reasons == ("1.0% of its decisions are for options that the log could not have chosen",)


def test_too_few_shared_decisions_are_not_supported() -> None:
    found = weighed(3, 520, (0.0, 0.0, 1.0))
    # A third of 520 decisions at one weight: as many as there are of them.
    assert found.overlap.effective < 200
    assert "at least 200 are needed" in found.reasons[0]
    assert not found.supported


def test_too_few_goals_are_not_supported() -> None:
    logged = drawn(4, 1_000)
    logged.converted[:] = 0.0
    logged.converted[np.flatnonzero(logged.chosen == 1)[:9]] = 1.0
    found = evaluate(logged, np.tile([0.0, 1.0, 0.0], (1_000, 1)), INTERVENTIONS, SETTINGS)
    assert found.reasons == ("9 goals were reached where it could have decided the same; at least 10 are needed",)


def test_a_log_that_hardly_ever_did_nothing_does_not_support_the_comparison_with_it() -> None:
    found = weighed(5, 3_000, (0.0, 1.0, 0.0), explored=0.02)
    assert found.supported
    assert found.cautions[0].startswith("doing nothing is too rare in the log")


def test_the_effective_size_is_kish_s() -> None:
    assert effective_size(np.array([1.0, 1.0, 1.0, 1.0, 0.0])) == pytest.approx(4)
    assert effective_size(np.array([3.0, 1.0])) == pytest.approx(16 / 10)
    assert effective_size(np.zeros(3)) == 0.0


def test_a_policy_against_itself_makes_no_difference_by_any_estimator() -> None:
    logged = drawn(6, 800)
    same = np.tile([0.1, 0.6, 0.3], (800, 1))
    found = evaluate(logged, same, INTERVENTIONS, SETTINGS, before=same)
    for one in found.net_value:
        assert (one.over_before.low, one.over_before.value, one.over_before.high) == pytest.approx((0, 0, 0), abs=1e-9)


def test_a_target_whose_propensities_do_not_sum_to_one_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="sum to one"):
        weighed(1, 20, (0.2, 0.2, 0.2))


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.1, 0.3, "new brings more than what was done"), (-0.3, -0.1, "new brings less"), (-0.1, 0.3, "does not tell")],
)
def test_the_verdict_goes_by_the_interval_of_dr(low: float, high: float, said: str) -> None:
    found = weighed(7, 3_000, (0.2, 0.4, 0.4))
    moved = tuple(
        replace(one, over_before=replace(one.over_before, low=low, high=high, error=0.1)) for one in found.net_value
    )
    told = verdict(replace(found, net_value=moved), "new")
    assert said in told
    assert "95 % interval" in told
    assert not claims_a_cause(told)


def test_rows_have_as_many_digits_as_the_error_allows() -> None:
    found = weighed(8, 3_000, (0.2, 0.4, 0.4))
    shown = next(row for row in rows(found.net_value) if row[0] == "DR")
    assert len(shown[1].partition(".")[2]) == 3
    assert shown[4].startswith(("+", "-"))
    assert [row[1][-1] for row in rows(found.goal_rate, percent=True)] == ["%"] * 5


def test_it_serialises_to_json_without_what_json_does_not_have() -> None:
    found = weighed(9, 1_500, (0.2, 0.4, 0.4)).to_json()
    written = json.loads(json.dumps(found, allow_nan=False))
    assert list(written["net_value"]) == ["DM", "IPS", "SNIPS", "DR", "SWITCH-DR"]
    assert written["supported"] is True
    assert set(written["net_value"]["DR"]) == {"value", "over_nothing", "over_before", "threshold"}
