"""Workers of one service spend one budget: what each has spent holds all back, and all go by one price."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decisions.budget import BURST, Budget, Pace
from decisions.decision import Decision, Reason, Recommendation, Score
from decisions.diagnosis import Blocker
from decisions.experiments import AS_USUAL, ExperimentPlan, Variant, decide_by
from decisions.logged import LoggedDecisions
from decisions.off_policy.priors import WeighablePriors
from decisions.option_rows import OptionRows
from decisions.policy import PriorPolicy, Situation
from decisions.policy_files import save_policy
from decisions.priced import BUDGET_USED_UP, PricedPolicy, spending, with_price
from decisions.trial import RunningExperiment
from features.vocabulary import Vocabulary
from journeys.journey import Journey
from journeys.policies import ground_of
from serving.budget import BudgetUsedUp, Taking, Till, charge, open_till, replan_once
from serving.configuration import Configuration
from serving.duty import Duty
from serving.open_runtime import open_runtime
from serving.policies import find_policy, renew_policy
from serving.runtime import Runtime
from storage.ledger import LedgerEntry
from storage.policies import point_live, publish_policy
from training.uplift.bag import BagSettings
from training.uplift.learners import learn_uplift

SHARE = 0.25


@pytest.fixture
def journey(shop: Journey) -> Journey:
    return replace(shop, policy=replace(shop.policy, budget=Budget(treated_share=SHARE)))


@pytest.fixture
def open_worker(journey: Journey, shop_model: Any, address: str, tmp_path: Path, clock: Any) -> Iterator[Any]:
    opened: list[Runtime] = []

    def opening() -> Runtime:
        settings = Configuration(home=tmp_path, database_url=address, shared=True)
        runtime = open_runtime(settings, journey, shop_model, clock)
        opened.append(runtime)
        runtime.decide_by(find_policy(runtime))
        open_till(runtime)
        return runtime

    yield opening
    for one in opened:
        one.close()


def decision(journey: Journey, *, treated: bool) -> Decision:
    shown = journey.interventions[0]
    chosen = Recommendation(shown.name, "", "", shown.channel, 0.1, shown.cost) if treated else None
    return Decision(
        "d", "v", Score("s", journey.name, "cart", 0.75, 1, "7", 0), (), {}, "", chosen, Reason.BEST_VALUE, False,
        0.5, {}, (), {}, 0.5, "x",
    )  # fmt: skip


def till_of(runtime: Runtime) -> Till:
    assert runtime.till is not None
    return runtime.till


def run(work: Callable[[], Any]) -> Any:
    return asyncio.run(work())


def settle(worker: Runtime, made: Decision) -> bool:
    """Settle a decision as the ledger's transaction does; False where others have used the budget up."""
    try:
        till_of(worker).pace = worker.writer.submit(partial(till_of(worker).settle, decision=made)).result(20)
    except BudgetUsedUp as refused:
        till_of(worker).pace = refused.pace
        return False
    return True


def held_back(journey: Journey) -> Decision:
    name = journey.interventions[0].name
    return replace(decision(journey, treated=False), drawn=None, excluded={name: BUDGET_USED_UP})


def test_two_workers_that_would_treat_everybody_keep_to_the_share_together_at_every_moment(
    open_worker: Any, journey: Journey
) -> None:
    workers = [open_worker(), open_worker()]
    treated = 0
    for number in range(400):
        worker = workers[number % 2]
        # Neither has heard of the other since they started: the transaction alone holds them to the limit.
        till_of(worker).pace = Pace()
        assert till_of(worker).why_not() is None
        if settle(worker, decision(journey, treated=True)):
            treated += 1
        else:
            assert till_of(worker).why_not() == BUDGET_USED_UP
            assert settle(worker, held_back(journey))
        assert treated <= SHARE * number + BURST
    # The last is granted at the first of the decisions with treated + 1 <= decisions / 4 + 20: at 396.
    assert treated == 119
    for worker in workers:
        run(till_of(worker).listen)
        assert (till_of(worker).pace.decisions, till_of(worker).pace.spent) == (400, treated)
    assert till_of(open_worker()).pace == till_of(workers[0]).pace


def test_two_workers_that_spend_at_the_same_instant_never_pass_the_limit(open_worker: Any, journey: Journey) -> None:
    workers = [open_worker(), open_worker()]
    waiting = [
        worker.writer.submit(partial(till_of(worker).settle, decision=decision(journey, treated=True)))
        for _ in range(60)
        for worker in workers
    ]
    refused = sum(isinstance(one.exception(20), BudgetUsedUp) for one in waiting)
    # The n-th of those that are granted finds n - 1 spent and as many quarters granted: n <= (n - 1) / 4 + 20.
    assert 120 - refused == 26
    run(till_of(workers[0]).listen)
    assert till_of(workers[0]).pace.spent == 26


