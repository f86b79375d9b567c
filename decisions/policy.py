"""The policy: what to recommend, by expected net value, with a known probability for every option."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from decisions.budget import Budget
from decisions.diagnosis import Blocker
from decisions.intervention import Intervention
from features.events import FloatArray

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
    ``only_matching`` keeps interventions for those whose named blockers they treat; without it the policy may offer
    whatever the stage allows, and learns what works for whom. ``nudge_within_seconds`` is the least time between two
    nudges of one person, over all channels, devices and sessions (``decisions.arbiter``). With ``learns`` the policy
    that learns decides from the first decision on, as long as no other version is live; without, the declared effects
    do, and it learns beside them. ``budget`` is the most that may be given in all, None for whatever is worth it.
    """

    goal_value: float
    low_risk: float = 0.5
    exploration: float = MAX_EXPLORATION
    holdout: float = 0.05
    annoyance: float = 0.0
    session_cap: int = 2
    messages_while_open: bool = False
    only_matching: bool = True
    learns: bool = False
    nudge_within_seconds: float = 300.0
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """What a policy sees of a session at the moment of a decision: nothing that came after, and nothing that was drawn.

    ``confidence`` maps every friction of the journey, by name, to the probability that a visitor who leaves now leaves
    for it, also where the diagnosis names none; ``row`` (F,) are the raw features, None where only the ledger is left.
    """

    stage: str | None
    risk: float
    blockers: tuple[Blocker, ...]
    confidence: Mapping[str, float]
    row: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One eligible intervention as the policy sees it; values are in the journey's value unit.

    ``deviation`` is the standard deviation of what is believed about the net value.
    """

    name: str
    expected_uplift: float
    net_value: float
    deviation: float = 0.0


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a policy makes of the eligible interventions.

    ``best`` (1 + N,) is the probability that each option is the best one, doing nothing first, as far as the policy
    knows; it sums to one. A policy without doubts has a single one in it.
    """

    options: tuple[Option, ...]
    best: FloatArray


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

    def assess(self, eligible: Sequence[Intervention], situation: Situation) -> Assessment:
        """Return what each eligible intervention is worth in a situation, and how likely each option is the best."""


@dataclass(frozen=True, slots=True)
class PriorPolicy:
    """Maximises expected net value from the effects that the journey declares, before any was measured."""

    settings: PolicySettings
    version: str = "priors-1"

    def assess(self, eligible: Sequence[Intervention], situation: Situation) -> Assessment:
        """Return each intervention's expected uplift and net value; the best is beyond doubt.

        The declared effect counts for the share of the blockers that the intervention treats, and cannot exceed the
        risk there is to take away.
        """
        found = []
        for intervention in eligible:
            treated = sum(blocker.share for blocker in situation.blockers if blocker.friction in intervention.treats)
            uplift = min(intervention.prior_effect * treated, situation.risk)
            value = net_value(intervention, uplift, 1.0 - situation.risk + uplift, self.settings)
            found.append(Option(intervention.name, uplift, value))
        return certain(found)


def certain(options: Sequence[Option]) -> Assessment:
    """Return the assessment of whoever takes net values for certain: the highest is best, doing nothing wins ties."""
    best = np.zeros(1 + len(options))
    best[np.argmax([0.0, *(option.net_value for option in options)])] = 1.0
    return Assessment(tuple(options), best)


def net_value(intervention: Intervention, uplift: float, converting: float, settings: PolicySettings) -> float:
    """Return what showing an intervention once is worth, in the journey's value unit.

    Net value = uplift x goal value - cost - annoyance - the cost of every conversion with it, those that would have
    come anyway included; ``converting`` is the probability of one with the intervention.
    """
    spent = intervention.cost + settings.annoyance + intervention.cost_if_converted * converting
    return uplift * settings.goal_value - spent


def choose(assessment: Assessment, exploration: float, drawn: float) -> Choice:
    """Return an option as likely as it is the best, and further ones for exploration, by ``drawn`` in [0, 1).

    With b an option's probability to be the best and n options, nothing included, its propensity is
    (1 - e) b + e (1 - b) / (n - 1): no option that is sure to be worse falls below e / (n - 1), and where one is sure
    to be best, the others have ``exploration`` e in all.
    """
    names = (NOTHING, *(option.name for option in assessment.options))
    best, others = assessment.best, len(names) - 1
    odds = (1.0 - exploration) * best + exploration * (1.0 - best) / others if others else np.ones(1)
    propensities = dict(zip(names, odds.tolist(), strict=True))
    likeliest = max(propensities, key=lambda name: propensities[name])
    # The likeliest goes first, so that a number drawn twice for policies that agree means the same choice.
    chosen, reached = likeliest, propensities[likeliest]
    for name in names:
        if drawn < reached:
            break
        if name != likeliest:
            chosen = name
            reached += propensities[name]
    return Choice(chosen, chosen != likeliest, assessment.options, propensities)
