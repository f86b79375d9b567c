"""Decisions made up with known effects, for the tests of effects."""

from collections.abc import Mapping

import numpy as np

from decisions.logged import LoggedDecisions
from decisions.policy import NOTHING
from features.events import FloatArray

OPTIONS = (NOTHING, "other_payment", "free_delivery", "live_chat")
FRICTIONS = ("payment", "shipping", "information")
STAGES = ("cart", "payment")


def make_decisions(
    count: int,
    effects: Mapping[tuple[str, str], float],
    *,
    seed: int = 1,
    base: float = 0.2,
    skewed: bool = False,
) -> LoggedDecisions:
    """Return decisions among all options; ``effects`` maps (blocker, intervention) to the rise of the goal's odds.

    With ``skewed``, interventions are likelier where the goal is.
    """
    rng = np.random.default_rng(seed)
    blocker = rng.integers(0, len(FRICTIONS), count)
    goal = np.clip(base + 0.1 * rng.standard_normal(count), 0.02, 0.6)
    odds = np.ones((count, len(OPTIONS)))
    if skewed:
        odds[:, 1:] *= (10 * goal)[:, None]
    propensities = odds / odds.sum(axis=1, keepdims=True)
    chosen = (rng.random(count)[:, None] > np.cumsum(propensities, axis=1)).sum(axis=1)
    rise = np.array([[effects.get((friction, option), 0.0) for option in OPTIONS] for friction in FRICTIONS])
    converted = rng.random(count) < np.clip(goal + rise[blocker, chosen], 0, 1)
    confidence: FloatArray = np.full((count, len(FRICTIONS)), 0.05)
    confidence[np.arange(count), blocker] = 0.7
    ids = np.array([f"d{number:06}" for number in range(count)], object)
    return LoggedDecisions(
        options=OPTIONS,
        stages=STAGES,
        frictions=FRICTIONS,
        decision_ids=ids,
        session_ids=ids,
        units=np.arange(count),
        at_us=1_700_000_000_000_000 + np.arange(count) * 60_000_000,
        stage=rng.integers(0, 2, count),
        risk=1 - goal,
        confidence=confidence,
        chosen=chosen,
        propensities=propensities,
        converted=converted.astype(np.float64),
        values=np.full(count, np.nan),
        holdout=np.zeros(count, np.bool_),
        policy_versions=np.full(count, "uniform", object),
        cohorts={"device": np.array(["phone", "desktop"], object)[rng.integers(0, 2, count)]},
    )
