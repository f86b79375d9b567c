"""Where a session is looked at: dense at first, at stage entries, ever rarer, and while it is silent."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from made_logs import TIMEOUT, Visit, at, encode, signup, until, visits

from features.build import build
from features.events import Cutoffs, EncodedLog
from features.plan import compile_plan
from journeys.ends import find_ends
from training.cutoffs import after_every_event, training_cutoffs

JOURNEY = signup()
PLAN = compile_plan(JOURNEY.table)
TICKS = JOURNEY.idle_ticks_seconds
MUCH_LATER = 100_000.0


def rows_of(log: EncodedLog, log_end: float = MUCH_LATER, ticks: tuple[float, ...] = TICKS) -> Cutoffs:
    usable = find_ends(PLAN, log, JOURNEY, at(log_end)).usable
    return training_cutoffs(PLAN, log, usable, ticks, at(log_end))


def session_of(*events: tuple[float, str]) -> EncodedLog:
    return encode(JOURNEY, [Visit(events)])


def after(cutoffs: Cutoffs) -> list[int]:
    return [int(count) for count in cutoffs.after]


def seconds(cutoffs: Cutoffs) -> list[float]:
    return [(int(moment) - at(0)) / 1e6 for moment in cutoffs.at_us]


def test_every_usable_event_is_evaluated_at_its_own_moment() -> None:
    log = encode(
        JOURNEY,
        [
            Visit([(0, "page_view"), (2, "edit_field"), (3, "sign_up"), (4, "page_view")], "a"),
            Visit([(9, "leave"), (10, "page_view")], "b"),
            Visit([(20, "page_view")], "c"),
        ],
    )
    cutoffs = after_every_event(log, find_ends(PLAN, log, JOURNEY, at(MUCH_LATER)).usable)
    assert cutoffs.session.tolist() == [0, 0, 2]
    assert after(cutoffs) == [1, 2, 1]
    assert seconds(cutoffs) == [0, 2, 20]


def test_a_log_of_ends_alone_has_no_cutoffs() -> None:
    log = session_of((0, "sign_up"), (1, "page_view"))
    assert len(rows_of(log)) == 0


def test_the_first_ten_events_are_rows_and_then_a_quarter_more_each_time() -> None:
    log = session_of(*((float(place), "form_error") for place in range(100)))
    spaced = [int(10 * 1.25**power) for power in range(1, 11)]
    assert spaced == [12, 15, 19, 24, 30, 38, 47, 59, 74, 93]
    assert after(rows_of(log, ticks=())) == [*range(1, 11), *spaced]


def test_entering_a_stage_is_always_a_row_and_walking_back_is_none() -> None:
    names = ["page_view"] * 100
    for place in (41, 42, 44, 50):
        names[place - 1] = "edit_field"
    log = session_of(*((float(place), name) for place, name in enumerate(names)))
    found = after(rows_of(log, ticks=()))
    assert 41 in found
    assert not {42, 43, 44, 50} & set(found)


def test_each_session_enters_its_stages_anew() -> None:
    late = [(float(place), "form_error") for place in range(40)]
    log = encode(
        JOURNEY,
        [
            Visit([(0, "edit_field")], "a"),
            Visit([*late, (40, "page_view"), (41, "edit_field")], "b"),
            Visit([*late, (40, "edit_field"), (41, "page_view")], "c"),
        ],
    )
    cutoffs = rows_of(log, ticks=())
    late_rows = [[row for row in after(cutoffs.take(cutoffs.session == place)) if row > 38] for place in range(3)]
    assert late_rows == [[], [41, 42], [41]]


def test_a_silence_is_a_row_only_while_nothing_happens() -> None:
    log = session_of((0, "page_view"), (29, "edit_field"), (59, "form_error"), (100, "form_error"), (300, "leave"))
    cutoffs = rows_of(log)
    assert list(zip(after(cutoffs), seconds(cutoffs), strict=True)) == [
        (1, 0),
        (2, 29),  # the next event comes exactly at the tick of 30 seconds
        (3, 59),
        (3, 89),
        (4, 100),
        (4, 130),
        (4, 220),
    ]


def test_the_end_of_the_session_also_ends_a_silence() -> None:
    assert seconds(rows_of(session_of((0, "page_view"), (40, "sign_up")))) == [0, 30]
    assert seconds(rows_of(session_of((0, "page_view"), (20, "sign_up"), (900, "page_view")))) == [0]


def test_a_silence_is_known_up_to_the_end_of_the_log_and_no_further() -> None:
    log = session_of((0, "page_view"))
    assert seconds(rows_of(log, log_end=29.999999)) == [0]
    assert seconds(rows_of(log, log_end=30)) == [0, 30]
    assert seconds(rows_of(log, log_end=120)) == [0, 30, 120]


def test_rows_that_are_not_learnt_from_have_no_silences_either() -> None:
    events = [(200.0 * place, "form_error") for place in range(12)]
    found = after(rows_of(session_of(*events)))
    assert found == [count for count in (*range(1, 11), 12) for _ in range(3)]


@given(visits())
def test_rows_are_ordered_and_of_usable_events_and_before_the_next_event(drawn: list[Visit]) -> None:
    log = encode(JOURNEY, drawn)
    log_end = max(visit.events[-1][0] for visit in drawn)
    usable = find_ends(PLAN, log, JOURNEY, at(log_end)).usable
    cutoffs = training_cutoffs(PLAN, log, usable, TICKS, at(log_end))
    rows = list(zip(cutoffs.session.tolist(), cutoffs.after.tolist(), cutoffs.at_us.tolist(), strict=True))
    assert all(former < latter for former, latter in pairwise(rows))
    for session, count, moment in rows:
        events = log.at_us[log.starts[session] : log.starts[session + 1]]
        assert 1 <= count <= usable[session]
        assert events[count - 1] <= moment <= at(log_end)
        assert moment == events[count - 1] or count == len(events) or moment < events[count]
    every = after_every_event(log, np.minimum(usable, 10))
    assert set(zip(every.session.tolist(), every.after.tolist(), every.at_us.tolist(), strict=True)) <= set(rows)


Known = dict[tuple[str, int, int], bytes]


def known_by(log: EncodedLog, log_end: float, moment: float) -> Known:
    """The training rows up to a moment, each with its features to the bit."""
    cutoffs = rows_of(log, log_end)
    features = build(PLAN, log, cutoffs)
    return {
        (log.session_ids[session], int(count), int(at_us)): row.tobytes()
        for session, count, at_us, row in zip(cutoffs.session, cutoffs.after, cutoffs.at_us, features, strict=True)
        if at_us <= at(moment)
    }


@settings(deadline=None)  # the kernel is compiled within the first example
@given(visits(), st.data())
def test_what_comes_after_a_moment_changes_neither_a_row_before_it_nor_whether_it_is_there(
    drawn: list[Visit], data: st.DataObject
) -> None:
    times = sorted({seconds for visit in drawn for seconds, _ in visit.events})
    moment = data.draw(st.sampled_from(times)) + data.draw(st.sampled_from([0, 1, 29, 30, 31, 120, TIMEOUT]))
    log_end = max(moment, times[-1])
    known = encode(JOURNEY, until(drawn, moment))
    assert known_by(encode(JOURNEY, drawn), log_end, moment) == known_by(known, moment, moment)
