"""Decision points: what can be seen at them, what would come of every option, and what choosing by it is worth."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from decisions.logged import BoolArray, LoggedDecisions
from decisions.off_policy.payoff import net_values
from decisions.segments import Segment
from features.events import FloatArray, IntArray
from journeys.journey import Journey

UNIFORM = "uniform"
MATERIAL = 0.01
"""A gain of less than this part of a goal's value makes no difference."""


@dataclass(frozen=True, slots=True)
class DecisionPoints:
    """N moments at which something could be shown, among A options, the oldest first; nobody has chosen yet.

    ``situations`` are what a policy sees, with uniform propensities over the eligible options and nothing chosen.
    ``true_goal`` (N, A) is the probability of the goal under each option, all latent things known; ``known_goal`` the
    best that can be known of it from what is visible. Both are NaN for what is not eligible.
    """

    journey: Journey
    situations: LoggedDecisions
    true_goal: FloatArray
    known_goal: FloatArray

    def __len__(self) -> int:
        return len(self.situations)

    @property
    def eligible(self) -> BoolArray:
        """(N, A) which options can be chosen; doing nothing always."""
        return self.situations.eligible

    def take(self, chosen: IntArray | BoolArray) -> "DecisionPoints":
        """Return some of the points, by places or by a mask."""
        return replace(
            self,
            situations=self.situations.take(chosen),
            true_goal=self.true_goal[chosen],
            known_goal=self.known_goal[chosen],
        )

    def net(self, goal: FloatArray) -> FloatArray:
        """Return the net value of each option (N, A) from the goal's probability, -inf for what is not eligible.

        That of the whole session: what a conversion brings, less what it and the option cost.
        """
        payoff = net_values(self.situations.options, self.journey.interventions, self.journey.policy)
        return np.where(self.eligible, payoff.expected(goal), -np.inf)

    @property
    def true_net(self) -> FloatArray:
        """(N, A) the net value of each option, all latent things known."""
        return self.net(self.true_goal)

    @property
    def known_net(self) -> FloatArray:
        """(N, A) the net value of each option as far as it can be known: choosing its highest is the best policy."""
        return self.net(self.known_goal)

    def value(self, odds: FloatArray) -> float:
        """Return the mean true net value of a session for whoever chooses with these probabilities (N, A)."""
        return float((odds * np.where(self.eligible, self.true_net, 0.0)).sum(axis=1).mean())

    def value_of(self, chosen: IntArray) -> float:
        """Return the mean true net value of a session for whoever chooses these options (N,)."""
        return float(self.true_net[np.arange(len(self)), chosen].mean())

    @property
    def never(self) -> float:
        """The mean net value of never showing anything."""
        return self.value_of(np.zeros(len(self), np.int64))

    @property
    def best(self) -> float:
        """The mean net value of the best policy on what is visible."""
        return self.value_of(self.known_net.argmax(axis=1))

    def uplift_share(self, value: float) -> float:
        """Return how much of what the best policy adds to never acting a mean net value adds to it."""
        return (value - self.never) / (self.best - self.never)

    def knapsack(self, gains: FloatArray, share: float) -> IntArray:
        """Return the options (N,) chosen where at most a share of people may be shown anything.

        By the gains (N, A) over doing nothing that somebody expects: the highest first, while there is one.
        """
        worth = np.where(self.eligible, gains, -np.inf)
        best = worth[:, 1:].max(axis=1)
        served = np.zeros(len(self), np.bool_)
        served[np.argsort(-best, kind="stable")[: int(share * len(self))]] = True
        return np.where(served & (best > 0), 1 + worth[:, 1:].argmax(axis=1), 0)

    def segments(self) -> dict[Segment, float]:
        """Return the shares of people whom acting helps or harms, by the truth; what is left makes no difference.

        Persuadable: some option's net value is higher than nothing's by 1 % of a goal's. Of the others, sleeping dogs:
        what can be shown lowers the probability of the goal by .01 on average; sure things reach it with .5 or more,
        lost causes with less than .05.
        """
        goal = self.true_goal[:, 0]
        gain = (self.true_net - self.true_net[:, :1])[:, 1:].max(axis=1)
        persuadable = gain >= MATERIAL * self.journey.policy.goal_value
        sleeping = ~persuadable & (np.nanmean(self.true_goal[:, 1:] - goal[:, None], axis=1) <= -0.01)
        rest = ~persuadable & ~sleeping
        return {
            Segment.PERSUADABLE: float(persuadable.mean()),
            Segment.SLEEPING_DOG: float(sleeping.mean()),
            Segment.SURE_THING: float((rest & (goal >= 0.5)).mean()),
            Segment.LOST_CAUSE: float((rest & (goal < 0.05)).mean()),
        }

    def log(self, odds: FloatArray, rng: np.random.Generator, version: str) -> LoggedDecisions:
        """Return the decisions of a policy that chooses with these probabilities (N, A), and what came of them."""
        drawn = rng.random(len(self))
        chosen = np.minimum((drawn[:, None] >= np.cumsum(odds, axis=1)).sum(axis=1), odds.shape[1] - 1)
        # A sum of one minus a rounding error must not choose what has no chance at all.
        chosen = np.where(odds[np.arange(len(self)), chosen] > 0, chosen, odds.argmax(axis=1))
        converted = rng.random(len(self)) < self.true_goal[np.arange(len(self)), chosen]
        versions = np.full(len(self), version, object)
        return replace(
            self.situations,
            propensities=odds,
            chosen=chosen,
            converted=converted.astype(np.float64),
            policy_versions=versions,
        )

    def log_uniformly(self, rng: np.random.Generator) -> LoggedDecisions:
        """Return decisions that were drawn evenly among the eligible options, and what came of them."""
        return self.log(self.situations.propensities, rng, UNIFORM)


def join_points(parts: Sequence[DecisionPoints]) -> DecisionPoints:
    """Return the points of several parts, one after the other."""
    first = parts[0]
    arrays: dict[str, Any] = {
        one.name: np.concatenate([getattr(part.situations, one.name) for part in parts])
        for one in fields(first.situations)
        if isinstance(getattr(first.situations, one.name), np.ndarray)
    }
    cohorts = {
        name: np.concatenate([part.situations.cohorts[name] for part in parts]) for name in first.situations.cohorts
    }
    return DecisionPoints(
        first.journey,
        replace(first.situations, **arrays, cohorts=cohorts),
        np.concatenate([part.true_goal for part in parts]),
        np.concatenate([part.known_goal for part in parts]),
    )
