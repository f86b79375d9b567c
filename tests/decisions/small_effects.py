"""Logged decisions of a small shop in which it is known what every intervention does."""

from dataclasses import replace

import numpy as np
from small_shop import offer

from decisions.logged import LoggedDecisions
from decisions.policy import NOTHING, PolicySettings
from decisions.posterior import Posterior
from features.events import FloatArray
from features.friction import Friction

STAGES = ("browse", "pay")
FRICTIONS = ("form", "payment", "price")
SETTINGS = PolicySettings(goal_value=20.0, low_risk=0.5, annoyance=0.05, only_matching=False)
INTERVENTIONS = (
    offer("form_help", Friction.FORM, effect=0.08, cost=0.1),
    offer("other_way", Friction.PAYMENT, effect=0.08, cost=0.1),
    replace(offer("discount", Friction.PRICE, effect=0.05, cost=0.0, cost_if_converted=2.0), stages=("pay",)),
)
OPTIONS = (NOTHING, *(intervention.name for intervention in INTERVENTIONS))
TRUE_EFFECTS = np.array([[0.0, 0.0, 0.0], [1.5, 0.0, 0.0], [0.0, 1.5, 0.0], [0.0, 0.0, 1.0]])
"""(A, K) what each option adds to the log-odds, by the confidence in each friction."""


def start(**options: float) -> Posterior:
    return Posterior.start(INTERVENTIONS, SETTINGS, STAGES, FRICTIONS, **options)


def situations(size: int, seed: int) -> LoggedDecisions:
    """Return decisions drawn evenly among what is eligible, with nothing chosen yet."""
    rng = np.random.default_rng(seed)
    stage = rng.integers(0, 2, size)
    eligible = np.ones((size, len(OPTIONS)))
    eligible[stage == 0, 3] = 0.0
    ids = np.array([f"{number:07}" for number in range(size)], object)
    return LoggedDecisions(
        options=OPTIONS,
        stages=STAGES,
        frictions=FRICTIONS,
        decision_ids=ids,
        session_ids=ids,
        units=np.arange(size),
        at_us=np.arange(size) * 60_000_000,
        stage=stage,
        risk=rng.uniform(0.55, 0.95, size),
        confidence=rng.dirichlet(np.full(len(FRICTIONS) + 1, 0.5), size)[:, :-1],
        chosen=np.zeros(size, np.int64),
        propensities=eligible / eligible.sum(axis=1, keepdims=True),
        converted=np.zeros(size),
        holdout=np.zeros(size, np.bool_),
        policy_versions=np.full(size, "uniform", object),
    )


def goal_odds(logged: LoggedDecisions, effects: FloatArray = TRUE_EFFECTS, everywhere: float = 0.0) -> FloatArray:
    """Return the true probability of the goal with each option (N, A); ``everywhere`` is added for interventions."""
    margin = np.log((1 - logged.risk) / logged.risk)[:, None] + logged.confidence @ effects.T
    margin[:, 1:] += everywhere
    odds: FloatArray = 1 / (1 + np.exp(-margin))
    return odds


def carry_out(
    logged: LoggedDecisions, seed: int, odds: FloatArray | None = None, goal: FloatArray | None = None
) -> LoggedDecisions:
    """Return the decisions as chosen with these odds, those logged by default, and what came of them."""
    rng = np.random.default_rng([seed, 1])
    odds = logged.propensities if odds is None else odds
    goal = goal_odds(logged) if goal is None else goal
    chosen = (odds.cumsum(axis=1) < rng.random(len(logged))[:, None]).sum(axis=1)
    converted = rng.random(len(logged)) < goal[np.arange(len(logged)), chosen]
    return replace(logged, chosen=chosen, propensities=odds, converted=converted.astype(np.float64))
