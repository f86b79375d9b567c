"""What a decision is worth, as a function of the option and of whether the goal was reached."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from decisions.intervention import Intervention
from decisions.logged import costs
from decisions.policy import PolicySettings
from features.events import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Payoff:
    """A decision for option a brings ``per_goal[a]`` where the goal is reached, less ``spent[a]`` in any case: (A,)."""

    per_goal: FloatArray
    spent: FloatArray

    def of(self, converted: FloatArray, chosen: IntArray) -> FloatArray:
        """Return what each decision brought (N,)."""
        found: FloatArray = converted * self.per_goal[chosen] - self.spent[chosen]
        return found

    def expected(self, probabilities: FloatArray) -> FloatArray:
        """Return what each option is expected to bring (N, A), from the probabilities of the goal (N, A)."""
        found: FloatArray = probabilities * self.per_goal - self.spent
        return found


def goals(options: Sequence[str]) -> Payoff:
    """Return the payoff that counts goals alone."""
    return Payoff(np.ones(len(options)), np.zeros(len(options)))


def net_values(options: Sequence[str], interventions: Sequence[Intervention], settings: PolicySettings) -> Payoff:
    """Return the payoff in the journey's value unit: the worth of ``LoggedDecisions.worth``.

    Raises KeyError for an option that no intervention declares.
    """
    shown, if_converted = costs(options, interventions, settings)
    return Payoff(settings.goal_value - if_converted, shown)
