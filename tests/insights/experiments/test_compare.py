"""Differences and their variances are held against scipy, least squares by hand, and resampled people."""

import numpy as np
import pytest
from scipy import stats

from insights.experiments.compare import Compared
from insights.experiments.effects import measure_arms
from insights.experiments.people import People
from insights.experiments.question import AnalysisError, Measure
from insights.experiments.sizing import MetricKind

RNG = np.random.default_rng(4)
PEOPLE = 3_000
ARM = RNG.integers(0, 2, PEOPLE)
PACE = RNG.gamma(2, 0.5, PEOPLE)
EARLIER = RNG.poisson(3 * PACE).astype(np.float64)
ORDERS = RNG.poisson(PACE * (1 + 0.1 * ARM)).astype(np.float64)
SESSIONS = 1.0 + RNG.poisson(2 * PACE)


def compared(measure: Measure, covariates: dict[str, np.ndarray] | None = None, **more: object) -> Compared:
    sums = {"orders": ORDERS, "sessions": SESSIONS}
    people = People(("control", "b"), ARM, None, sums, covariates=covariates or {}, **more)  # type: ignore[arg-type]
    return measure_arms(people, measure, tuple(covariates or {})).against_control(1)


def test_a_mean_is_compared_as_welchs_test_does() -> None:
    found = compared(Measure("orders", MetricKind.MEAN))
    known = stats.ttest_ind(ORDERS[ARM == 1], ORDERS[ARM == 0], equal_var=False)
    assert found.difference[0] / np.sqrt(found.variance[0]) == pytest.approx(known.statistic, rel=1e-9)
    assert found.freedom[0] == pytest.approx(known.df, rel=1e-9)


def test_a_proportion_is_whether_there_was_any() -> None:
    found = compared(Measure("any", MetricKind.PROPORTION, "orders"))
    assert found.control[0] == pytest.approx(np.mean(ORDERS[ARM == 0] > 0))


def test_a_covariate_is_taken_off_as_least_squares_with_a_term_for_the_arm_does() -> None:
    # One slope within both arms: the coefficient of the arm in a regression on it and on the covariates.
    covariates = {"earlier": EARLIER, "sessions": SESSIONS}
    found = compared(Measure("orders", MetricKind.MEAN), covariates)
    design = np.column_stack([np.ones(PEOPLE), ARM, EARLIER, SESSIONS])
    coefficients = np.linalg.lstsq(design, ORDERS, rcond=None)[0]
    assert found.difference[0] == pytest.approx(coefficients[1], rel=1e-9)
    # Each arm's residuals about its own mean, as Welch would have it of adjusted values.
    residuals = ORDERS - design @ coefficients
    variance = sum(residuals[arm == ARM].var(ddof=1) / np.sum(arm == ARM) for arm in (0, 1))
    assert found.variance[0] == pytest.approx(variance, rel=1e-6)
    assert found.removed[0] > 0.15


def test_the_share_of_variance_removed_is_that_of_a_gamma_poisson_world() -> None:
    # cov^2 / (var x var) = 1.5^2 / (7.5 x 1.5) = .2, see benchmarks/experiments.py.
    draws = np.random.default_rng(9)
    pace = draws.gamma(2, 0.5, 100_000)
    sums = {"orders": draws.poisson(pace).astype(np.float64)}
    earlier = {"earlier": draws.poisson(3 * pace).astype(np.float64)}
    people = People(("control", "b"), draws.integers(0, 2, 100_000), None, sums, covariates=earlier)
    found = measure_arms(people, Measure("orders", MetricKind.MEAN), ("earlier",)).against_control(1)
    assert found.removed[0] == pytest.approx(0.2, abs=0.01)


def test_a_ratio_varies_as_resampled_people_do() -> None:
    found = compared(Measure("rate", MetricKind.RATIO, "orders", "sessions"))
    assert found.control[0] == pytest.approx(ORDERS[ARM == 0].sum() / SESSIONS[ARM == 0].sum())
    draws = np.random.default_rng(2)
    ratios = []
    for arm in (0, 1):
        counted, divided = ORDERS[arm == ARM], SESSIONS[arm == ARM]
        chosen = draws.integers(0, len(counted), (2_000, len(counted)))
        ratios.append(counted[chosen].sum(axis=1) / divided[chosen].sum(axis=1))
    assert np.sqrt(found.variance[0]) == pytest.approx(np.std(ratios[1] - ratios[0]), rel=0.06)


def test_sessions_taken_for_people_would_look_surer_than_they_are() -> None:
    # Every person's three sessions are alike: the naive variance of a share of sessions is three times too small.
    liked = np.repeat(RNG.random(2_000) < 0.3, 3).reshape(-1, 3)
    sums = {"liked": liked.sum(axis=1).astype(np.float64), "sessions": np.full(2_000, 3.0)}
    people = People(("control", "b"), np.arange(2_000) % 2, None, sums)
    found = measure_arms(people, Measure("share", MetricKind.RATIO, "liked", "sessions"), ()).against_control(1)
    shares = [liked[arm::2].mean() for arm in (0, 1)]
    naive = sum(share * (1 - share) / 3_000 for share in shares)
    assert found.variance[0] == pytest.approx(3 * naive, rel=0.01)


