"""The budget in the service: every worker adds what it has spent, and goes by one price and one limit.

What a worker has spent since it last told the others holds it back too; what others have spent in that time does not,
so that a limit may be passed by what the other workers spend in two seconds.
"""

import asyncio
import logging
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from decisions.budget import Budget, Pace, spending_of
from decisions.decision import Decision
from decisions.logged import LoggedDecisions, WeighablePolicy
from decisions.logged_ledger import gather
from decisions.off_policy.priors import WeighablePriors
from decisions.policy import Policy, PriorPolicy
from decisions.priced import BUDGET_USED_UP, spending, with_price
from decisions.trial import RunningExperiment
from decisions.uplift_policy import reads_features
from features.events import FloatArray
from journeys.policies import ground_of, warmed
from serving.duty import Duty
from serving.runtime import Runtime
from storage.failures import explain
from storage.matured import latest_choices
from storage.pace_store import PaceStore
from storage.writer import WriterClosed

_LOG = logging.getLogger("dropoff.serving")
_TELL_SECONDS = 2.0
_REPLAN_SECONDS = 10.0
_SITUATIONS = 1_000
"""So many of the latest decisions say what the price should be."""


@dataclass
class Till:
    """What one worker knows of a budget: the pace that all share, and what it has spent since it last told them."""

    runtime: Runtime
    budget: Budget
    pace: Pace = field(default_factory=Pace)
    decisions: int = 0
    spent: float = 0.0
    rows: dict[str, FloatArray] = field(default_factory=dict)
    """What was seen at the latest decisions of this worker, by their ids: the ledger does not keep raw features."""

    def remember(self, decision_id: str, row: FloatArray) -> None:
        """Keep the raw features (F,) of a decision for a while."""
        self.rows[decision_id] = row
        if len(self.rows) > _SITUATIONS:
            del self.rows[next(iter(self.rows))]

    def with_rows(self, logged: LoggedDecisions) -> LoggedDecisions:
        """Return those of the decisions that this worker remembers, with their raw features."""
        rows = [self.rows.get(decision_id) for decision_id in logged.decision_ids.tolist()]
        known = [place for place, row in enumerate(rows) if row is not None]
        width = len(self.runtime.journey.table.names)
        found = np.array([rows[place] for place in known], np.float64).reshape(len(known), width)
        return replace(logged.take(np.array(known, np.int64)), rows=found)

    def add(self, decision: Decision) -> None:
        """Count a decision at which there was a choice, or would have been but for the budget.

        Were those that it holds back not counted, nothing would be granted any more once it is used up.
        """
        held_back = not decision.holdout and BUDGET_USED_UP in decision.excluded.values()
        if decision.drawn is not None or held_back:
            self.decisions += 1
            self.spent += spending(decision, self.runtime.journey.interventions, self.runtime.journey.policy)

    def why_not(self) -> str | None:
        """Return why nothing may be shown now; None where the budget allows it."""
        now_us, timezone = self.runtime.now_us(), self.runtime.journey.timezone
        pace = self.pace.after(self.budget, self.decisions, self.spent, now_us, timezone)
        return None if pace.allows(self.budget, now_us, timezone) else BUDGET_USED_UP

    async def tell(self) -> None:
        """Add what was spent to what all have spent, and go by what that comes to."""
        runtime, store = self.runtime, PaceStore(self.runtime.engine, self.runtime.journey.name)
        decisions, spent, now_us = self.decisions, self.spent, self.runtime.now_us()

        def add(connection: Connection) -> Pace:
            known = store.read(connection)
            before = Pace() if known is None else Pace.from_json(known)
            after = before.after(self.budget, decisions, spent, now_us, runtime.journey.timezone)
            if known is None or decisions:
                store.keep(connection, after.to_json(), now_us)
            return after

        told = await runtime.commit(add)
        # What was decided meanwhile is told the next time.
        self.decisions, self.spent = self.decisions - decisions, self.spent - spent
        before, self.pace = self.pace.price, told
        runtime.metrics.budget_price.set(told.price)
        runtime.metrics.budget_spent.set(told.spent)
        if told.price != before:
            await charge(runtime)


