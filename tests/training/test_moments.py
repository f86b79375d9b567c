"""At which event of a session its diagnosis is compared with the truth."""

import numpy as np
from made_logs import TIMEOUT, Visit, encode, signup

from features.events import EncodedLog
from features.plan import compile_plan
from features.scan import on
from features.table import Stage
from journeys.ends import find_ends
from training.moments import at_decision_point, at_session_end

STAGES = (Stage("read", on("page_view")), Stage("form", on("edit_field")), Stage("late", on("form_error")))
JOURNEY = signup(stages=STAGES)
PLAN = compile_plan(JOURNEY.table)
COLUMNS = {name: place for place, name in enumerate(PLAN.feature_names)}
LOG = encode(
    JOURNEY,
    [
        Visit([(0, "page_view"), (5, "form_error"), (9, "edit_field"), (9, "form_error"), (20, "sign_up")], "a"),
        Visit([(0, "page_view"), (7, "edit_field")], "b"),
        Visit([(0, "leave")], "c"),
        Visit([(0, "page_view"), (3, "sign_up"), (4, "form_error")], "d"),
        Visit([(0, "edit_field"), (30, "form_error")], "e", user="u"),
        Visit([(0, "form_error")], "f", user="u"),
    ],
)
END_US = int(LOG.at_us.max()) + TIMEOUT * 1_000_000
ENDS = find_ends(PLAN, LOG, JOURNEY, END_US)
ALL = np.ones(LOG.session_count, np.bool_)


def read(rows: np.ndarray, name: str) -> list[float]:
    found: list[float] = rows[:, COLUMNS[name]].tolist()
    return found


def test_a_session_is_read_at_its_last_usable_event() -> None:
    found = at_session_end(PLAN, LOG, ENDS, ALL)
    assert [str(LOG.visitor_ids[session]) for session in found.sessions] == ["a", "b", "d", "e", "f"]
    assert read(found.rows, "events_seen") == [4, 2, 1, 2, 1]
    assert read(found.rows, "idle_seconds") == [0] * 5
    # A user connects two visitors to one person.
    assert found.persons[3] == found.persons[4]
    assert len(set(found.persons.tolist())) == 4


def test_the_decision_point_is_the_first_event_at_the_third_stage() -> None:
    found = at_decision_point(PLAN, LOG, ENDS, ALL)
    # The one whose error came after the sign-up never got there before the end.
    assert [str(LOG.visitor_ids[session]) for session in found.sessions] == ["a", "e", "f"]
    assert read(found.rows, "events_seen") == [2, 2, 1]
    assert read(found.rows, "stage_index") == [2, 2, 2]
    assert len(at_decision_point(PLAN, LOG, ENDS, ~ALL)) == 0


def test_only_chosen_sessions_are_read() -> None:
    chosen = LOG.visitor_ids == "e"
    assert read(at_session_end(PLAN, LOG, ENDS, chosen).rows, "session_seconds") == [30]
    assert read(at_decision_point(PLAN, LOG, ENDS, chosen).rows, "session_seconds") == [30]


def test_a_journey_of_two_stages_has_no_decision_point() -> None:
    journey = signup()
    plan = compile_plan(journey.table)
    log: EncodedLog = encode(journey, [Visit([(0, "page_view"), (7, "edit_field")], "b")])
    ends = find_ends(plan, log, journey, END_US)
    assert len(at_decision_point(plan, log, ends, np.ones(1, np.bool_))) == 0
