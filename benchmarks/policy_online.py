"""Learning while deciding, from the first decision on; outcomes become known some thousand decisions later."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.policy_learners import Setup
from decisions.bayes_policy import BayesPolicy
from decisions.logged import LoggedDecisions
from decisions.off_policy.targets import deployed
from decisions.posterior import Posterior
from features.events import FloatArray
from training.simulator.decision_points import DecisionPoints

BATCH = 1_000
"""So many outcomes are learnt from at once."""
DELAY = 3_000
"""So many later decisions have been made by the time an outcome is known."""


@dataclass(frozen=True, slots=True)
class Online:
    """What a policy was worth batch by batch, (B,) each, in mean true net value of a decision.

    ``acted`` is the probability that something was shown, ``explored`` what of it exploration alone would have shown.
    """

    value: FloatArray
    never: FloatArray
    best: FloatArray
    acted: FloatArray
    explored: FloatArray

    @property
    def share(self) -> float:
        """1 - regret / (best - never), over all decisions."""
        return float((self.value - self.never).mean() / (self.best - self.never).mean())

    @property
    def shares(self) -> FloatArray:
        """(B,) the same by batch, in the mean difference between best and never, which varies less."""
        found: FloatArray = (self.value - self.never) / (self.best - self.never).mean()
        return found


def decide_online(
    setup: Setup, points: DecisionPoints, *, seed: int, on_batch: Callable[[float], None] = lambda _share: None
) -> Online:
    """Let the Bayesian policy decide at one point after the other, exploration included, and learn as outcomes come."""
    settings = setup.journey.policy
    posterior = Posterior.start(setup.interventions, settings, points.situations.stages, points.situations.frictions)
    rng = np.random.default_rng([seed, 17])
    found: list[tuple[float, ...]] = []
    waiting: list[tuple[int, LoggedDecisions]] = []
    for number, start in enumerate(range(0, len(points) - BATCH + 1, BATCH)):
        while waiting and waiting[0][0] <= start:
            posterior = posterior.learn(waiting.pop(0)[1])
        here = points.take(np.arange(start, start + BATCH))
        policy = BayesPolicy(posterior, setup.interventions, settings, f"benchmark-{number}")
        odds = deployed(policy, here.situations, settings.exploration)
        waiting.append((start + BATCH + DELAY, here.log(odds, rng, policy.version)))
        explored = settings.exploration * float(here.eligible[:, 1:].any(axis=1).mean())
        found.append((here.value(odds), here.never, here.best, float((1 - odds[:, 0]).mean()), explored))
        on_batch((start + BATCH) / len(points))
    return Online(*(np.array(column) for column in zip(*found, strict=True)))
