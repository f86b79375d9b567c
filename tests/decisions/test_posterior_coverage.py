"""Intervals of what is learnt hold what is true as often as they say, whoever chose the decisions."""

from dataclasses import replace

import numpy as np
import pytest
from small_effects import INTERVENTIONS, SETTINGS, carry_out, situations, start

from decisions.bayes_policy import BayesPolicy
from decisions.logged import LoggedDecisions
from decisions.posterior import Posterior
from features.events import FloatArray

Z_90 = 1.6449
ROUNDS = 24


def taus(numbers: FloatArray, asked: LoggedDecisions) -> FloatArray:
    """What each intervention adds to the log-odds in each situation (R, A - 1)."""
    terms = start().terms
    features, _ = terms.situations(asked)
    found: FloatArray = features @ terms.coefficients(numbers[:, None])[1:, :, 0].T
    return found


def goal_of(numbers: FloatArray, logged: LoggedDecisions) -> FloatArray:
    terms = start().terms
    features, offset = terms.situations(logged)
    base = offset + features @ terms.coefficients(numbers[:, None])[0, :, 0]
    goal: FloatArray = 1 / (1 + np.exp(-np.column_stack([base, base[:, None] + taus(numbers, logged)])))
    return goal


def learn_uniformly(numbers: FloatArray, seed: int) -> Posterior:
    logged = situations(2_000, seed)
    return start().learn(carry_out(logged, seed, goal=goal_of(numbers, logged)))


def learn_while_deciding(numbers: FloatArray, seed: int) -> Posterior:
    posterior = start()
    for number in range(5):
        logged = situations(250, 1_000 * seed + number)
        best = BayesPolicy(posterior, INTERVENTIONS, SETTINGS, f"{seed}.{number}").best(logged)
        odds = 0.96 * best + 0.04 * logged.propensities
        ids = np.array([f"{number}-{place}" for place in range(250)], object)
        decided = carry_out(replace(logged, session_ids=ids), 1_000 * seed + number, odds, goal_of(numbers, logged))
        posterior = posterior.learn(decided)
    return posterior


@pytest.mark.parametrize("learn", [learn_uniformly, learn_while_deciding])
def test_nine_in_ten_intervals_at_ninety_percent_hold_the_truth(learn: object) -> None:
    assert callable(learn)
    asked = situations(20, 999)
    standard = np.random.default_rng(5).standard_normal((start().terms.size, ROUNDS))
    # The truth is what the prior thinks possible, so that the posterior's intervals have to be right on average.
    truths = start().draws(standard)
    held, errors = [], []
    for place in range(ROUNDS):
        true = truths[:, place]
        posterior = learn(true, place)
        drawn = posterior.draws(np.random.default_rng(6).standard_normal((len(true), 200)))
        each = np.stack([taus(drawn[:, draw], asked) for draw in range(200)])
        z = (taus(true, asked) - each.mean(axis=0)) / each.std(axis=0)
        held.append((np.abs(z) < Z_90)[asked.eligible[:, 1:]].mean())
        errors.append(z[asked.eligible[:, 1:]].mean())
    # 24 rounds: effects within one are alike, so that the mean of a round's shares has a standard error of some .04.
    assert 0.8 < np.mean(held) < 0.98
    assert abs(np.mean(errors)) < 3.5 * np.std(errors) / np.sqrt(ROUNDS)
