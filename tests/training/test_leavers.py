"""What a diagnosis learns from: last events of abandoned sessions, and others, each with what it stands for."""

import numpy as np
import pytest
from made_logs import TIMEOUT, Visit, encode, signup

from features.build import build
from features.plan import compile_plan
from journeys.ends import find_ends
from training.cutoffs import after_every_event
from training.leavers import learning_rows

JOURNEY = signup()
PLAN = compile_plan(JOURNEY.table)
LOG = encode(
    JOURNEY,
    [
        Visit([(0, "page_view"), (5, "form_error"), (9, "sign_up")], "a"),
        Visit([(0, "page_view"), (7, "edit_field")], "b"),
        Visit([(0, "page_view"), (4, "form_error"), (TIMEOUT - 5, "edit_field")], "c"),
    ],
)
END_US = int(LOG.at_us.max()) + 1
ALL = np.ones(LOG.session_count, np.bool_)


def test_the_last_event_of_an_abandoned_session_is_a_leave_and_of_an_open_one_nothing() -> None:
    ends = find_ends(PLAN, LOG, JOURNEY, END_US + 12 * 1_000_000)
    assert np.isnan(ends.outcome).tolist() == [False, False, True]
    learning = learning_rows(PLAN, LOG, ends, ALL, seed=1)
    # a: two events before the goal; b: stays, then leaves; c: nobody knows whether it goes on after its latest.
    assert learning.leaves.tolist() == [0, 0, 0, 1, 0, 0]
    assert learning.weights.tolist() == [1] * 6
    every = after_every_event(LOG, ends.usable)
    np.testing.assert_array_equal(learning.rows, build(PLAN, LOG, every)[:6])
    assert learning.persons.tolist() == [0, 0, 1, 1, 2, 2]


def test_of_too_many_rows_some_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.leavers.MOST_ROWS", 200)
    visits = [Visit([(0, "page_view"), (3, "form_error"), (9, "edit_field")], f"v{number}") for number in range(500)]
    log = encode(JOURNEY, visits)
    ends = find_ends(PLAN, log, JOURNEY, int(log.at_us.max()) + TIMEOUT * 1_000_000)
    learning = learning_rows(PLAN, log, ends, np.ones(500, np.bool_), seed=1)
    left = learning.leaves == 1
    # Two hundred of each kind, give or take four standard deviations of the draw.
    assert left.sum() == pytest.approx(200, abs=4 * (500 * 0.4 * 0.6) ** 0.5)
    assert set(learning.weights[left]) == {2.5}
    assert set(learning.weights[~left]) == {5.0}
