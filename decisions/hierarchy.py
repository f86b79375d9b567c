"""The hierarchy: how far the learnt numbers of one group spread, learnt from the numbers themselves.

Number j of group g is normal with mean m_j and standard deviation spread_g x scale_j. The spreads maximise the marginal
likelihood by MacKay's fixed point (Bayesian interpolation, Neural Computation 4, 1992, eq. 4.10): a group has as many
well-determined numbers as gamma_g = sum_j (1 - V_jj / (spread_g scale_j)^2), V the posterior's covariance, and

    spread_g^2 = (k start_g^2 + sum_j ((theta_j - m_j) / scale_j)^2) / (k + gamma_g)

where k :data:`PSEUDO_NUMBERS` as large as the start stand for what is believed before.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from decisions.effect_terms import ACTING, BASE, DECLARED, GROUPS, MARGIN, OVERALL, STAGE, TREATED, UNTREATED, Terms
from features.events import FloatArray

STARTING_SPREADS: Mapping[int, float] = {
    BASE: 0.5,
    ACTING: 0.05,
    DECLARED: 1.5,
    OVERALL: 0.1,
    TREATED: 1.0,
    UNTREATED: 0.1,
    STAGE: 0.03,
    MARGIN: 0.03,
}
"""In log-odds; of TREATED, in the declared deviation of each effect; of DECLARED, in the declared effects."""
LEARNT = (OVERALL, TREATED, UNTREATED, STAGE, MARGIN)
"""The groups whose spread is learnt; the others have few numbers, on which there is much evidence soon."""
PSEUDO_NUMBERS = 4.0
INTERRUPTION = 4.0
"""How much further what any intervention does everywhere may be from nothing than the rest of ``ACTING``."""
LEAST_DEVIATION = 0.05
"""Log-odds; a declaration without any doubt would never be given up."""
NOTHING_WORKS = 0.5
"""Probability, before any decision, that no intervention of the journey does anything to anybody."""
MOST_ROUNDS = 60
CLOSE_ENOUGH = 2e-3
"""Relative change of every spread at which the fixed point is reached."""


@dataclass(frozen=True)
class Belief:
    """A normal distribution of the D numbers; ``root`` (D, D) is the lower Cholesky root of its precision."""

    mean: FloatArray
    root: FloatArray


def prior_mean(terms: Terms) -> FloatArray:
    """Return what is believed of the numbers (D,) before any decision: the declarations hold as they stand."""
    found = np.zeros(terms.size)
    found[terms.group == DECLARED] = 1.0
    return found


def scales(terms: Terms) -> FloatArray:
    """Return the standard deviation of each number (D,) in units of its group's spread."""
    found = np.ones(terms.size)
    found[terms.width] = INTERRUPTION
    for intervention, places in zip(terms.interventions, terms.own_places, strict=True):
        mine = found[places]
        treated = terms.group[places] == TREATED
        mine[treated] = max(terms.in_log_odds(intervention.deviation), LEAST_DEVIATION)
    return found


def starting_spreads() -> FloatArray:
    """Return the spread of each group before any decision."""
    return np.array([STARTING_SPREADS[group] for group in range(len(GROUPS))])


def prior_precision(terms: Terms, spreads: FloatArray) -> FloatArray:
    """Return the prior's precision of each number (D,)."""
    found: FloatArray = (spreads[terms.group] * scales(terms)) ** -2.0
    return found


def believe(terms: Terms, spreads: FloatArray, precision: FloatArray, shift: FloatArray) -> Belief:
    """Return the posterior of evidence in information form: ``precision`` (D, D) and ``shift`` (D,)."""
    before = prior_precision(terms, spreads)
    total = precision + np.diag(before)
    mean = np.linalg.solve(total, shift + before * prior_mean(terms))
    return Belief(np.asarray(mean, np.float64), np.asarray(np.linalg.cholesky(total), np.float64))


def nothing_works(terms: Terms, spreads: FloatArray, belief: Belief) -> float:
    """Return the probability that no intervention does anything: that all numbers but the base are zero.

    By the density of zero after the evidence over that before it, which is the Bayes factor of the two models (Savage
    and Dickey; Dickey, Annals of Mathematical Statistics 42, 1971).
    """
    width = terms.width
    # The root's last block is that of the precision of what is not the base, the base integrated out.
    root = belief.root[width:, width:]
    after = np.log(np.diag(root)).sum() - ((root.T @ belief.mean[width:]) ** 2).sum() / 2
    precision, centre = prior_precision(terms, spreads)[width:], prior_mean(terms)[width:]
    before = (np.log(precision) - precision * centre**2).sum() / 2
    log_odds = np.log(NOTHING_WORKS / (1.0 - NOTHING_WORKS)) + after - before
    return float(1.0 / (1.0 + np.exp(-np.clip(log_odds, -500.0, 500.0))))


def learn_spreads(terms: Terms, spreads: FloatArray, precision: FloatArray, shift: FloatArray) -> FloatArray:
    """Return the spreads at the fixed point that the evidence and the start lead to."""
    start, scale, centre = starting_spreads(), scales(terms), prior_mean(terms)
    for _ in range(MOST_ROUNDS):
        before = prior_precision(terms, spreads)
        covariance = np.linalg.inv(precision + np.diag(before))
        mean = covariance @ (shift + before * centre)
        determined = 1.0 - np.diag(covariance) * before
        squares = ((mean - centre) / scale) ** 2
        found = spreads.copy()
        for group in LEARNT:
            mine = terms.group == group
            found[group] = np.sqrt(
                (PSEUDO_NUMBERS * start[group] ** 2 + squares[mine].sum()) / (PSEUDO_NUMBERS + determined[mine].sum())
            )
        done = np.allclose(found, spreads, rtol=CLOSE_ENOUGH, atol=0.0)
        spreads = found
        if done:
            break
    return spreads