def test_the_money_of_a_day_is_never_passed_by_the_last_intervention(journey: Journey) -> None:
    budget, noon_us = Budget(spending_per_day=10.0), 12 * 3_600_000_000
    pace = Pace().after(budget, 1, 4.5, noon_us)
    assert pace.allows(budget, noon_us, taking=5.5)
    assert not pace.allows(budget, noon_us, taking=5.6)
    # By noon six tenths may be spent; whoever has spent less may take what leads beyond them.
    assert not Pace().after(budget, 1, 6.0, noon_us).allows(budget, noon_us)


def test_what_is_on_its_way_into_the_ledger_holds_the_next_decisions_of_the_worker_back(
    open_worker: Any, journey: Journey
) -> None:
    till = till_of(open_worker())
    with ExitStack() as under_way:
        for _ in range(int(BURST)):
            assert till.why_not() is None
            under_way.enter_context(Taking(till)).reserve(decision(journey, treated=True))
        assert till.why_not() == BUDGET_USED_UP
    assert till.why_not() is None


def test_a_used_up_budget_is_a_reason_in_the_ledger(open_worker: Any, journey: Journey) -> None:
    worker = open_worker()
    while settle(worker, decision(journey, treated=True)):
        pass
    assert worker.scorer.why_not() == BUDGET_USED_UP


def test_a_budget_that_is_used_up_is_granted_anew_by_the_decisions_that_it_holds_back(
    open_worker: Any, journey: Journey
) -> None:
    worker = open_worker()
    till = till_of(worker)
    while settle(worker, decision(journey, treated=True)):
        pass
    # 26 were treated (26 <= 25 / 4 + 20): 28 decisions grant seven.
    for _ in range(40):
        assert settle(worker, replace(held_back(journey), holdout=True))
    assert till.why_not() == BUDGET_USED_UP
    for _ in range(2):
        assert settle(worker, held_back(journey))
    assert till.why_not() is None


def test_decisions_without_a_choice_take_no_part(open_worker: Any, journey: Journey) -> None:
    worker = open_worker()
    assert settle(worker, replace(decision(journey, treated=False), drawn=None))
    assert till_of(worker).pace == Pace()
    run(till_of(worker).listen)
    assert till_of(worker).pace == Pace()


def test_the_price_that_recent_decisions_call_for_is_everybodys(open_worker: Any, journey: Journey) -> None:
    workers = [open_worker(), open_worker()]
    shown = journey.interventions[0]
    friction = shown.treats[0].name

    def entry(number: int) -> LedgerEntry:
        # Everybody has the same blocker, the one more surely than the other: the treated are those with the most.
        confidence = {friction: 0.1 + 0.8 * number / 200}
        return LedgerEntry(
            f"d{number}", f"s{number}", f"v{number}", 0, 0, shown.stages[0], 1, 0.5 + 0.4 * number / 200, [], "",
            [shown.name], {}, {"nothing": 0.5, shown.name: 0.5}, None, 0.5, None, "best_value", False, None, 0.5,
            "x", "7", confidence=confidence,
        )  # fmt: skip

    def write(connection: Any) -> None:
        for number in range(200):
            workers[0].ledger.append(connection, entry(number), due_us=10**18)

    workers[0].writer.submit(write).result(20)

    async def replan() -> None:
        duty = Duty(workers[0], "budget:ecommerce")
        assert await duty.take()
        await replan_once(duty)
        await duty.release()

    run(replan)
    for worker in workers:
        run(till_of(worker).listen)
    prices = {till_of(worker).pace.price for worker in workers}
    assert len(prices) == 1
    [price] = prices
    assert price > 0
    assert {worker.scorer.policy.version for worker in workers} == {f"priors-1@{price:.6g}"}


