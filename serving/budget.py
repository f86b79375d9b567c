"""The budget in the service: all workers and replicas go by one price, and none spends beyond the limit of all.

What a decision takes is written in the transaction that puts it into the ledger, and such transactions wait for each
other. So two processes never grant the same last intervention, and one that is killed takes no spending with it.
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
_LISTEN_SECONDS = 2.0
_REPLAN_SECONDS = 10.0
_SITUATIONS = 1_000
"""So many of the latest decisions say what the price should be."""


class BudgetUsedUp(Exception):
    """Others have used up what a decision was going to take; ``pace`` is how far all have come."""

    def __init__(self, pace: Pace) -> None:
        super().__init__(BUDGET_USED_UP)
        self.pace = pace


@dataclass
class Till:
    """What one worker knows of a budget: the pace that all share, as it last saw it."""

    runtime: Runtime
    budget: Budget
    pace: Pace = field(default_factory=Pace)
    charged_price: float | None = None
    reserved: "dict[Taking, float]" = field(default_factory=dict)
    """What this worker's decisions are going to take that are on their way into the ledger."""
    rows: dict[str, FloatArray] = field(default_factory=dict)
    """What was seen at the latest decisions of this worker, by their ids: the ledger does not keep raw features."""

    @property
    def store(self) -> PaceStore:
        """Where the pace of all is kept."""
        return PaceStore(self.runtime.journey.name)

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

    def settle(self, connection: Connection, decision: Decision) -> Pace:
        """Take what a decision needs of the budget, in the transaction that keeps it, and return the pace of all.

        A decision counts at which there was a choice, or would have been but for the budget: were those that it holds
        back not counted, nothing would be granted any more once it is used up. Raises :class:`BudgetUsedUp` where
        others have spent meanwhile what this one was going to.
        """
        journey, now_us = self.runtime.journey, self.runtime.now_us()
        known = self.store.read(connection)
        before = Pace() if known is None else Pace.from_json(known)
        held_back = not decision.holdout and BUDGET_USED_UP in decision.excluded.values()
        if decision.drawn is None and not held_back:
            return before
        taking = spending(decision, journey.interventions, journey.policy)
        # The grant of this very decision comes after it, as for one process alone.
        now = before.after(self.budget, 0, 0.0, now_us, journey.timezone)
        if taking and not now.allows(self.budget, now_us, journey.timezone, taking):
            raise BudgetUsedUp(now)
        after = before.after(self.budget, 1, taking, now_us, journey.timezone)
        self.store.keep(connection, after.to_json(), now_us)
        return after

    def why_not(self) -> str | None:
        """Return why nothing may be shown now; None where the budget allows it."""
        now_us, timezone = self.runtime.now_us(), self.runtime.journey.timezone
        pace = self.pace.after(self.budget, 0, sum(self.reserved.values()), now_us, timezone)
        return None if pace.allows(self.budget, now_us, timezone) else BUDGET_USED_UP

    async def listen(self) -> None:
        """Hear how far all have come, and go by their price."""
        told = await asyncio.to_thread(self.read)
        self.pace = told
        self.runtime.metrics.duties.budget_price.set(told.price)
        self.runtime.metrics.duties.budget_spent.set(told.spent)
        if told.price != self.charged_price:
            self.charged_price = told.price
            await charge(self.runtime)

    def read(self) -> Pace:
        """Return how far all have come; for any thread."""
        with self.runtime.engine.connect() as connection:
            known = self.store.read(connection)
        return Pace() if known is None else Pace.from_json(known)


class Taking:
    """What one decision takes of a budget, where there is one; to be entered while it is made and kept.

    It is reserved as long, so that the worker's next decisions know of it before it is in the ledger.
    """

    def __init__(self, till: Till | None) -> None:
        self._till = till
        self._pace: Pace | None = None

    def __enter__(self) -> "Taking":
        return self

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if self._till is None:
            return
        self._till.reserved.pop(self, None)
        found = error.pace if isinstance(error, BudgetUsedUp) else self._pace if error is None else None
        if found is not None:
            self._till.pace = found

    def reserve(self, decision: Decision) -> Decision:
        """Reserve what a decision is going to take, in place of what an earlier attempt was, and return it."""
        if self._till is not None:
            journey = self._till.runtime.journey
            self._till.reserved[self] = spending(decision, journey.interventions, journey.policy)
        return decision

    def settle(self, connection: Connection, decision: Decision) -> None:
        """Take it, in the transaction that keeps the decision; raises :class:`BudgetUsedUp`."""
        if self._till is not None:
            self._pace = self._till.settle(connection, decision)


def open_till(runtime: Runtime) -> None:
    """Go by the journey's budget from now on, if it has one, at the price that all workers know."""
    budget = runtime.journey.policy.budget
    if budget is None:
        return
    till = runtime.till = Till(runtime, budget)
    till.pace = till.read()
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
    """Hear what all have spent, and at which price, every two seconds until cancelled."""
    till, unread = runtime.till, False
    while till is not None:
        try:
            await till.listen()
            unread = False
        except (SQLAlchemyError, WriterClosed) as error:
            if not unread:
                _LOG.warning("The budget cannot be read: %s", explain(error))
            unread = True
        await asyncio.sleep(_LISTEN_SECONDS)


async def plan_budget(duty: Duty) -> None:
    """Find the price anew that the latest decisions call for, until cancelled or the duty is another's."""
    while True:
        await replan_once(duty)
        await asyncio.sleep(_REPLAN_SECONDS)


async def replan_once(duty: Duty) -> None:
    """Find the price that the latest decisions call for; raises LeaseLost where the duty is another's by now."""
    runtime = duty.runtime
    journey, budget = runtime.journey, runtime.journey.policy.budget
    store = PaceStore(journey.name)
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
