"""Which blockers become opportunities, in which order, with which experiment and status."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_facts import BEGIN, SHOP, MadeSession, write_facts

from decisions.experiment_size import size_experiment
from decisions.intervention import Effort
from insights.facts import Facts
from insights.filters import Filters
from insights.gain import Evidence, MeasuredEffect
from insights.intervals import Estimate
from insights.opportunities import Kind, Opportunity, find_opportunities, rank
from insights.opportunity_status import Status
from journeys.versions import JourneyVersion
from storage.records import OpportunityStatus, Records

PRODUCT, CART, PAYMENT = 1, 2, 5


def shop_sessions(weeks: int = 4) -> list[MadeSession]:
    """A week: 40 left at the payment for it, of whom 30 on a phone, 40 that pay, and 10 that leave at the cart."""
    week = [
        *[MadeSession(PAYMENT, device="mobile", confidences={"payment": 0.5, "form": 0.2})] * 30,
        *[MadeSession(PAYMENT, device="desktop", confidences={"payment": 0.5})] * 10,
        *[MadeSession(PAYMENT, "goal", device="desktop", value=50.0)] * 40,
        *[MadeSession(CART, device="desktop", confidences={"trust": 0.6})] * 10,
    ]
    days = [BEGIN + timedelta(days=day) for day in range(7 * weeks)]
    return [
        replace(one, visitor=f"v{number}", started_at=days[number % len(days)])
        for number, one in enumerate(week * weeks)
    ]


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return write_facts(tmp_path_factory.mktemp("facts"), shop_sessions())


def named(found: Sequence[Opportunity], name: str) -> Opportunity:
    [one] = [one for one in found if one.id == name]
    return one


def test_each_blocker_at_each_stage_is_one_opportunity(facts: Facts) -> None:
    found = find_opportunities(SHOP, facts)
    everybody = {one.id for one in found.ranked if one.cohort is None}
    assert everybody == {"payment.payment", "payment.form", "cart.trust"}
    assert found.period.weeks == 4
    one = named(found.ranked, "payment.payment")
    assert one.affected.sessions.value == pytest.approx(4 * 40 * 0.5)
    assert one.per_week.value == pytest.approx(20)
    # Of 320 at the stage 80 left for it; 160 of the other 240 paid, and a goal is worth 18.
    assert one.value_at_stake is not None
    assert one.revenue_at_stake is not None
    assert one.value_at_stake.value == pytest.approx(20 * 160 / 240 * SHOP.policy.goal_value)
    assert one.revenue_at_stake.value == pytest.approx(20 * 160 / 240 * 50)
    assert (one.stage_owner, one.owner) == (SHOP.stages[PAYMENT].owner, "Payments")


def test_the_intervention_is_one_that_treats_the_blocker_at_the_stage(facts: Facts) -> None:
    found = find_opportunities(SHOP, facts)
    one = named(found.ranked, "payment.payment")
    assert one.plan is not None
    assert one.plan.intervention.name == "other_payment"
    assert one.plan.expected.evidence is Evidence.PRIOR
    # The form assistant is for earlier stages only.
    assert named(found.ranked, "payment.form").plan is None
    assert found.ranked[-1].plan is None


def test_priority_is_the_gain_with_its_chance_per_day_of_work(facts: Facts) -> None:
    plan = named(find_opportunities(SHOP, facts).ranked, "payment.payment").plan
    assert plan is not None
    # 40 sessions a week are named, all of them stopped: 40 x .08 x 18, less .1 and .05 for each showing.
    assert plan.gain.value.value == pytest.approx(40 * 0.08 * 18 - 40 * 0.15)
    assert plan.priority == pytest.approx(plan.gain.value.value * plan.gain.chance / 3)
    assert 0.5 < plan.gain.chance < 1


def test_an_experiment_is_sized_by_those_it_is_meant_for(facts: Facts) -> None:
    one = named(find_opportunities(SHOP, facts).ranked, "payment.payment")
    assert one.plan is not None
    proposal = one.plan.proposal
    assert proposal.metric == "reaches the goal"
    assert proposal.watched == ("value per session",)
    assert proposal.visitors_per_day == pytest.approx(160 / 28 * 0.95)
    # All named were left there, so none of them reached the goal.
    assert proposal.size == size_experiment(0.0, 0.08, visitors_per_day=proposal.visitors_per_day)
    # ((1.96 sqrt(2 x .04 x .96) + .842 sqrt(.08 x .92)) / .08)^2 = 93 an arm; 186 / 5.43 a day.
    assert (proposal.size.per_arm, proposal.size.days) == (93, 35)
    assert proposal.feasible
    assert one.kind is Kind.QUICK_WIN
    assert "rises from 0.0% to 8.0%" in proposal.hypothesis
    assert "“Pay another way”" in proposal.hypothesis


def test_before_the_last_stage_the_next_step_is_what_is_measured_first(facts: Facts) -> None:
    plan = named(find_opportunities(SHOP, facts).ranked, "cart.trust").plan
    assert plan is not None
    assert plan.proposal.metric == "goes on from cart"
    assert plan.proposal.watched == ("reaches the goal", "value per session")
    # .04 further goals a showing; of 320 that went on from the cart 160 reached the goal.
    assert plan.proposal.size is not None
    assert plan.proposal.size.treated == pytest.approx(0.08)
    # 40 visitors in four weeks are too few.
    assert not plan.proposal.feasible
    assert "only after" in plan.proposal.reason
    assert plan.proposal.detectable is not None
    assert f"{100 * plan.proposal.detectable:.1f} points" in plan.proposal.reason


def test_a_cohort_that_is_stopped_clearly_more_often_has_an_opportunity_of_its_own(facts: Facts) -> None:
    one = named(find_opportunities(SHOP, facts).ranked, "payment.payment.device=mobile")
    # On phones 60 of 120 left for it, elsewhere 20 of 200.
    assert one.times_others == pytest.approx(0.5 / 0.1)
    assert one.cohort == ("device", "mobile")
    # Nobody else was left for the form: half a session of 200 is taken to be, against 24 of 120.
    assert named(find_opportunities(SHOP, facts).ranked, "payment.form.device=mobile").times_others == pytest.approx(80)
    assert not [one for one in find_opportunities(SHOP, facts).ranked if one.id == "payment.payment.device=desktop"]


def test_a_small_cohort_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = write_facts(tmp_path / "few", shop_sessions(weeks=1))
    assert not [one for one in find_opportunities(SHOP, few).ranked if one.cohort]
    monkeypatch.setenv("DROPOFF_MIN_CELL", "5")
    assert [one for one in find_opportunities(SHOP, few).ranked if one.cohort]


def test_what_was_measured_is_said_to_be(facts: Facts) -> None:
    measured = MeasuredEffect("payment", "other_payment", Estimate(0.02, 0.015, 0.025), "pay_trial")
    plan = named(find_opportunities(SHOP, facts, measured=[measured]).ranked, "payment.payment").plan
    assert plan is not None
    assert (plan.expected.evidence, plan.expected.experiment) == (Evidence.MEASURED, "pay_trial")
    assert plan.gain.goals.value == pytest.approx(40 * 0.02)


def test_filters_choose_the_sessions(facts: Facts) -> None:
    found = find_opportunities(SHOP, facts, Filters(since=date(2026, 6, 1), until=date(2026, 6, 14)))
    assert found.period.weeks == 2
    assert named(found.ranked, "payment.payment").per_week.value == pytest.approx(20, rel=0.2)


def test_without_a_model_there_are_none(tmp_path: Path) -> None:
    facts = write_facts(tmp_path, [MadeSession(CART)] * 10, model_version=None)
    found = find_opportunities(SHOP, facts)
    assert (found.ranked, found.has_model) == ((), False)


def test_names_stay_the_same_under_new_data(tmp_path: Path, facts: Facts) -> None:
    more = write_facts(tmp_path, [*shop_sessions(5), *[MadeSession(PRODUCT, confidences={"information": 0.5})] * 50])
    before = {one.id for one in find_opportunities(SHOP, facts).ranked}
    after = {one.id for one in find_opportunities(SHOP, more).ranked}
    assert before <= after
    assert "product.information" in after - before


def status(number: int, name: str, value: str, at_us: int = 0) -> OpportunityStatus:
    return OpportunityStatus(number, name, value, "why", "Ada", at_us)


def test_the_status_set_last_holds_and_the_history_is_kept(facts: Facts) -> None:
    records = Records(
        opportunity_statuses=(
            status(1, "payment.payment", "accepted"),
            status(2, "browse.speed", "dismissed"),
            status(3, "payment.payment", "done", at_us=7),
        )
    )
    found = find_opportunities(SHOP, facts, records=records)
    one = named(found.ranked, "payment.payment")
    assert (one.status, one.done_us) == (Status.DONE, 7)
    assert [entry.status for entry in one.history] == ["accepted", "done"]
    assert [entry.opportunity_id for entry in found.unseen] == ["browse.speed"]
    other = named(found.ranked, "payment.form")
    assert (other.status, other.done_us) == (Status.PROPOSED, None)


def test_an_opportunity_keeps_its_name_and_its_status_when_its_stage_is_renamed(facts: Facts) -> None:
    renamed = replace(
        SHOP, versions=(JourneyVersion(date(2026, 5, 1), "clearer words", renamed={"paying": "payment"}),)
    )
    records = Records(
        opportunity_statuses=(status(1, "paying.payment", "accepted"), status(2, "payment.payment", "done"))
    )
    one = named(find_opportunities(renamed, facts, records=records).ranked, "paying.payment")
    assert (one.stage, one.status, len(one.history)) == ("payment", Status.DONE, 2)


@pytest.fixture(scope="module")
def some(facts: Facts) -> tuple[Opportunity, ...]:
    return find_opportunities(SHOP, facts).ranked


@given(st.data())
def test_the_order_is_total_and_does_not_depend_on_the_one_before(
    some: tuple[Opportunity, ...], data: st.DataObject
) -> None:
    # Priorities that are often equal: gains of few values, and some without a plan.
    made = []
    for number in range(8):
        one = data.draw(st.sampled_from(some))
        plan = one.plan
        if plan is not None:
            gain = data.draw(st.sampled_from([-1.0, 0.0, 2.0]))
            plan = replace(plan, gain=replace(plan.gain, value=Estimate(gain, gain, gain)))
        made.append(replace(one, id=f"{number}", plan=plan))
    ordered = rank(made)
    shuffled = list(made)
    random.Random(data.draw(st.integers())).shuffle(shuffled)
    assert rank(shuffled) == ordered
    priorities = [one.plan.priority for one in ordered if one.plan]
    assert priorities == sorted(priorities, reverse=True)
    assert [one.plan is None for one in ordered] == sorted(one.plan is None for one in ordered)


def test_a_loss_is_not_made_smaller_by_its_chance(some: tuple[Opportunity, ...]) -> None:
    plan = named(some, "payment.payment").plan
    assert plan is not None
    assert plan.intervention.effort is Effort.QUICK_WIN
    loss = replace(plan, gain=replace(plan.gain, value=Estimate(-6.0, -9.0, 1.0), chance=0.1))
    assert loss.priority == -2.0
