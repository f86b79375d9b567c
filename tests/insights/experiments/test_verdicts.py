"""Every verdict is reached by a case, with the reason that the case was made for."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_experiments import DAY_US, START_US, exposed, happened, rates, texts

from decisions.experiments import StoppingRule
from insights.experiments.analyse import analyse
from insights.experiments.question import AnalysisError, Guard, Measure, Question
from insights.experiments.result import Analysis, Held, Verdict
from insights.experiments.sizing import MetricKind

QUESTION = Question(Measure("goal"), minimum_effect=0.1, planned_per_arm=10_000)
FIXED = replace(QUESTION, rule=StoppingRule.FIXED)


def analysed(question: Question, *shares: float, people: int = 10_000, **more: Any) -> Analysis:
    variants, goals = rates(people, *shares)
    return analyse(exposed(variants, **more), happened({"goal": goals}), question)


@pytest.mark.parametrize("question", [QUESTION, FIXED])
def test_a_clearly_better_variant_ships(question: Question) -> None:
    found = analysed(question, 0.10, 0.12)
    assert (found.decision.verdict, found.decision.variant) == (Verdict.SHIP, "b")
    assert found.decision.reasons[0].startswith("b is better: goal 12.00% against 10.00%, a difference of +2.00 points")


@pytest.mark.parametrize("question", [QUESTION, FIXED])
def test_a_clearly_worse_variant_is_stopped(question: Question) -> None:
    found = analysed(question, 0.12, 0.10)
    assert found.decision.verdict is Verdict.STOP
    assert "b is worse" in found.decision.reasons[0]


def test_a_metric_that_should_fall_ships_when_it_falls() -> None:
    question = replace(QUESTION, primary=Measure("goal", more_is_better=False))
    assert analysed(question, 0.12, 0.10).decision.verdict is Verdict.SHIP
    assert analysed(question, 0.10, 0.12).decision.verdict is Verdict.STOP


def test_a_difference_that_is_clear_at_one_look_only_ships_by_the_fixed_rule_alone() -> None:
    # 10.0 against 10.9 %: z = .009 / sqrt((.09 + .0971) / 10,000) = 2.08, between 1.96 and the sequence's 3.04.
    assert analysed(FIXED, 0.10, 0.109).decision.verdict is Verdict.SHIP
    assert analysed(QUESTION, 0.10, 0.109).decision.verdict is Verdict.INCONCLUSIVE


def test_a_change_worth_having_that_is_ruled_out_stops() -> None:
    found = analysed(FIXED, 0.10, 0.099)
    assert found.decision.verdict is Verdict.STOP
    assert found.decision.reasons[0].startswith("a change worth having (0.1 of the control's) is ruled out for b")


def test_an_inconclusive_experiment_says_what_is_needed() -> None:
    found = analysed(replace(QUESTION, planned_per_arm=20_000), 0.10, 0.105, people=4_000)
    needed = found.decision.needed
    assert found.decision.verdict is Verdict.INCONCLUSIVE
    assert needed is not None
    # A tenth of 10 % at the always-valid rule: 3.62^2 (.09 + .105 x .895) / .01^2 = 24,100 people per arm.
    assert needed.change == pytest.approx(0.01)
    assert needed.per_arm == pytest.approx(3.62**2 * (0.09 + 0.105 * 0.895) / 0.01**2, rel=0.01)
    assert needed.further_per_arm == needed.per_arm - 4_000
    # 8,000 people came in 8,000 minutes, 4,000 to each arm: one a arm and two minutes.
    assert needed.further_days == pytest.approx(needed.further_per_arm * 2 / 1_440, abs=1)


def test_before_the_sequence_starts_it_is_inconclusive() -> None:
    found = analysed(replace(QUESTION, planned_per_arm=20_000), 0.10, 0.20, people=500)
    assert found.decision.verdict is Verdict.INCONCLUSIVE
    assert found.decision.reasons[0] == "the sequence starts at 1,000 people per arm; there are 500"
    assert found.primary[0].always_valid is None


def test_a_fixed_horizon_must_not_be_read_before_its_size() -> None:
    found = analysed(replace(FIXED, planned_per_arm=20_000), 0.10, 0.12)
    assert found.decision.verdict is Verdict.INVALID
    assert "looked at before its end: the fixed horizon is 20,000 people per arm" in found.decision.reasons[0]


def test_a_fixed_horizon_must_not_be_read_before_its_day() -> None:
    early = replace(FIXED, planned_per_arm=None, ends_us=START_US + 40 * DAY_US)
    found = analysed(early, 0.10, 0.12)
    assert found.decision.verdict is Verdict.INVALID
    # The last outcome is 20,000 minutes and a second after the start, on day 13.9.
    assert "26.1 days early" in found.decision.reasons[0]
    assert analysed(replace(early, ends_us=START_US + 10 * DAY_US), 0.10, 0.12).decision.verdict is Verdict.SHIP


def test_a_fixed_horizon_does_not_wait_for_the_last_few_people() -> None:
    # Arms are never of one size, and some people are always left out: 2 % may be missing, on average over the arms.
    assert analysed(replace(FIXED, planned_per_arm=10_200), 0.10, 0.12).decision.verdict is Verdict.SHIP
    assert analysed(replace(FIXED, planned_per_arm=10_300), 0.10, 0.12).decision.verdict is Verdict.INVALID


def test_a_fixed_horizon_without_any_planned_end_has_no_verdict() -> None:
    found = analysed(replace(FIXED, planned_per_arm=None), 0.10, 0.12)
    assert found.decision.verdict is Verdict.INVALID
    assert "without a planned size or end" in found.decision.reasons[0]


def test_who_waits_on_after_a_fixed_horizon_reads_the_same_people() -> None:
    # The first 5,000 minutes are 2,500 people of each arm; whoever came later would be a second look.
    size, day = replace(FIXED, planned_per_arm=2_500), replace(FIXED, planned_per_arm=None)
    for question in (size, replace(day, ends_us=START_US + 4_999 * DAY_US // 1_440)):
        found = analysed(question, 0.10, 0.109)
        assert sum(found.people.values()) == 5_000
        assert found.counts.after_horizon == 15_000
    # Of a size and a day the later one is the end.
    assert sum(analysed(replace(size, ends_us=START_US + 7 * DAY_US), 0.1, 0.109).people.values()) == 7 * 1_440 + 1
    assert sum(analysed(replace(QUESTION, planned_per_arm=2_500), 0.1, 0.109).people.values()) == 20_000


def test_a_fixed_horizon_waits_for_the_windows_of_its_people() -> None:
    # The data end 13.9 days after the start: who came on the last 3 of the first 12 days may still do something.
    question = replace(FIXED, planned_per_arm=None, ends_us=START_US + 12 * DAY_US)
    assert analysed(question, 0.10, 0.12).decision.verdict is Verdict.SHIP
    found = analysed(replace(question, window_us=5 * DAY_US), 0.10, 0.12)
    assert found.decision.verdict is Verdict.INVALID
    assert "may still do something within the window" in found.decision.reasons[-1]


def test_what_is_the_same_for_everybody_compares_nothing() -> None:
    variants, _ = rates(200, 0.5, 0.5)
    sevens = happened({"goal": np.full(400, 7.0)})
    found = analyse(exposed(variants), sevens, Question(Measure("goal", MetricKind.MEAN)))
    assert found.decision.verdict is Verdict.INVALID
    assert found.decision.reasons[0] == "nothing to compare: goal is 7 for everybody"


def test_segments_in_which_nobody_did_it_are_no_segments() -> None:
    # Warnings are errors: rounding left such segments a variance, by which the others were divided.
    people = np.arange(4_000)
    device = np.array(["desktop", "phone"], object)[people // 2 % 2]
    variants, goals = ["control", "b"] * 2_000, np.where(people % 40 < 2, 1.0, 0.0)
    table = exposed(variants, slices={"device": device}, covariates={"risk": np.random.default_rng(1).random(4_000)})
    found = analyse(table, happened({"goal": goals}), QUESTION)
    assert {one.value for one in found.segments} == {"desktop"}


def test_a_planned_variant_that_nobody_met_is_invalid() -> None:
    guards = (Guard(Measure("goal"), 0.1),)
    question = replace(QUESTION, guards=guards, shares={"control": 1, "b": 1, "c": 1})
    found = analysed(question, 0.10, 0.12)
    assert found.decision.verdict is Verdict.INVALID
    assert "c 0 of 6,667 expected" in found.decision.reasons[0]
    assert found.to_json()["primary"][1]["treated"]["value"] is None


def test_it_says_when_the_sequence_first_left_out_zero() -> None:
    found = analysed(QUESTION, 0.10, 0.14)
    looks = found.sequence["b"]
    first = next(look for look in looks if look.always_valid_low > 0)
    assert first is not looks[-1]
    assert found.notes[0].startswith(
        f"The always-valid interval of b first left out zero after {first.control + first.treated:,} people"
    )


def test_too_few_people_are_invalid() -> None:
    found = analysed(QUESTION, 0.5, 0.7, people=80)
    assert found.decision.verdict is Verdict.INVALID
    assert "too few: 80 people in" in found.decision.reasons[0]


def test_too_few_goals_are_invalid() -> None:
    found = analysed(FIXED, 0.0005, 0.001)
    assert found.decision.verdict is Verdict.INVALID
    assert found.decision.reasons[0] == "too few: 15 people reached it in all arms; 20 are needed"


def test_a_sample_ratio_mismatch_is_invalid_and_names_the_slice() -> None:
    variants, goals = rates(10_000, 0.10, 0.12)
    device = np.where(np.arange(20_000) % 20 < 4, "tablet", "phone").astype(object)
    lost = (device == "tablet") & (np.array(variants) == "b") & (np.arange(20_000) % 3 == 0)
    table = exposed(np.array(variants)[~lost].tolist(), slices={"device": device[~lost]})
    found = analyse(table, happened({"goal": goals[~lost]}), QUESTION)
    assert found.decision.verdict is Verdict.INVALID
    assert found.decision.reasons[0].startswith("sample ratio mismatch: control 10,000 of")
    assert "it is off in device tablet: control 2,000 of" in found.decision.reasons[0]


def test_too_many_crossovers_are_invalid_and_few_are_reported() -> None:
    variants, goals = rates(5_000, 0.10, 0.13)
    table = exposed(variants)
    for many, verdict in ((90, Verdict.SHIP), (110, Verdict.INVALID)):
        assert table.at_us is not None
        crossed = replace(
            table,
            units=np.concatenate([table.units, table.units[:many]]),
            variants=np.concatenate([table.variants, table.variants[1 : many + 1]]),
            at_us=np.concatenate([table.at_us, table.at_us[:many] + 1]),
        )
        found = analyse(crossed, happened({"goal": goals}), QUESTION)
        assert (found.decision.verdict, found.counts.crossed) == (verdict, many)
        # 110 of 10,000 are 1.1 %, above the limit of 1 %.
        assert any("crossovers" in reason for reason in found.decision.reasons) == (many == 110)


def test_a_covariate_from_after_the_exposure_is_ignored_and_invalid_where_it_was_asked_for() -> None:
    variants, goals = rates(5_000, 0.10, 0.13)
    table = exposed(variants, covariates={"pages": np.arange(10_000.0)})
    assert table.at_us is not None
    late = replace(table, measured_us={"pages": table.at_us + 5})
    found = analyse(late, happened({"goal": goals}), QUESTION)
    assert found.decision.verdict is Verdict.SHIP
    assert found.covariates_refused == {"pages": "measured after the exposure in 10,000 of 10,000 rows"}
    asked = analyse(late, happened({"goal": goals}), replace(QUESTION, covariates=("pages",)))
    assert asked.decision.verdict is Verdict.INVALID
    assert "the covariate 'pages' cannot be used: it was measured after" in asked.decision.reasons[0]


def test_a_covariate_that_the_variant_moved_is_refused_without_its_time() -> None:
    variants, goals = rates(5_000, 0.10, 0.13)
    moved = (np.array(variants) == "b") * 0.2 + np.random.default_rng(1).normal(size=10_000)
    found = analyse(exposed(variants, covariates={"pages": moved}), happened({"goal": goals}), QUESTION)
    assert "different between the arms" in found.covariates_refused["pages"]
    assert found.primary[0].covariates == ()
    # However much it was moved.
    far = (np.array(variants) == "b") * 1_000.0 + np.random.default_rng(1).normal(size=10_000)
    found = analyse(exposed(variants, covariates={"pages": far}), happened({"goal": goals}), QUESTION)
    assert "pages" in found.covariates_refused


def test_a_covariate_that_is_an_outcome_is_refused() -> None:
    variants, goals = rates(5_000, 0.10, 0.13)
    table = exposed(variants, covariates={"goal": goals, "pages": np.zeros(10_000), "age": np.arange(10_000) // 2})
    done = happened({"goal": goals, "pages": goals})
    found = analyse(table, done, QUESTION)
    assert set(found.covariates_refused) == {"goal", "pages"}
    assert found.primary[0].covariates == ("age",)
    # Of one table with everything in it, people have to say which columns come before.
    asked = analyse(table, done, replace(QUESTION, covariates=("pages", "goal")))
    assert asked.primary[0].covariates == ("pages",)
    assert asked.decision.verdict is Verdict.INVALID


def test_a_covariate_that_nobody_has_is_refused() -> None:
    with pytest.raises(AnalysisError, match="no covariate 'risk': they have none"):
        analysed(replace(QUESTION, covariates=("risk",)), 0.1, 0.12, people=500)


def guarded(margin: float, value: Sequence[float], absolute: bool = False) -> Analysis:
    variants, goals = rates(10_000, 0.10, 0.12)
    draws = np.random.default_rng(2).normal(size=20_000)
    spent = np.where(np.array(variants) == "b", value[1], value[0]) + draws
    question = replace(QUESTION, guards=(Guard(Measure("spend", MetricKind.MEAN), margin, absolute),))
    return analyse(exposed(variants), happened({"goal": goals, "spend": spent}), question)


def test_a_guardrail_that_holds_lets_a_variant_ship() -> None:
    found = guarded(0.05, (10.0, 10.0))
    # .5 is the margin, the standard error sqrt(2 / 10,000) = .014.
    assert (found.guards[0].held, found.decision.verdict) == (Held.HELD, Verdict.SHIP)
    assert found.decision.reasons[1] == "spend kept within the margin"


def test_a_broken_guardrail_stops_a_variant_that_is_better() -> None:
    found = guarded(0.05, (10.0, 9.0))
    assert (found.guards[0].held, found.decision.verdict) == (Held.BROKEN, Verdict.STOP)
    assert found.decision.reasons[0] == "b breaks the guardrail spend"


def test_an_open_guardrail_keeps_a_better_variant_from_shipping() -> None:
    found = guarded(0.05, (10.0, 9.5))
    assert (found.guards[0].held, found.decision.verdict) == (Held.OPEN, Verdict.INCONCLUSIVE)
    assert "whether spend keeps its margin is open" in found.decision.reasons[0]


def test_a_margin_may_be_in_the_metrics_own_unit() -> None:
    assert guarded(0.6, (10.0, 9.5), absolute=True).guards[0].held is Held.HELD
    assert guarded(0.4, (10.0, 9.5), absolute=True).guards[0].held is Held.BROKEN
    # Below nothing, a relative margin is one of the control's size.
    assert guarded(0.05, (-10.0, -10.2)).guards[0].held is Held.HELD


def test_the_best_of_several_variants_that_ship_is_named() -> None:
    found = analysed(QUESTION, 0.10, 0.12, 0.13)
    assert (found.decision.verdict, found.decision.variant) == (Verdict.SHIP, "c")
    assert found.by_variant["b"].verdict is Verdict.SHIP


def test_the_next_hypothesis_is_the_segment_that_stands_out_and_has_a_size() -> None:
    variants, _ = rates(10_000, 0.10, 0.10)
    place = np.arange(20_000)
    stage = np.where(place % 4 < 2, "cart", "checkout").astype(object)
    # Of 5,000 people in each cell 500 reach the goal, of the treated at checkout 575.
    goals = (place // 4 < np.where((stage == "checkout") & (place % 2 == 1), 575, 500)).astype(np.float64)
    found = analyse(exposed(variants, slices={"stage": stage}), happened({"goal": goals}), QUESTION)
    proposed = found.decision.next_hypothesis
    assert found.decision.verdict is Verdict.INCONCLUSIVE
    assert proposed is not None
    assert (proposed.segment, proposed.value) == ("stage", "checkout")
    assert proposed.per_arm is not None
    assert f"{proposed.per_arm:,} people per arm" in proposed.sentence
    # What is expected of it is drawn towards all people: less than what was seen there.
    seen = next(one for one in found.segments if one.value == "checkout").difference.value
    assert 0 < proposed.expected < seen


def test_nobody_left_is_refused() -> None:
    variants, goals = rates(100, 0.10, 0.10)
    question = replace(QUESTION, window_us=400 * DAY_US)
    with pytest.raises(AnalysisError, match="no exposure has had its whole window yet"):
        analyse(exposed(variants), happened({"goal": goals}), question)


def test_a_result_is_json_without_anything_infinite() -> None:
    import json

    found = analysed(QUESTION, 0.10, 0.12, slices={"device": texts(["x", "x", "y", "y"] * 5_000)})
    text = json.dumps(found.to_json(), allow_nan=False)
    assert json.loads(text)["decision"]["verdict"] == "ship"
