"""What is believed of a difference after the data: how probably the variant is better, and what a mistake would cost.

Rates have a uniform prior, so that their posterior is a beta distribution, and are integrated exactly; everything else
has a normal posterior about its estimate. These say how things stand. They do not bound how often a stopping rule that
goes by them is wrong, so that no verdict does.
"""

import math

import numpy as np

from insights.experiments.result import Bayes

_POINTS = 4_000


def of_rates(hits: int, people: int, treated_hits: int, treated_people: int, *, more_is_better: bool) -> Bayes:
    """Return the beliefs about two rates.

    P(T > C) is the integral of f_T F_C, and E[max(C - T, 0)] that of F_T (1 - F_C), as the area between the two.
    """
    from scipy.stats import beta

    one = beta(1 + hits, 1 + people - hits)
    other = beta(1 + treated_hits, 1 + treated_people - treated_hits)
    ends = [bound for posterior in (one, other) for bound in posterior.interval(1 - 1e-12)]
    nodes, weights = np.polynomial.legendre.leggauss(_POINTS // 10)
    low, high = min(ends), max(ends)
    at = (high + low) / 2 + (high - low) / 2 * nodes
    weights = weights * (high - low) / 2
    treated_above = float(weights @ (other.pdf(at) * one.cdf(at)))
    if more_is_better:
        loss = float(weights @ (other.cdf(at) * one.sf(at)))
        return Bayes(min(1.0, treated_above), loss, "beta-binomial, uniform priors")
    loss = float(weights @ (one.cdf(at) * other.sf(at)))
    return Bayes(max(0.0, 1 - treated_above), loss, "beta-binomial, uniform priors")


def of_difference(difference: float, standard_error: float, *, more_is_better: bool) -> Bayes:
    """Return the beliefs about a normal difference: P = Phi(d / s), E[max(-d, 0)] = s phi(d / s) - d Phi(-d / s)."""
    from scipy.special import ndtr

    better = difference if more_is_better else -difference
    if not standard_error > 0:
        return Bayes(float(better > 0), max(0.0, -better), "normal, flat prior")
    z = better / standard_error
    density = math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    loss = standard_error * density - better * float(ndtr(-z))
    return Bayes(float(ndtr(z)), max(0.0, loss), "normal, flat prior")
