"""How sessions end, and what a cutoff is labelled: known ends, silences, horizons, and what is not known yet."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_logs import NAMES, TIMEOUT, Visit, at, encode, signup, until, visits

from features.events import Cutoffs, IntArray
from features.plan import compile_plan
from journeys.ends import SessionEnds, find_ends
from journeys.journey import Ends, Journey
from training.cutoffs import after_every_event
from training.labels import label

MUCH_LATER = 100_000.0
JOURNEY = signup()
DECLARED_ONLY = signup(
    ends=Ends(goal=("sign_up",), abandoned=("leave",), competing=("refuse",), silence_abandons=False)
)


def ends_of(drawn: list[Visit], log_end: float = MUCH_LATER, journey: Journey = JOURNEY) -> SessionEnds:
    return find_ends(compile_plan(journey.table), encode(journey, drawn), journey, at(log_end))


def end_of(
    *events: tuple[float, str], log_end: float = MUCH_LATER, journey: Journey = JOURNEY
) -> tuple[float, int, int]:
    """Outcome, when it was known, and how many events are usable."""
    ends = ends_of([Visit(events)], log_end, journey)
    return float(ends.outcome[0]), int(ends.end_us[0]), int(ends.usable[0])


def labels_of(
    *events: tuple[float, str], horizon: float | None, log_end: float = MUCH_LATER, journey: Journey = JOURNEY
) -> list[float]:
    ends = ends_of([Visit(events)], log_end, journey)
    cutoffs = after_every_event(encode(journey, [Visit(events)]), ends.usable)
    return [float(found) for found in label(ends, cutoffs, horizon, at(log_end))]


@pytest.mark.parametrize(("name", "outcome"), [("sign_up", 0.0), ("leave", 1.0), ("refuse", 0.0)])
def test_a_declared_end_decides_when_it_happens(name: str, outcome: float) -> None:
    assert end_of((0, "page_view"), (10, "edit_field"), (25, name)) == (outcome, at(25), 2)


@pytest.mark.parametrize(("first", "second", "outcome"), [("leave", "sign_up", 1), ("sign_up", "leave", 0)])
def test_of_several_ends_the_first_decides(first: str, second: str, outcome: int) -> None:
    assert end_of((0, "page_view"), (5, first), (6, "edit_field"), (7, second)) == (outcome, at(5), 1)


def test_a_tie_goes_by_the_order_of_the_log() -> None:
    assert end_of((0, "page_view"), (5, "refuse"), (5, "leave"))[0] == 0
    assert end_of((0, "page_view"), (5, "leave"), (5, "refuse"))[0] == 1


@pytest.mark.parametrize(("log_end", "outcome"), [(TIMEOUT - 1e-6, math.nan), (TIMEOUT, 1.0), (TIMEOUT + 1e-6, 1.0)])
def test_silence_abandons_once_no_later_event_could_belong_to_the_session(log_end: float, outcome: float) -> None:
    found, known_us, usable = end_of((0, "page_view"), (60, "edit_field"), log_end=60 + log_end)
    np.testing.assert_equal(found, outcome)
    assert usable == 2
    assert known_us == (at(60 + log_end) if math.isnan(outcome) else at(60 + TIMEOUT))


def test_silence_of_other_journeys_leaves_a_session_open() -> None:
    outcome, known_us, usable = end_of((0, "page_view"), (60, "edit_field"), journey=DECLARED_ONLY)
    assert (math.isnan(outcome), known_us, usable) == (True, at(MUCH_LATER), 2)


def test_what_gives_the_end_away_closes_the_session_without_deciding_it() -> None:
    events = ((0, "page_view"), (5, "terms"), (9, "edit_field"))
    assert end_of(*events) == (1.0, at(9 + TIMEOUT), 1)
    assert end_of(*events, (12, "sign_up")) == (0.0, at(12), 1)
    assert math.isnan(end_of(*events, log_end=100)[0])


def test_a_session_that_begins_with_its_end_has_nothing_to_predict_from() -> None:
    assert end_of((0, "sign_up"), (3, "page_view")) == (0.0, at(0), 0)
    assert labels_of((0, "sign_up"), (3, "page_view"), horizon=None) == []


def test_without_a_horizon_every_cutoff_has_the_label_of_its_session() -> None:
    assert labels_of((0, "page_view"), (5, "edit_field"), (9, "leave"), horizon=None) == [1.0, 1.0]
    assert labels_of((0, "page_view"), (5, "edit_field"), (9, "refuse"), horizon=None) == [0.0, 0.0]
    np.testing.assert_equal(labels_of((0, "page_view"), horizon=None, log_end=10), [math.nan])


def test_a_horizon_reaches_an_abandonment_exactly_at_its_end_and_none_after() -> None:
    events = ((0, "page_view"), (10, "edit_field"), (70, "leave"))
    assert labels_of(*events, horizon=60) == [0.0, 1.0]
    assert labels_of(*events, horizon=59.999999) == [0.0, 0.0]
    assert labels_of(*events, horizon=70) == [1.0, 1.0]


def test_silence_counts_for_a_horizon_when_the_timeout_has_passed() -> None:
    assert labels_of((0, "page_view"), (100, "edit_field"), horizon=TIMEOUT) == [0.0, 1.0]


def test_a_goal_is_no_abandonment_within_any_horizon() -> None:
    assert labels_of((0, "page_view"), (10, "edit_field"), (70, "sign_up"), horizon=1_000) == [0.0, 0.0]


def test_an_open_session_has_labels_only_where_the_log_covers_the_horizon() -> None:
    events = ((0, "page_view"), (50, "edit_field"))
    np.testing.assert_equal(labels_of(*events, horizon=60, log_end=109.999999), [0.0, math.nan])
    np.testing.assert_equal(labels_of(*events, horizon=60, log_end=110), [0.0, 0.0])


def naive_end(visit: Visit, log_end: float) -> tuple[float | None, float, int]:
    closing = [place for place, (_, name) in enumerate(visit.events) if name in NAMES[3:]]
    usable = closing[0] if closing else len(visit.events)
    for seconds, name in visit.events:
        if name == "leave":
            return 1.0, seconds, usable
        if name in ("sign_up", "refuse"):
            return 0.0, seconds, usable
    silent = visit.events[-1][0] + TIMEOUT
    return (1.0, silent, usable) if silent <= log_end else (None, log_end, usable)


@given(visits(), st.integers(0, 4_000))
def test_ends_are_those_of_a_plain_loop(drawn: list[Visit], more: int) -> None:
    log_end = max(visit.events[-1][0] for visit in drawn) + more
    ends = ends_of(drawn, log_end)
    place_of = {name: place for place, name in enumerate(encode(JOURNEY, drawn).session_ids)}
    for number, visit in enumerate(drawn):
        place = place_of[f"s{number:04}"]
        outcome, known, usable = naive_end(visit, log_end)
        np.testing.assert_equal(ends.outcome[place], math.nan if outcome is None else outcome)
        assert (ends.end_us[place], ends.usable[place]) == (at(known), usable)


def by_session(drawn: list[Visit], log_end: float) -> dict[str, tuple[float, int]]:
    ends = ends_of(drawn, log_end)
    ids = encode(JOURNEY, drawn).session_ids
    return {name: (outcome, end) for name, outcome, end in zip(ids, ends.outcome, ends.end_us, strict=True)}


@given(visits(), st.integers(0, 30_000))
def test_an_end_that_is_known_is_never_revised_by_what_comes_later(drawn: list[Visit], seconds: int) -> None:
    known = until(drawn, seconds)
    if known:
        later = by_session(drawn, MUCH_LATER)
        for name, (outcome, end_us) in by_session(known, seconds).items():
            if not math.isnan(outcome):
                assert later[name] == (outcome, end_us)


@settings(max_examples=50)
@given(visits(), st.integers(1, 5_000), st.integers(0, 5_000))
def test_a_longer_horizon_only_adds_abandonments(drawn: list[Visit], horizon: int, more: int) -> None:
    log_end = max(visit.events[-1][0] for visit in drawn)
    ends, log = ends_of(drawn, log_end), encode(JOURNEY, drawn)
    cutoffs = after_every_event(log, ends.usable)
    short = label(ends, cutoffs, horizon, at(log_end))
    far = label(ends, cutoffs, horizon + more, at(log_end))
    assert not (far < short).any()
    np.testing.assert_array_equal(label(ends, cutoffs, 1e9, at(log_end)), ends.outcome[cutoffs.session])


def test_labels_are_looked_up_by_session_in_any_order() -> None:
    ends = ends_of([Visit([(0, "page_view"), (5, "leave")], "a"), Visit([(0, "page_view"), (5, "sign_up")], "b")])
    sessions: IntArray = np.array([1, 0, 1])
    cutoffs = Cutoffs(sessions, np.ones(3, np.int64), np.full(3, at(0)))
    assert label(ends, cutoffs, None, at(MUCH_LATER)).tolist() == [0.0, 1.0, 0.0]
