"""A policy that keeps to a budget: the same beliefs, with the budget's price in what interventions cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from decisions.budget import priced
from decisions.decision import Decision
from decisions.intervention import Intervention
from decisions.policy import Assessment, Policy, PolicySettings, Situation

BUDGET_USED_UP = "the budget is used up for now"


@dataclass(frozen=True)
class PricedPolicy:
    """``policy`` with a price in its costs; ``dearer`` are the interventions by name as they cost with it."""

    policy: Policy
    dearer: Mapping[str, Intervention]
    price: float

    @property
    def version(self) -> str:
        """The policy's version with the price: with another one it could choose otherwise."""
        return f"{self.policy.version}@{self.price:.6g}"

    def assess(self, eligible: Sequence[Intervention], situation: Situation) -> Assessment:
        """Return what the policy makes of the eligible interventions at their price."""
        return self.policy.assess([self.dearer[intervention.name] for intervention in eligible], situation)


def with_price(policy: Policy, interventions: Sequence[Intervention], settings: PolicySettings, price: float) -> Policy:
    """Return a policy that chooses as the budget's price asks for; itself where it asks for nothing.

    Raises TypeError for a policy that does not know what it would cost.
    """
    if settings.budget is None or price == 0.0:
        return policy
    dearer, paying = priced(interventions, settings, price)
    parts = {name: value for name, value in (("settings", paying), ("interventions", dearer)) if hasattr(policy, name)}
    if "settings" not in parts:
        raise TypeError(f"a {type(policy).__name__} cannot be given a price: it has no settings")
    found: Policy = replace(cast("Any", policy), **parts)
    return PricedPolicy(found, {one.name: one for one in dearer}, price)


def spending(decision: Decision, interventions: Sequence[Intervention], settings: PolicySettings) -> float:
    """Return what a decision takes of the budget: one, or money, the discount as likely as the goal with it."""
    chosen = decision.recommendation
    if chosen is None or settings.budget is None:
        return 0.0
    if settings.budget.treated_share is not None:
        return 1.0
    [shown] = [one for one in interventions if one.name == chosen.intervention]
    converting = min(max(1.0 - decision.score.risk + chosen.expected_uplift, 0.0), 1.0)
    return shown.cost + shown.cost_if_converted * converting