def test_revenue_above_the_pooled_quantile_of_those_who_brought_any_counts_as_that_much() -> None:
    revenue = np.concatenate([np.zeros(900), np.arange(1.0, 101.0)])
    people = People(("control", "b"), np.arange(1_000) % 2, None, {"revenue": revenue})
    measured = measure_arms(people, Measure("revenue", MetricKind.REVENUE), ())
    # The 99 % quantile of 1 ... 100 is 1 + .99 x 99 = 99.01.
    assert measured.rows.winsorised_at == pytest.approx(99.01)
    found = measured.against_control(1)
    assert found.treated[0] * 500 == pytest.approx(np.minimum(revenue[1::2], 99.01).sum())


def test_a_refund_that_cannot_be_counts_as_much_as_the_largest_order_does() -> None:
    revenue = np.concatenate([[-1e308, -5.0], np.zeros(898), np.arange(1.0, 101.0)])
    people = People(("control", "b"), np.arange(1_000) % 2, None, {"revenue": revenue})
    found = measure_arms(people, Measure("revenue", MetricKind.REVENUE), ()).against_control(1)
    assert found.control[0] * 500 == pytest.approx(np.clip(revenue[::2], -99.01, 99.01).sum())
    assert found.treated[0] * 500 == pytest.approx(np.minimum(revenue[1::2], 99.01).sum())


def test_people_at_unequal_odds_are_weighed_by_one_over_them() -> None:
    # The treated share rises with the time, and so do orders: the plain difference is off, the weighted one is not.
    late = np.arange(20_000) >= 10_000
    odds = np.where(late, 0.9, 0.1)
    arm = (np.random.default_rng(5).random(20_000) < odds).astype(np.int64)
    orders = np.where(late, 3.0, 1.0) + np.random.default_rng(6).normal(size=20_000)
    people = People(("control", "b"), arm, None, {"orders": orders}, propensities=np.column_stack([1 - odds, odds]))
    found = measure_arms(people, Measure("orders", MetricKind.MEAN), ()).against_control(1)
    assert abs(orders[arm == 1].mean() - orders[arm == 0].mean()) > 1
    assert abs(found.difference[0]) < 4 * np.sqrt(found.variance[0]) < 0.2


def test_a_covariate_that_some_lack_costs_nobody() -> None:
    holes = np.where(RNG.random(PEOPLE) < 0.3, np.nan, EARLIER)
    found = compared(Measure("orders", MetricKind.MEAN), {"earlier": holes})
    assert found.control_people[0] + found.treated_people[0] == PEOPLE
    assert 0.05 < found.removed[0] < 0.2


def test_a_covariate_that_is_another_ones_copy_changes_nothing() -> None:
    one = compared(Measure("orders", MetricKind.MEAN), {"earlier": EARLIER})
    two = compared(Measure("orders", MetricKind.MEAN), {"earlier": EARLIER, "copy": 5 - 2 * EARLIER})
    assert two.difference[0] == pytest.approx(one.difference[0])
    assert two.variance[0] == pytest.approx(one.variance[0])


def test_a_covariate_without_any_spread_changes_nothing() -> None:
    plain = compared(Measure("orders", MetricKind.MEAN))
    found = compared(Measure("orders", MetricKind.MEAN), {"same": np.full(PEOPLE, 7.0)})
    assert found.difference[0] == pytest.approx(plain.difference[0])
    assert found.variance[0] == pytest.approx(plain.variance[0])


def test_an_arm_in_which_nobody_did_it_has_exactly_nothing() -> None:
    sums = {"bought": np.where((ARM == 0) & (np.arange(PEOPLE) % 97 == 0), 1.0, 0.0)}
    people = People(("control", "b"), ARM, None, sums, covariates={"earlier": EARLIER, "same": np.full(PEOPLE, 0.1)})
    found = measure_arms(people, Measure("bought"), ("earlier", "same")).against_control(1)
    assert found.plain_treated[0] == 0
    assert found.plain_control[0] > 0


def test_an_outcome_that_nobody_has_is_refused() -> None:
    with pytest.raises(AnalysisError, match="needs the outcome 'clicks': the outcomes have orders, sessions"):
        compared(Measure("clicks"))


def test_a_ratio_over_nothing_is_refused() -> None:
    people = People(("control", "b"), np.array([0, 1]), None, {"a": np.ones(2), "b": np.zeros(2)})
    with pytest.raises(AnalysisError, match="divided by 'b', of which there is none"):
        measure_arms(people, Measure("a", MetricKind.RATIO, "a", "b"), ())
