"""Treated sessions are left out, and those that were spared stand for them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_logs import TIMEOUT, Visit, at, encode, signup

from features.events import EncodedLog
from features.plan import compile_plan
from journeys.ends import SessionEnds, find_ends
from training.treatments import MOST_WEIGHT, NEVER_US, Treatments, shown_in_log

JOURNEY = signup()


def known(visits: list[Visit], end_seconds: float = 20 * TIMEOUT) -> tuple[EncodedLog, SessionEnds]:
    log = encode(JOURNEY, visits)
    return log, find_ends(compile_plan(JOURNEY.table), log, JOURNEY, at(end_seconds))


def treatments_of(treated_us: list[int], decisions: list[tuple[int, int, float]], holdout: float = 0.0) -> Treatments:
    sessions, moments, odds = zip(*decisions, strict=True) if decisions else ((), (), ())
    return Treatments(
        np.array(treated_us, np.int64),
        np.array(sessions, np.int64),
        np.array(moments, np.int64),
        np.array(odds, np.float64),
        holdout,
    )


def test_a_session_is_left_out_where_it_was_treated_before_its_end_was_known() -> None:
    visits = [
        Visit([(0, "page_view"), (50, "sign_up")], "a"),
        Visit([(0, "page_view"), (50, "sign_up")], "b"),
        Visit([(0, "page_view")], "c"),
        Visit([(0, "page_view")], "d"),
    ]
    _, ends = known(visits)
    # After its goal; before it; in the silence that became an abandonment; after that.
    treated = treatments_of([at(60), at(20), at(TIMEOUT - 1), at(TIMEOUT + 1)], [])
    assert treated.treated_before(ends).tolist() == [False, True, True, False]
    left = treated.censor(ends)
    np.testing.assert_array_equal(left.outcome, [0, np.nan, np.nan, 1])
    assert left.usable.tolist() == [1, 0, 0, 1]


def test_what_a_log_says_was_shown_is_a_treatment_from_the_first_on() -> None:
    log, _ = known(
        [
            Visit([(0, "page_view"), (9, "intervention_shown"), (11, "intervention_shown")], "a"),
            Visit([(0, "page_view"), (9, "edit_field")], "b"),
            Visit([(3, "intervention_shown"), (4, "page_view")], "c"),
        ]
    )
    assert shown_in_log(log).tolist() == [at(9), NEVER_US, at(3)]


def test_a_session_stands_for_the_inverse_of_the_odds_to_be_spared_until_its_end() -> None:
    _, ends = known([Visit([(0, "page_view"), (50, "sign_up")], "a"), Visit([(0, "page_view")], "b")])
    # The last decision came after the goal, and could change nothing.
    decisions = [(0, at(0), 0.5), (0, at(10), 0.4), (0, at(51), 0.1)]
    assert treatments_of([NEVER_US, NEVER_US], decisions).weights(ends).tolist() == pytest.approx([5.0, 1.0])
    # A tenth of the visitors is never treated: .1 + .9 x .2
    held_out = treatments_of([NEVER_US, NEVER_US], decisions, holdout=0.1)
    assert held_out.weights(ends).tolist() == pytest.approx([1 / 0.28, 1.0])


@given(st.lists(st.floats(0.3, 1.0), max_size=3), st.floats(0, 0.5))
def test_the_spared_add_up_to_everybody(odds: list[float], holdout: float) -> None:
    _, ends = known([Visit([(0, "page_view"), (50, "sign_up")], "a")])
    [weight] = treatments_of([NEVER_US], [(0, at(place), one) for place, one in enumerate(odds)], holdout).weights(ends)
    spared = holdout + (1 - holdout) * np.prod(odds)
    expected = 1.0 if spared >= 1 / MOST_WEIGHT else spared * MOST_WEIGHT
    assert weight * spared == pytest.approx(expected)


def test_nobody_stands_for_more_than_twenty() -> None:
    _, ends = known([Visit([(0, "page_view"), (50, "sign_up")], "a")])
    assert treatments_of([NEVER_US], [(0, at(1), 0.0)]).weights(ends).tolist() == [MOST_WEIGHT]