def open_till(runtime: Runtime) -> None:
    """Go by the journey's budget from now on, if it has one, at the price that all workers know."""
    budget = runtime.journey.policy.budget
    if budget is None:
        return
    with runtime.engine.connect() as connection:
        known = PaceStore(runtime.engine, runtime.journey.name).read(connection)
    runtime.till = Till(runtime, budget, Pace() if known is None else Pace.from_json(known))
    if runtime.deciding is not None:
        runtime.decide_by(runtime.deciding, charged(runtime, runtime.deciding.policy))


async def charge(runtime: Runtime) -> None:
    """Let the policy that decides choose by the budget's price as it is now."""
    deciding = runtime.deciding
    if deciding is None:
        return
    policy = await asyncio.to_thread(charged, runtime, deciding.policy)
    if runtime.deciding is deciding:
        runtime.decide_by(deciding, policy)
    kept, trying = runtime.running, runtime.trying
    experiments = await asyncio.to_thread(charged_experiments, runtime, trying)
    if runtime.trying is trying:
        runtime.replace_experiments(kept, trying, experiments)


def charged(runtime: Runtime, policy: Policy) -> Policy:
    """Return a policy with the budget's price, ready to answer; for any thread."""
    if runtime.till is None:
        return policy
    journey = runtime.journey
    return warmed(with_price(policy, journey.interventions, journey.policy, runtime.till.pace.price), journey)


def charged_experiments(runtime: Runtime, found: tuple[RunningExperiment, ...]) -> tuple[RunningExperiment, ...]:
    """Return experiments whose variants' policies keep to the budget as the policy that decides does."""
    if runtime.till is None:
        return found
    return tuple(
        replace(one, policies={version: charged(runtime, policy) for version, policy in one.policies.items()})
        for one in found
    )


async def keep_budget(runtime: Runtime) -> None:
    """Tell the other workers what was spent, and hear it of them, every two seconds until cancelled."""
    till, unread = runtime.till, False
    while till is not None:
        try:
            await till.tell()
            unread = False
        except (SQLAlchemyError, WriterClosed) as error:
            if not unread:
                _LOG.warning("The budget cannot be read: %s", explain(error))
            unread = True
        await asyncio.sleep(_TELL_SECONDS)


async def plan_budget(duty: Duty) -> None:
    """Find the price anew that the latest decisions call for, until cancelled or the duty is another's."""
    while True:
        await replan_once(duty)
        await asyncio.sleep(_REPLAN_SECONDS)


async def replan_once(duty: Duty) -> None:
    """Find the price that the latest decisions call for; raises LeaseLost where the duty is another's by now."""
    runtime = duty.runtime
    journey, budget = runtime.journey, runtime.journey.policy.budget
    store = PaceStore(runtime.engine, journey.name)
    deciding = runtime.deciding
    if budget is None or deciding is None:
        return
    policy, till = _weighable(runtime, deciding.policy), runtime.till

    def weigh() -> tuple[FloatArray, FloatArray]:
        ground = ground_of(journey)
        with runtime.engine.connect() as connection:
            latest = latest_choices(connection, journey.name, _SITUATIONS)
        options = [one.name for one in journey.interventions]
        logged = gather(latest, options, ground.stages, ground.frictions)
        if till is not None and reads_features(policy):
            logged = till.with_rows(logged)
        values = policy.net_values(logged)
        return values, spending_of(values, logged, journey.interventions, journey.policy)

    values, spent = await asyncio.to_thread(weigh)

    def keep(connection: Connection) -> None:
        duty.confirm(connection)
        known = store.read(connection)
        pace = Pace() if known is None else Pace.from_json(known)
        planned = pace.replan(budget, values, spent)
        if planned.price != pace.price:
            store.keep(connection, planned.to_json(), runtime.now_us())

    await runtime.commit(keep)


def _weighable(runtime: Runtime, policy: Policy) -> WeighablePolicy:
    if isinstance(policy, PriorPolicy):
        return WeighablePriors(runtime.journey.policy, runtime.journey.interventions)
    return cast("WeighablePolicy", policy)
