"""Diagnosis names what is unusual at its stage, says how sure it is, and abstains otherwise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_blockers import counting, row_of, table_of
from small_shop import Trained

from decisions.blockers import BlockerModel
from decisions.diagnosis import MIN_CONFIDENCE, MIN_LISTED_SHARE, NOTHING, Diagnosis, diagnose, first_blockers, narrate
from features.friction import Friction
from features.table import FeatureTable

FORBIDDEN = ("because", "caused", "cause", "will recover", "lift")
THREE = table_of(Friction.FORM, Friction.PAYMENT, Friction.PRICE)


def diagnosed(table: FeatureTable, values: list[float], blockers: BlockerModel) -> Diagnosis:
    row = row_of(*values)
    return diagnose(table, blockers, row, row, np.zeros(len(row)))


def test_confidences_are_the_attributed_probabilities_and_shares_their_parts() -> None:
    blockers = counting(THREE)
    row = row_of(4, 3, 0)[None]
    attributed = blockers.attribute(THREE, row, blockers.evidence(THREE, row))[0]
    found = diagnosed(THREE, [4, 3, 0], blockers)
    # The share of the price is too small to be listed.
    assert [blocker.friction for blocker in found.blockers] == [Friction.FORM, Friction.PAYMENT]
    assert [blocker.confidence for blocker in found.blockers] == pytest.approx(attributed[:2])
    assert [blocker.share for blocker in found.blockers] == pytest.approx(attributed[:2] / attributed[:2].sum())


def test_several_traces_of_a_friction_speak_together_the_loudest_first() -> None:
    table = table_of(Friction.FORM, Friction.PAYMENT, Friction.FORM)
    found = diagnosed(table, [3, 4, 4], counting(table))
    assert found.blockers[0].friction == Friction.FORM
    assert [evidence.feature for evidence in found.blockers[0].evidence] == ["f2", "f0"]


def test_what_is_usual_at_the_stage_is_no_evidence() -> None:
    surprising = diagnosed(THREE, [4, 0, 0], counting(THREE, 1.0)).blockers[0]
    assert surprising.friction == Friction.FORM
    usual = diagnosed(THREE, [4, 0, 0], counting(THREE, 4.0))
    assert usual.abstained or usual.blockers[0].confidence < surprising.confidence / 4


def test_a_friction_that_makes_nobody_leave_is_not_named() -> None:
    blockers = counting(THREE, leaving=[0.1, 0.1, 0.2, 0.2])
    found = diagnosed(THREE, [9, 3, 0], blockers)
    assert Friction.FORM not in [blocker.friction for blocker in found.blockers]


def test_where_nothing_can_be_told_the_stage_alone_speaks() -> None:
    # Everybody whom the form stops leaves; nobody shows a sign of it.
    blockers = counting(THREE, 0.02, factor=1.5, presence=[0.4, 0.4, 0.1, 0.1], leaving=[0.1, 0.9, 0.2, 0.2])
    found = diagnosed(THREE, [0, 0, 0], blockers)
    assert found.blockers[0].friction == Friction.FORM
    assert found.blockers[0].evidence == ()
    assert found.narrative.endswith("goes most often with form, of which this visitor shows no sign.")


def test_only_what_has_happened_by_the_moment_is_told() -> None:
    row, latest = row_of(np.nan, 4, 0), row_of(6, 4, 0)
    found = diagnose(THREE, counting(THREE), row, latest, np.zeros(len(row)))
    assert found.blockers[0].friction == Friction.FORM
    assert found.blockers[0].evidence == ()


@pytest.mark.parametrize(
    ("confidence", "place"),
    [
        ([0.5, 0.2], 0),
        ([0.2, 0.5], 1),
        ([0.5, 0.5], NOTHING),
        ([0.505, 0.5], NOTHING),
        ([0.0, 0.0], NOTHING),
        ([MIN_CONFIDENCE, 0.0], 0),
        ([MIN_CONFIDENCE * 0.99, 0.0], NOTHING),
    ],
)
def test_it_abstains_when_nothing_stands_out_or_two_are_close(confidence: list[float], place: int) -> None:
    assert first_blockers(np.array([confidence]))[0] == place


def test_a_journey_without_frictions_names_nothing() -> None:
    table = table_of()
    assert first_blockers(np.zeros((2, 0))).tolist() == [NOTHING, NOTHING]
    assert diagnosed(table, [], counting(table, presence=[1.0], leaving=[0.1])).abstained


def test_when_nothing_is_named_the_narrative_says_so() -> None:
    found = diagnosed(THREE, [0, 0, 0], counting(THREE))
    assert found.abstained
    assert found.blockers == ()
    assert "no single blocker stands out" in found.narrative


def test_a_low_value_is_evidence_where_less_is_worse() -> None:
    table = table_of(Friction.TRUST, Friction.FORM, less_is_worse=(0,))
    # Usual is a value whose logarithm, turned round, is -2; less than that speaks for the friction.
    blockers = counting(table, -2.0, factor=1.0, counts=False)
    assert diagnosed(table, [1.0, np.nan], blockers).blockers[0].friction == Friction.TRUST
    assert Friction.TRUST not in [blocker.friction for blocker in diagnosed(table, [99.0, np.nan], blockers).blockers]


@given(st.lists(st.integers(0, 20), min_size=3, max_size=3))
def test_shares_add_up_to_one_or_nothing_is_named(values: list[int]) -> None:
    found = diagnosed(THREE, [float(value) for value in values], counting(THREE))
    shares = [blocker.share for blocker in found.blockers]
    assert found.abstained == (not found.blockers)
    assert found.abstained or sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    assert not any(word in found.narrative.lower() for word in FORBIDDEN)


def test_a_small_second_blocker_is_listed_but_not_narrated() -> None:
    blockers = counting(THREE, leaving=[0.1, 0.5, 0.115, 0.1])
    found = diagnosed(THREE, [4, 5, 0], blockers)
    assert [blocker.friction for blocker in found.blockers] == [Friction.FORM, Friction.PAYMENT]
    assert MIN_LISTED_SHARE <= found.blockers[1].share < 0.25
    assert found.narrative == "Sessions like this one are more often abandoned; 4 signs."


def test_the_planted_friction_is_named(trained: Trained) -> None:
    row = np.array([1.0, 8.0, -5.0, 0.0, 3.0, np.nan])
    contributions = trained.model.explain(row[None]).contributions[0]
    found = diagnose(trained.table, trained.model.blockers, row, row, contributions)
    assert found.blockers[0].friction == Friction.PAYMENT
    assert found.blockers[0].evidence[0].contribution == contributions[4]
    assert found.narrative == "Sessions like this one are more often abandoned; payment failed 3 times."


def test_the_narrative_of_nothing_names_nothing() -> None:
    assert narrate(()) == "Sessions like this one are more often abandoned; no single blocker stands out."
