"""The estimators: each gives a number for every decision, whose mean is the estimate.

With t the target's propensities (N, A), p those of the log, w = t / p at what was chosen, r what the decision brought
and q(x, a) what the outcome model expects:

* DM (direct method): sum_a t(a) q(x, a)
* IPS (inverse propensity scores; Horvitz and Thompson 1952): w r
* SNIPS (self-normalised; Swaminathan and Joachims 2015): mean(w r) / mean(w)
* DR (doubly robust; Dudik, Langford and Li 2011, equation 2): sum_a t(a) q(x, a) + w (r - q)
* SWITCH-DR (Wang, Agarwal and Dudik 2017, section 3): DR where w <= tau, DM beyond

IPS and DR are unbiased where the log has support wherever the target acts.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from decisions.logged import LoggedDecisions
from decisions.off_policy.outcomes import Outcomes
from decisions.off_policy.payoff import Payoff
from features.events import FloatArray, IntArray

_CANDIDATES = 21


class Estimator(StrEnum):
    """A way to weigh a policy on another one's log."""

    DM = "DM"
    IPS = "IPS"
    SNIPS = "SNIPS"
    DR = "DR"
    SWITCH_DR = "SWITCH-DR"


@dataclass(frozen=True, slots=True)
class Scores:
    """Numbers for every decision (N,), whose mean is the estimate; ``threshold`` is SWITCH's, else infinite."""

    values: FloatArray
    threshold: float = np.inf


def weights(logged: LoggedDecisions, target: FloatArray) -> FloatArray:
    """Return how much likelier the target was to choose what was chosen (N,)."""
    found: FloatArray = target[np.arange(len(logged)), logged.chosen] / logged.propensity
    return found


def score(
    estimator: Estimator, logged: LoggedDecisions, target: FloatArray, payoff: Payoff, outcomes: Outcomes
) -> Scores:
    """Return the scores of one estimator; ``target`` (N, A) are the propensities of the policy that is weighed."""
    brought, weight = payoff.of(logged.converted, logged.chosen), weights(logged, target)
    if estimator is Estimator.IPS:
        return Scores(weight * brought)
    if estimator is Estimator.SNIPS:
        total = weight.sum()
        mean = float(weight @ brought / total) if total else 0.0
        # Its linearisation: the mean is SNIPS itself, the spread that of its influence function.
        return Scores(mean + weight * (brought - mean) * (len(logged) / total if total else 0.0))
    expected = payoff.expected(outcomes.probabilities)
    direct: FloatArray = (target * expected).sum(axis=1)
    if estimator is Estimator.DM:
        learnt = outcomes.learning_error(target * payoff.per_goal)
        return Scores(direct + learnt - learnt.mean())
    missed = brought - expected[np.arange(len(logged)), logged.chosen]
    if estimator is Estimator.DR:
        return Scores(direct + weight * missed)
    threshold = choose_threshold(logged, target, payoff, direct, weight * missed)
    return Scores(direct + np.where(weight <= threshold, weight * missed, 0.0), threshold)


def choose_threshold(
    logged: LoggedDecisions, target: FloatArray, payoff: Payoff, direct: FloatArray, corrections: FloatArray
) -> float:
    """Return the threshold with the least variance plus squared bias, the latter at its upper bound.

    Wang et al. 2017, section 3.3: the variance is estimated from the scores, the bias is at most the largest that can
    be missed, where the weight of an option exceeds the threshold. Candidates are 21 values, exponentially spaced
    between the quantiles .05 and .95 of the positive weights, and no threshold at all.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(target > 0, target / logged.propensities, 0.0)
    weight = weights(logged, target)
    positive = weight[weight > 0]
    if not len(positive):
        return float(np.inf)
    low, high = np.quantile(positive, (0.05, 0.95))
    missable = target * np.abs(payoff.per_goal)
    best, least = float(np.inf), np.inf
    for threshold in (np.inf, *np.geomspace(low, high, _CANDIDATES).tolist()):
        kept = np.where(weight <= threshold, corrections, 0.0)
        bias = float((missable * (ratio > threshold)).sum(axis=1).mean())
        error = variance_of_mean(direct + kept, logged.units) + bias**2
        if error < least:
            best, least = threshold, error
    return best


def variance_of_mean(values: FloatArray, units: IntArray) -> float:
    """Return the variance of the mean of values (N,), those of one person taken together."""
    apart = np.bincount(np.unique(units, return_inverse=True)[1], weights=values - values.mean())
    number = len(apart)
    return float((apart**2).sum() / len(values) ** 2 * number / max(1, number - 1))
