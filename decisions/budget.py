"""The budget: who gets an intervention when there is not enough for all for whom one would pay.

Showing option a to somebody brings the net value v_a and takes s_a of the budget. Who maximises the sum of v under a
sum of s solves a fractional knapsack, and at its optimum everybody gets the option with the highest v_a - price x s_a,
nothing where none is above zero (Dantzig, Operations Research 5, 1957). The price is the budget's shadow price: found
on recent situations, and found anew as the pace of spending is seen (re-solving; Jasin and Kumar, Mathematics of
Operations Research 37, 2012). It is added to what interventions cost, so that every policy keeps to it unawares.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from features.events import US_PER_SECOND, FloatArray

if TYPE_CHECKING:
    from decisions.intervention import Intervention
    from decisions.logged import LoggedDecisions
    from decisions.policy import PolicySettings

BURST = 20.0
"""Interventions that may be shown beyond the share so far: treated <= share x decisions + 20 at any moment."""
LEAD = 0.1
"""Share of a day's money that may be spent ahead of the clock; never more than the day's in the whole day."""
CATCH_UP = 2_000.0
"""Decisions over which what was spent too much or too little is made up for."""
_DAY_SECONDS = 86_400.0
_BISECTIONS = 60


class BudgetError(ValueError):
    """A budget that cannot be kept to; one sentence that says what to write."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that may be given: a share of the decisions at which there is a choice, or money a day.

    Exactly one of ``treated_share`` (0 to 1) and ``spending_per_day`` (in the unit of the interventions' costs, from
    one midnight in the journey's time zone to the next). Money is ``cost`` and ``cost_if_converted``; annoyance is not.
    """

    treated_share: float | None = None
    spending_per_day: float | None = None

    @property
    def money(self) -> float:
        """Money a day; raises :class:`BudgetError` for a budget that is a share."""
        if self.spending_per_day is None:
            raise BudgetError("the budget is a share of decisions, not money a day")
        return self.spending_per_day

    def check(self) -> None:
        """Raise :class:`BudgetError` for a budget that makes no sense."""
        if (self.treated_share is None) == (self.spending_per_day is None):
            raise BudgetError("write either Budget(treated_share=...) or Budget(spending_per_day=...)")
        if self.treated_share is not None and not 0 < self.treated_share <= 1:
            raise BudgetError(f"treated_share={self.treated_share!r} is a share of decisions, above 0 and at most 1")
        if self.spending_per_day is not None and not 0 < self.spending_per_day < math.inf:
            raise BudgetError(f"spending_per_day={self.spending_per_day!r} must be positive: money a day")


@dataclass(frozen=True, slots=True)
class Pace:
    """How far a budget has been used, and its price; a new one for each batch of decisions, small enough to be kept.

    ``price`` is in value per decision treated, or in value per unit of money. ``granted`` and ``spent`` are in the unit
    of the budget: since the start for a share, since midnight for money a day. ``day`` is the day that they are of.
    """

    price: float = 0.0
    decisions: int = 0
    granted: float = 0.0
    spent: float = 0.0
    day: str = ""
    decisions_a_day: float = 0.0
    """How many decisions a day brings, as the days so far were; 0 before the first day is over."""

    def after(self, budget: Budget, decisions: int, spent: float, at_us: int, timezone: str = "UTC") -> "Pace":
        """Return the pace after further decisions with a choice, which used up ``spent`` of the budget by ``at_us``."""
        if budget.treated_share is not None:
            granted = self.granted + budget.treated_share * decisions
            return replace(self, decisions=self.decisions + decisions, granted=granted, spent=self.spent + spent)
        day, elapsed = _of_day(at_us, timezone)
        granted = budget.money * elapsed
        if day == self.day:
            return replace(self, decisions=self.decisions + decisions, granted=granted, spent=self.spent + spent)
        before = float(self.decisions) if self.day else 0.0
        a_day = before if not self.decisions_a_day else (self.decisions_a_day + before) / 2
        return replace(self, decisions=decisions, granted=granted, spent=spent, day=day, decisions_a_day=a_day)

    def allows(self, budget: Budget, at_us: int, timezone: str = "UTC", taking: float = 0.0) -> bool:
        """Whether anything may be shown now: the limit that holds however wrong the price is.

        ``taking`` is what it would take of the money, which never comes to more than the day's.
        """
        if budget.treated_share is not None:
            return self.spent + 1.0 <= self.granted + BURST
        day, elapsed = _of_day(at_us, timezone)
        spent = self.spent if day == self.day else 0.0
        return spent < budget.money * min(1.0, elapsed + LEAD) and spent + taking <= budget.money

    def replan(self, budget: Budget, values: FloatArray, spending: FloatArray) -> "Pace":
        """Return the pace with the price that recent situations call for.

        ``values`` (N, A) are net values at no price, -inf for what was not eligible; ``spending`` (N, A) what each
        option takes of the budget. What was spent too much or too little so far is made up for.
        """
        if not len(values):
            return self
        if budget.treated_share is not None:
            rate = budget.treated_share
        else:
            rate = budget.money / max(self.decisions_a_day or self.decisions, 1.0)
        target = min(max(rate + (self.granted - self.spent) / CATCH_UP, 0.25 * rate), 4.0 * rate)
        return replace(self, price=fair_price(values, spending, target))

    def to_json(self) -> str:
        """Return it as a text."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "Pace":
        """Return the pace that :meth:`to_json` wrote."""
        return Pace(**json.loads(text))


def fair_price(values: FloatArray, spending: FloatArray, rate: float) -> float:
    """Return the least price at which situations (N, A) take no more than ``rate`` of the budget each on average.

    Everybody takes the option with the highest value - price x spending, the first, doing nothing, where it ties.
    """

    def taken(price: float) -> float:
        chosen = (values - price * spending).argmax(axis=1)
        return float(spending[np.arange(len(values)), chosen].mean())

    if taken(0.0) <= rate:
        return 0.0
    spends = (spending > 0) & np.isfinite(values)
    low, high = 0.0, float(np.max(values[spends] / spending[spends])) * (1.0 + 1e-9)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if taken(middle) <= rate else (middle, high)
    return high


def spending_of(
    values: FloatArray, logged: "LoggedDecisions", interventions: Sequence["Intervention"], settings: "PolicySettings"
) -> FloatArray:
    """Return what each option would take of the budget (N, A), where it is worth ``values`` (N, A) at no price.

    A net value says what the goal's probability is with the option: (value + shown + p0 x if converted) / (goal value -
    if converted) above the risk model's p0.
    """
    from decisions.logged import costs

    budget = settings.budget
    if budget is None or budget.treated_share is not None:
        found = np.ones(values.shape)
    else:
        shown, if_converted = costs(logged.options, interventions, settings)
        without = 1.0 - logged.risk[:, None]
        uplift = (np.where(np.isfinite(values), values, 0.0) + shown + if_converted * without) / (
            settings.goal_value - if_converted
        )
        money = np.maximum(shown - settings.annoyance, 0.0)
        found = money + if_converted * np.clip(without + uplift, 0.0, 1.0)
    found[:, 0] = 0.0
    return found


def priced(
    interventions: Sequence["Intervention"], settings: "PolicySettings", price: float
) -> tuple[tuple["Intervention", ...], "PolicySettings"]:
    """Return the declarations with a budget's price in their costs, by which any policy keeps to the budget.

    A price of a treatment is one more cost of interrupting; a price of money makes all of it dearer by that factor.
    """
    if settings.budget is None or price == 0.0:
        return tuple(interventions), settings
    if settings.budget.treated_share is not None:
        return tuple(interventions), replace(settings, annoyance=settings.annoyance + price)
    dearer = tuple(
        replace(
            intervention,
            cost=intervention.cost * (1.0 + price),
            cost_if_converted=intervention.cost_if_converted * (1.0 + price),
        )
        for intervention in interventions
    )
    return dearer, settings


def _of_day(at_us: int, timezone: str) -> tuple[str, float]:
    """Return the day of a moment in a time zone, and which share of it is over."""
    local = datetime.fromtimestamp(at_us / US_PER_SECOND, ZoneInfo(timezone))
    elapsed = local.hour * 3_600 + local.minute * 60 + local.second + local.microsecond / US_PER_SECOND
    return local.date().isoformat(), elapsed / _DAY_SECONDS
