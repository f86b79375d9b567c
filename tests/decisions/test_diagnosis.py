"""Diagnosis names what is unusual at its stage, sums by friction, and abstains otherwise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_shop import Trained

from decisions.diagnosis import Diagnosis, diagnose, excess_by_friction, narrate
from decisions.expectations import EXPOSURES, Expectations
from features.friction import Friction
from features.scan import any_event, count, stage
from features.table import Feature, FeatureTable, Stage

FORBIDDEN = ("because", "caused", "cause", "will recover", "lift")
CONTEXT = (
    Feature("stage_index", stage, Friction.NONE, "at stage {:.0f}"),
    Feature("events_seen", count(any_event), Friction.NONE, "{:event|events} so far"),
)
AT_STAGE, EVENTS = 0.0, 4.0


def table_of(*frictions: Friction) -> FeatureTable:
    features = tuple(
        Feature(f"f{place}", count("a"), friction, "{:sign|signs}") for place, friction in enumerate(frictions)
    )
    return FeatureTable(("a",), (Stage("one", "a"),), (*CONTEXT, *features))


def expecting(table: FeatureTable, means: list[float], weights: list[float]) -> Expectations:
    """The same at both stages and after any number of events; values are on the logarithm's scale, spreads are one."""
    padded = [0.0, 0.0, *means]
    return Expectations(
        np.tile(padded, (2 * EXPOSURES, 1)),
        np.ones((2 * EXPOSURES, len(table.features))),
        np.tile([0.0, 0.0, *weights], (2, 1)),
    )


def diagnosed(table: FeatureTable, values: list[float], expectations: Expectations) -> Diagnosis:
    row = np.array([AT_STAGE, EVENTS, *values])
    return diagnose(table, row, np.zeros(len(row)), expectations.excess(table, row[None])[0])


def times(surprise: float) -> float:
    """The value whose logarithm lies so many spreads over a mean of zero."""
    return math.expm1(surprise)


def test_shares_are_the_positive_excess_by_friction() -> None:
    table = table_of(Friction.FORM, Friction.PAYMENT, Friction.FORM)
    found = diagnosed(table, [times(2), times(1), times(1)], expecting(table, [0, 0, 0], [0.2, 0.2, 0.2]))
    # A form that surprises twice and once, a payment that does once, all of one weight.
    assert [(blocker.friction.name, round(blocker.share, 9)) for blocker in found.blockers] == [
        ("form", 0.75),
        ("payment", 0.25),
    ]
    assert [evidence.feature for evidence in found.blockers[0].evidence] == ["f0", "f2"]


def test_what_is_usual_at_the_stage_is_no_evidence() -> None:
    table = table_of(Friction.FORM, Friction.PAYMENT)
    values, weights = [times(3), times(2)], [0.2, 0.2]
    assert diagnosed(table, values, expecting(table, [0, 0], weights)).blockers[0].friction == Friction.FORM
    usual = diagnosed(table, values, expecting(table, [3, 0], weights))
    assert [blocker.friction for blocker in usual.blockers] == [Friction.PAYMENT]


def test_a_trace_that_leaves_the_odds_alone_is_no_evidence() -> None:
    table = table_of(Friction.FORM, Friction.PAYMENT)
    found = diagnosed(table, [times(5), times(1)], expecting(table, [0, 0], [0.0, 0.2]))
    assert [blocker.friction for blocker in found.blockers] == [Friction.PAYMENT]


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_what_did_not_happen_is_no_evidence(value: float) -> None:
    table = table_of(Friction.FORM, Friction.PAYMENT)
    found = diagnosed(table, [value, times(1)], expecting(table, [-3, 0], [0.2, 0.2]))
    assert [blocker.friction for blocker in found.blockers] == [Friction.PAYMENT]


@pytest.mark.parametrize("surprises", [[0.1, 0.1], [-1.0, -1.0], [2.0, 1.99]])
def test_it_abstains_when_nothing_stands_out_or_two_are_close(surprises: list[float]) -> None:
    table = table_of(Friction.FORM, Friction.PAYMENT)
    found = diagnosed(table, [1.0, 1.0], expecting(table, [math.log(2) - one for one in surprises], [0.2, 0.2]))
    assert found.abstained
    assert found.blockers == ()
    assert "no single blocker stands out" in found.narrative


def test_a_low_value_is_evidence_where_less_is_worse() -> None:
    features = (
        Feature("rating", count("a"), Friction.TRUST, "rated {:.0f}", less_is_worse=True),
        Feature("errors", count("a"), Friction.FORM, "{:error|errors}"),
    )
    table = FeatureTable(("a",), (Stage("one", "a"),), (*CONTEXT, *features))
    usual = expecting(table, [-math.log1p(4), math.log1p(1)], [0.2, 0.2])
    assert diagnosed(table, [1.0, 1.0], usual).blockers[0].friction == Friction.TRUST
    assert diagnosed(table, [4.0, 1.0], usual).abstained


@given(st.lists(st.floats(-2, 2), min_size=3, max_size=3), st.floats(0, 1))
def test_splitting_a_feature_inside_a_category_leaves_its_sum(excess: list[float], part: float) -> None:
    one = table_of(Friction.FORM, Friction.PAYMENT, Friction.PRICE)
    two = table_of(Friction.FORM, Friction.FORM, Friction.PAYMENT, Friction.PRICE)
    whole = np.array([[0.0, 0.0, *excess]])
    split = np.array([[0.0, 0.0, excess[0] * part, excess[0] * (1 - part), *excess[1:]]])
    np.testing.assert_allclose(excess_by_friction(one, whole)[1], excess_by_friction(two, split)[1], atol=1e-12)


@given(st.lists(st.floats(0, 20), min_size=3, max_size=3))
def test_shares_add_up_to_one_or_nothing_is_named(values: list[float]) -> None:
    table = table_of(Friction.FORM, Friction.PAYMENT, Friction.PRICE)
    found = diagnosed(table, values, expecting(table, [0.5, 1.0, 1.5], [0.1, 0.2, 0.3]))
    total = sum(blocker.share for blocker in found.blockers)
    assert found.abstained == (not found.blockers)
    assert found.abstained or total == pytest.approx(1)
    assert not any(word in found.narrative.lower() for word in FORBIDDEN)


def test_a_small_second_blocker_is_listed_but_not_narrated() -> None:
    table = table_of(Friction.FORM, Friction.PAYMENT)
    found = diagnosed(table, [times(4), times(1)], expecting(table, [0, 0], [0.2, 0.2]))
    assert [blocker.friction for blocker in found.blockers] == [Friction.FORM, Friction.PAYMENT]
    assert found.narrative == "Sessions like this one are more often abandoned; 53.6 signs."


def test_the_planted_friction_is_named(trained: Trained) -> None:
    row = np.array([1.0, 8.0, -5.0, 0.0, 3.0, np.nan])
    contributions = trained.model.explain(row[None]).contributions[0]
    excess = trained.model.expectations.excess(trained.table, row[None])[0]
    found = diagnose(trained.table, row, contributions, excess)
    assert found.blockers[0].friction == Friction.PAYMENT
    assert found.blockers[0].evidence[0].contribution == contributions[4]
    assert found.narrative == "Sessions like this one are more often abandoned; payment failed 3 times."


def test_the_narrative_of_nothing_names_nothing() -> None:
    assert narrate(()) == "Sessions like this one are more often abandoned; no single blocker stands out."