def test_a_policy_that_reads_raw_features_goes_live_and_has_its_price_by_what_the_worker_has_seen(
    open_worker: Any, journey: Journey
) -> None:
    worker, ground = open_worker(), ground_of(journey)
    shown, width = journey.interventions[0], len(journey.table.names)
    stages, frictions = ground.stages, ground.frictions
    random, count = np.random.default_rng(1), 400
    entries = [
        LedgerEntry(
            f"d{number}", f"s{number}", f"v{number}", number, number, stages[0], 1, 0.7, [], "", [shown.name], {},
            {"nothing": 0.5, shown.name: 0.5}, shown.name if number % 2 else None, 0.5, None, "best_value", False, None,
            0.5, "x", "7", confidence={shown.treats[0].name: 0.5},
        )
        for number in range(count)
    ]  # fmt: skip
    rows = random.normal(size=(count, width))
    texts = np.array([one.decision_id for one in entries], object)
    places = np.arange(count) % 2
    logged = LoggedDecisions(
        options=("nothing", shown.name), stages=stages, frictions=frictions, decision_ids=texts, session_ids=texts,
        units=np.arange(count), at_us=np.arange(count), stage=np.zeros(count, np.int64), risk=np.full(count, 0.7),
        confidence=np.full((count, len(frictions)), 0.05), chosen=places, propensities=np.full((count, 2), 0.5),
        converted=places.astype(float) * (rows[:, 0] > 0), holdout=np.zeros(count, np.bool_), policy_versions=texts,
        rows=rows,
    )  # fmt: skip
    columns = OptionRows.of(journey.interventions, stages, frictions, journey.table, Vocabulary({}))
    policy = learn_uplift(
        logged, columns, journey.interventions, journey.policy, bag=BagSettings(members=2, trees=20), version="8"
    )
    home = worker.configuration.home
    publish_policy(home, journey.name, "8", lambda folder: save_policy(folder, policy))
    point_live(home, journey.name, "8")
    run(lambda: renew_policy(worker))
    assert worker.scorer.policy.version == "8"

    def write(connection: Any) -> None:
        for entry in entries:
            worker.ledger.append(connection, entry, due_us=10**18)

    worker.writer.submit(write).result(20)

    async def replan() -> None:
        duty = Duty(worker, "budget:ecommerce")
        assert await duty.take()
        await replan_once(duty)
        await duty.release()
        await till_of(worker).listen()

    run(replan)
    assert till_of(worker).pace.price == 0.0
    for entry, row in zip(entries[100:], rows[100:], strict=True):
        till_of(worker).remember(entry.decision_id, row)
    run(replan)
    assert till_of(worker).pace.price > 0.0


def test_a_version_that_is_tried_in_an_experiment_pays_the_same_price(open_worker: Any, journey: Journey) -> None:
    worker = open_worker()
    plan = ExperimentPlan("halves", variants=(Variant("live", AS_USUAL), Variant("candidate", decide_by("8"))))
    tried = (RunningExperiment(plan, ((0, 1_000),), {"8": WeighablePriors(journey.policy, journey.interventions)}),)
    worker.replace_experiments((), tried, tried)
    till_of(worker).pace = Pace(price=0.5)
    run(lambda: charge(worker))
    assert worker.scorer.policy.version == "priors-1@0.5"
    assert worker.scorer.experiments[0].policies["8"].version == "priors-1@0.5"
    till_of(worker).pace = Pace(price=0.25)
    run(lambda: charge(worker))
    assert worker.scorer.experiments[0].policies["8"].version == "priors-1@0.25"


def test_a_price_of_a_treatment_is_taken_off_every_net_value(journey: Journey) -> None:
    shown = journey.interventions[0]
    situation = Situation("checkout", 0.9, (Blocker(shown.treats[0], 1.0, 0.5, ()),), {})
    policy = PriorPolicy(journey.policy)
    dear = with_price(policy, journey.interventions, journey.policy, 0.5)
    assert isinstance(dear, PricedPolicy)
    [plain], [priced] = (one.assess([shown], situation).options for one in (policy, dear))
    assert priced.net_value == pytest.approx(plain.net_value - 0.5)
    assert priced.expected_uplift == plain.expected_uplift
    assert with_price(policy, journey.interventions, journey.policy, 0.0) is policy


def test_money_is_the_cost_and_the_discount_as_likely_as_the_goal(journey: Journey) -> None:
    paying = replace(journey.policy, budget=Budget(spending_per_day=100.0))
    shown = replace(journey.interventions[0], cost=0.5, cost_if_converted=4.0)
    # Risk .75 and an expected rise of .1: the goal is reached in .35 of such sessions.
    spent = spending(decision(journey, treated=True), [shown], paying)
    assert spent == pytest.approx(0.5 + 4.0 * 0.35)
    dear = with_price(PriorPolicy(paying), [shown], paying, 0.5)
    assert isinstance(dear, PricedPolicy)
    assert (dear.dearer[shown.name].cost, dear.dearer[shown.name].cost_if_converted) == (0.75, 6.0)
