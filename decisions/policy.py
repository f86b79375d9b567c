"""The policy: what to recommend, by expected net value, with a known probability for every option."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from decisions.diagnosis import Blocker
from decisions.intervention import Intervention

NOTHING = "nothing"
"""The option of recommending nothing; its net value is 0."""
MAX_EXPLORATION = 0.04


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """What the recommendation maximises and how far it may explore.

    ``goal_value`` is what one goal is worth, in the unit of the interventions' costs. Below ``low_risk`` nothing is
    recommended. ``exploration`` is the total probability, over the eligible interventions, of not taking the best (at
    most .04); ``holdout`` the share of visitors who never see any intervention; ``annoyance`` the cost of interrupting
    at all; ``session_cap`` the most interventions a session may see. Messages (e-mail, SMS, push, ad) are for people
    who have left; ``messages_while_open`` says that they reach those on their way too: where a session lasts for days.
    """

    goal_value: float
    low_risk: float = 0.5
    exploration: float = MAX_EXPLORATION
    holdout: float = 0.05
    annoyance: float = 0.0
    session_cap: int = 2
    messages_while_open: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """One eligible intervention as the policy sees it; values are in the journey's value unit."""

    name: str
    expected_uplift: float
    net_value: float


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, with the probability of every option; ``propensities`` sum to one."""

    chosen: str
    explored: bool
    options: tuple[Option, ...]
    propensities: Mapping[str, float]


class Policy(Protocol):
    """What decides among eligible interventions."""

    @property
    def version(self) -> str:
        """A name that changes when any choice could change."""

    def options(self, eligible: Sequence[Intervention], blockers: Sequence[Blocker], risk: float) -> tuple[Option, ...]:
        """Return the expected uplift and net value of each eligible intervention."""


@dataclass(frozen=True, slots=True)
class PriorPolicy:
    """Maximises expected net value from the effects that the journey declares, before any was measured."""

    settings: PolicySettings
    version: str = "priors-1"

    def options(self, eligible: Sequence[Intervention], blockers: Sequence[Blocker], risk: float) -> tuple[Option, ...]:
        """Return each intervention's expected uplift and net value.

        The declared effect counts for the share of the blockers that the intervention treats, and cannot exceed the
        risk there is to take away.
        """
        found = []
        for intervention in eligible:
            treated = sum(blocker.share for blocker in blockers if blocker.friction in intervention.treats)
            uplift = min(intervention.prior_effect * treated, risk)
            value = net_value(intervention, uplift, 1.0 - risk + uplift, self.settings)
            found.append(Option(intervention.name, uplift, value))
        return tuple(found)


def net_value(intervention: Intervention, uplift: float, converting: float, settings: PolicySettings) -> float:
    """Return what showing an intervention once is worth, in the journey's value unit.

    Net value = uplift x goal value - cost - annoyance - the cost of every conversion with it, those that would have
    come anyway included; ``converting`` is the probability of one with the intervention.
    """
    spent = intervention.cost + settings.annoyance + intervention.cost_if_converted * converting
    return uplift * settings.goal_value - spent


def choose(options: Sequence[Option], exploration: float, drawn: float) -> Choice:
    """Return the best option, or with probability ``exploration`` in all one of the others, by ``drawn`` in [0, 1).

    Doing nothing is always an option, of value 0, and wins ties. The others share the exploration equally.
    """
    values = {NOTHING: 0.0} | {option.name: option.net_value for option in options}
    best = max(values, key=lambda name: values[name])
    others = [name for name in values if name != best]
    each = exploration / len(others) if others else 0.0
    propensities = dict.fromkeys(values, each) | {best: 1.0 - each * len(others)}
    chosen = best
    reached = propensities[best]
    for name in others:
        if drawn < reached:
            break
        chosen = name
        reached += propensities[name]
    return Choice(chosen, chosen != best, tuple(options), propensities)
