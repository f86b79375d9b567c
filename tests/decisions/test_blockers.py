"""Evidence is a likelihood ratio, and Bayes' rule says what a visitor who leaves now leaves for."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, poisson
from small_blockers import EVENTS, counting, row_of, table_of
from small_shop import Trained

from decisions.blockers import LEAST_SURPRISE, MOST_SURPRISE, BlockerModel, exposure_terms, traces
from features.friction import Friction

TWO = table_of(Friction.FORM, Friction.PAYMENT)


@given(st.integers(0, 12), st.floats(0.1, 5), st.floats(1.1, 9))
def test_the_evidence_of_a_count_is_the_ratio_of_two_poisson_probabilities(
    seen: int, usual: float, factor: float
) -> None:
    found = counting(TWO, usual, factor=factor).evidence(TWO, row_of(seen, 0)[None])[0, 2]
    assert found == pytest.approx(poisson.logpmf(seen, usual * factor) - poisson.logpmf(seen, usual), abs=1e-9)


@given(st.floats(-2.9, 3.9), st.floats(0.1, 2))
def test_the_evidence_of_a_quantity_is_the_ratio_of_two_normal_densities(surprise: float, shift: float) -> None:
    row = row_of(math.copysign(math.expm1(abs(surprise)), surprise), np.nan)
    found = counting(TWO, 0.0, factor=shift, counts=False).evidence(TWO, row[None])[0, 2]
    assert found == pytest.approx(norm.logpdf(surprise, shift) - norm.logpdf(surprise), abs=1e-9)


def test_bayes_rule_says_what_a_visitor_who_leaves_leaves_for() -> None:
    blockers = counting(TWO, presence=[0.6, 0.3, 0.1], leaving=[0.1, 0.2, 0.4])
    row = row_of(3, 0)[None]
    # By hand: factors of 3 on means of 1. Form seen thrice, payment not at all.
    form, payment = 27 * math.exp(-2), math.exp(-2)
    weights = np.array([0.6 * 0.1, 0.3 * 0.2 * form, 0.1 * 0.4 * payment])
    # Half of those whom the form stops, and a quarter of those whom the payment stops, would have left anyway.
    expected = (weights / weights.sum())[1:] * [1 - 0.1 / 0.2, 1 - 0.1 / 0.4]
    assert blockers.attribute(TWO, row, blockers.evidence(TWO, row))[0] == pytest.approx(expected)


def test_what_is_usual_grows_with_what_the_visitor_has_done() -> None:
    blockers = counting(TWO)
    blockers.usual.coefficients[1, 1] = 0.5
    assert blockers.usual.expected(TWO, row_of(0, 0)[None])[0] == pytest.approx([1 + 0.5 * EVENTS] * 2)
    assert exposure_terms(TWO, row_of(0, 0)[None])[0] == pytest.approx(
        [1, EVENTS, EVENTS, math.log1p(EVENTS), math.log1p(EVENTS)]
    )


def test_context_and_what_is_missing_are_no_evidence(trained: Trained) -> None:
    rows = np.array([[1.0, 8.0, -5.0, np.nan, 5.0, np.nan]])
    evidence = trained.model.blockers.evidence(trained.table, rows)[0]
    assert evidence[[0, 1, 2, 3, 5]].tolist() == [0, 0, 0, 0, 0]
    assert evidence[4] > 0


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_surprise_is_bounded_whatever_the_value(value: float) -> None:
    usual = counting(TWO, counts=False).usual
    heard, compared = traces(usual, TWO, row_of(value, 1.0)[None])
    assert LEAST_SURPRISE <= heard[0, 0] <= MOST_SURPRISE
    assert compared[0, 0] == float(math.isfinite(value))


@given(st.lists(st.floats(0, 30), min_size=2, max_size=2), st.floats(0.01, 0.9), st.floats(1, 9))
def test_attributed_parts_are_probabilities(values: list[float], base: float, ratio: float) -> None:
    stopped = min(0.98, base * ratio)
    blockers = counting(TWO, leaving=[base, stopped, stopped])
    rows = row_of(*values)[None]
    found = blockers.attribute(TWO, rows, blockers.evidence(TWO, rows))[0]
    assert (found >= 0).all()
    assert found.sum() <= 1


def test_more_of_a_trace_never_speaks_less_for_its_friction() -> None:
    blockers = counting(TWO)
    rows = np.stack([row_of(seen, 1) for seen in range(20)])
    found = blockers.attribute(TWO, rows, blockers.evidence(TWO, rows))
    assert (np.diff(found[:, 0]) >= 0).all()
    assert (np.diff(found[:, 1]) <= 0).all()


def test_blockers_survive_json(trained: Trained) -> None:
    blockers = trained.model.blockers
    again = BlockerModel.from_json(json.loads(json.dumps(blockers.to_json())))
    np.testing.assert_array_equal(
        again.evidence(trained.table, trained.rows), blockers.evidence(trained.table, trained.rows)
    )
    assert again.fits(trained.table)


def test_blockers_of_another_table_do_not_fit() -> None:
    blockers = counting(TWO)
    assert blockers.fits(TWO)
    assert not blockers.fits(table_of(Friction.FORM))
    assert not replace(blockers, raised=blockers.raised[:1]).fits(TWO)


def test_how_probable_it_is_that_a_friction_stops_somebody_does_not_ask_whether_they_leave() -> None:
    # Half of the visitors are stopped; two signs where one is usual, or three where stopped: odds 3^2 / e^2 to one.
    table = table_of(Friction.FORM)
    rows = np.array([row_of(2.0)])
    odds = 0.5 * 3.0**2 * np.exp(-2.0)
    for leaving in ([0.1, 0.2], [0.1, 0.9]):
        model = counting(table, leaving=leaving)
        [[stopped]] = model.stopping(table, rows, model.evidence(table, rows))
        assert stopped == pytest.approx(odds / (odds + 0.5))
