"""Diagnosis names what happened and stands out, sums by friction, and abstains otherwise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_shop import Trained

from decisions.diagnosis import Expectations, diagnose, excess_by_friction, narrate
from features.friction import Friction
from features.scan import count
from features.table import Feature, FeatureTable, Stage

FORBIDDEN = ("because", "caused", "cause", "will recover", "lift")


def table_of(*frictions: Friction) -> FeatureTable:
    features = tuple(
        Feature(f"f{place}", count("a"), friction, "{:sign|signs}") for place, friction in enumerate(frictions)
    )
    return FeatureTable(("a",), (Stage("one", "a"),), features)


def nothing_expected(size: int) -> Expectations:
    return Expectations(np.zeros((2, size)))


def test_shares_are_the_positive_excess_by_friction() -> None:
    table = table_of(Friction.FORM, Friction.PAYMENT, Friction.FORM, Friction.NONE)
    found = diagnose(table, np.ones(4), np.array([0.4, 0.2, 0.2, 5.0]), nothing_expected(4), 0.0)
    assert [(blocker.friction.name, round(blocker.share, 9)) for blocker in found.blockers] == [
        ("form", 0.75),
        ("payment", 0.25),
    ]
    assert [evidence.feature for evidence in found.blockers[0].evidence] == ["f0", "f2"]


def test_what_is_usual_at_the_stage_is_no_evidence() -> None:
    table = table_of(Friction.FORM, Friction.PAYMENT)
    usual = Expectations(np.array([[0.0, 0.0], [0.5, 0.0]]))
    contributions = np.array([0.6, 0.3])
    assert diagnose(table, np.ones(2), contributions, usual, np.nan).blockers[0].friction == Friction.FORM
    assert diagnose(table, np.ones(2), contributions, usual, 0.0).blockers[0].friction == Friction.PAYMENT


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_what_did_not_happen_is_no_evidence(value: float) -> None:
    table = table_of(Friction.FORM, Friction.PAYMENT)
    found = diagnose(table, np.array([value, 1.0]), np.array([9.0, 0.3]), nothing_expected(2), 0.0)
    assert [blocker.friction for blocker in found.blockers] == [Friction.PAYMENT]


@pytest.mark.parametrize("contributions", [[0.01, 0.01], [-1.0, -1.0], [0.5, 0.49]])
def test_it_abstains_when_nothing_stands_out_or_two_are_close(contributions: list[float]) -> None:
    table = table_of(Friction.FORM, Friction.PAYMENT)
    found = diagnose(table, np.ones(2), np.array(contributions), nothing_expected(2), 0.0)
    assert found.abstained
    assert found.blockers == ()
    assert "no single blocker stands out" in found.narrative


@given(st.lists(st.floats(-2, 2), min_size=3, max_size=3), st.floats(0, 1))
def test_splitting_a_feature_inside_a_category_leaves_its_sum(contributions: list[float], part: float) -> None:
    one = table_of(Friction.FORM, Friction.PAYMENT, Friction.PRICE)
    two = table_of(Friction.FORM, Friction.FORM, Friction.PAYMENT, Friction.PRICE)
    whole = np.array([contributions])
    split = np.array([[contributions[0] * part, contributions[0] * (1 - part), *contributions[1:]]])
    _, before = excess_by_friction(one, np.ones((1, 3)), whole, np.zeros((1, 3)))
    _, after = excess_by_friction(two, np.ones((1, 4)), split, np.zeros((1, 4)))
    np.testing.assert_allclose(before, after, atol=1e-12)


@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4))
def test_shares_add_up_to_one_or_nothing_is_named(contributions: list[float]) -> None:
    table = table_of(Friction.FORM, Friction.PAYMENT, Friction.PRICE, Friction.NONE)
    found = diagnose(table, np.ones(4), np.array(contributions), nothing_expected(4), 0.0)
    total = sum(blocker.share for blocker in found.blockers)
    assert found.abstained == (not found.blockers)
    assert found.abstained or total == pytest.approx(1)
    assert not any(word in found.narrative.lower() for word in FORBIDDEN)


def test_the_planted_friction_is_named(trained: Trained) -> None:
    row = np.array([1.0, 8.0, -5.0, 0.0, 3.0, np.nan])
    contributions = trained.model.explain(row[None]).contributions[0]
    found = diagnose(trained.table, row, contributions, trained.model.expectations, row[0])
    assert found.blockers[0].friction == Friction.PAYMENT
    assert found.narrative == "Sessions like this one are more often abandoned; payment failed 3 times."


def test_expectations_survive_json_and_fall_back_to_the_mean(trained: Trained) -> None:
    contributions = np.array([[1.0, 3.0], [3.0, 5.0]])
    fitted = Expectations.fit(np.array([0.0, 0.0]), contributions, 2)
    assert fitted.means.tolist() == [[2.0, 4.0], [2.0, 4.0], [2.0, 4.0]]
    assert Expectations.from_json(fitted.to_json()).means.tolist() == fitted.means.tolist()


def test_the_narrative_of_nothing_names_nothing() -> None:
    assert narrate(()) == "Sessions like this one are more often abandoned; no single blocker stands out."
