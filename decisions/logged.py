"""Decisions with what came of them, as arrays: what policies learn from, and what they are weighed on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from decisions.intervention import Intervention
from decisions.policy import NOTHING, Policy, PolicySettings
from features.events import FloatArray, IntArray

BoolArray = NDArray[np.bool_]
Texts = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class LoggedDecisions:
    """N decisions whose outcome is known, among A options, by S stages and K frictions; the oldest first.

    ``options`` begin with doing nothing. Where nothing could be chosen from, by low risk or in the holdout, that is the
    only option. A row with NaN in ``propensities`` was made at unknown odds.
    """

    options: tuple[str, ...]
    stages: tuple[str, ...]
    frictions: tuple[str, ...]
    decision_ids: Texts
    session_ids: Texts
    units: IntArray
    """(N,) a number for each person, or whatever chance went by: decisions of one are not independent."""
    at_us: IntArray
    stage: IntArray
    """(N,) places in ``stages``, -1 before the first."""
    risk: FloatArray
    confidence: FloatArray
    """(N, K) the probability that a visitor who leaves now leaves for a friction."""
    chosen: IntArray
    """(N,) places in ``options``."""
    propensities: FloatArray
    """(N, A) zero where an option was not eligible."""
    converted: FloatArray
    """(N,) 1 where the goal was reached in time, else 0."""
    holdout: BoolArray
    policy_versions: Texts
    cohorts: Mapping[str, Texts] = field(default_factory=dict)
    """(N,) each: what is known of people besides, such as their device; not what a policy goes by."""
    rows: FloatArray | None = None
    """(N, F) raw features at the moment of the decision, where they were read."""
    values: FloatArray | None = None
    """(N,) what the goal brought in money, where that was said; NaN elsewhere, None where nobody asked."""
    left_out: int = 0
    """How many further decisions chose among interventions that are no options any more."""
    learnt_through: int | None = None
    """The position of the last reward among them, where they come from the service's ledger."""

    def __post_init__(self) -> None:
        if self.options[:1] != (NOTHING,):
            raise ValueError(f"the first option is {NOTHING!r}, not {self.options[:1]}")

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def eligible(self) -> BoolArray:
        """(N, A) which options could have been chosen."""
        found: BoolArray = self.propensities > 0
        return found

    @property
    def propensity(self) -> FloatArray:
        """(N,) the probability of what was chosen."""
        found: FloatArray = self.propensities[np.arange(len(self)), self.chosen]
        return found

    def take(self, chosen: IntArray | BoolArray) -> "LoggedDecisions":
        """Return some of the decisions, by places or by a mask."""
        by_row = {
            one.name: getattr(self, one.name)[chosen]
            for one in fields(self)
            if isinstance(getattr(self, one.name), np.ndarray)
        }
        return replace(self, **by_row, cohorts={name: values[chosen] for name, values in self.cohorts.items()})

    def worth(self, interventions: Sequence[Intervention], settings: PolicySettings) -> FloatArray:
        """Return what each decision brought (N,), in the journey's value unit: goals less what was spent on them."""
        shown, if_converted = costs(self.options, interventions, settings)
        found: FloatArray = self.converted * (settings.goal_value - if_converted[self.chosen]) - shown[self.chosen]
        return found


def costs(
    options: Sequence[str], interventions: Sequence[Intervention], settings: PolicySettings
) -> tuple[FloatArray, FloatArray]:
    """Return what each option costs when it is shown, annoyance included, and what more if the goal is reached: (A,).

    Raises KeyError for an option that no intervention declares.
    """
    known = {intervention.name: intervention for intervention in interventions}
    shown = [0.0 if name == NOTHING else known[name].cost + settings.annoyance for name in options]
    converted = [0.0 if name == NOTHING else known[name].cost_if_converted for name in options]
    return np.array(shown), np.array(converted)


class WeighablePolicy(Policy, Protocol):
    """A policy that can be asked about many logged situations at once, to be weighed on what was logged.

    Both answers are those of :meth:`assess`, decision by decision; a test of each policy holds them equal.
    """

    def net_values(self, logged: LoggedDecisions) -> FloatArray:
        """Return the expected net value of each option (N, A), 0 for doing nothing, -inf for what was not eligible."""

    def best(self, logged: LoggedDecisions) -> FloatArray:
        """Return the probability that each option is the best one (N, A); zero for what was not eligible."""
