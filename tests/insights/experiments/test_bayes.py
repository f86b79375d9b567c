"""Beliefs are held against closed forms and drawn posteriors."""

import math

import numpy as np
import pytest
from scipy.special import betaln
from scipy.stats import norm

from insights.experiments.bayes import of_difference, of_rates


def probability_by_miller(hits: int, people: int, treated_hits: int, treated_people: int) -> float:
    """Evan Miller, Formulas for Bayesian A/B testing: a sum of beta functions over the treated successes."""
    a, b = 1 + hits, 1 + people - hits
    c, d = 1 + treated_hits, 1 + treated_people - treated_hits
    terms = [math.exp(betaln(a + i, b + d) - math.log(d + i) - betaln(1 + i, d) - betaln(a, b)) for i in range(c)]
    return sum(terms)


@pytest.mark.parametrize("counts", [(50, 1_000, 65, 1_000), (5, 40, 3, 60), (500, 10_000, 480, 10_100)])
def test_the_probability_of_being_better_is_the_closed_form(counts: tuple[int, int, int, int]) -> None:
    found = of_rates(*counts, more_is_better=True)
    assert found.probability_better == pytest.approx(probability_by_miller(*counts), abs=1e-8)


def test_the_loss_is_the_mean_of_what_is_lost_over_the_posterior() -> None:
    draws = np.random.default_rng(1)
    control, treated = draws.beta(51, 951, 2_000_000), draws.beta(66, 936, 2_000_000)
    found = of_rates(50, 1_000, 65, 1_000, more_is_better=True)
    assert found.expected_loss == pytest.approx(np.maximum(control - treated, 0).mean(), rel=0.01)
    other = of_rates(50, 1_000, 65, 1_000, more_is_better=False)
    assert other.expected_loss == pytest.approx(np.maximum(treated - control, 0).mean(), rel=0.01)
    assert other.probability_better == pytest.approx(1 - found.probability_better)


def test_a_normal_difference_of_one_error_is_better_with_84_percent() -> None:
    found = of_difference(2.0, 2.0, more_is_better=True)
    assert found.probability_better == pytest.approx(norm.cdf(1))
    # s phi(1) - d Phi(-1) = 2 x .241971 - 2 x .158655.
    assert found.expected_loss == pytest.approx(2 * 0.241971 - 2 * 0.158655, abs=1e-5)


def test_without_any_error_there_is_nothing_to_believe() -> None:
    assert of_difference(-1.0, 0.0, more_is_better=True).probability_better == 0.0
    assert of_difference(-1.0, 0.0, more_is_better=True).expected_loss == 1.0
