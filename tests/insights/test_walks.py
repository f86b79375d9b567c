"""Paths, loops and stays of a few sessions made by hand, and of any sessions against naive ones."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from made_facts import BEGIN, MadeSession, write_facts

from insights.dwell import measure_stays
from insights.intervals import estimate_share
from insights.loops import count_looping_days, find_cycles, find_returns
from insights.paths import count_last_days, links_after, links_before_leaving, paths_before_leaving
from insights.walks import OUTCOMES, Walks, read_walks


def walked(*sessions: tuple[str, str]) -> Walks:
    """Sessions as an outcome and events of one letter each, ten seconds apart."""
    names = sorted({letter for _, events in sessions for letter in events})
    codes = np.array([names.index(letter) for _, events in sessions for letter in events], np.int32)
    gaps = [np.nan if place == 0 else 10.0 for _, events in sessions for place in range(len(events))]
    return Walks(
        names=tuple(names),
        things=tuple((name, None) for name in names),
        starts=np.cumsum([0, *(len(events) for _, events in sessions)]),
        codes=codes,
        thing_codes=codes,
        gap_seconds=np.array(gaps),
        outcomes=np.array([OUTCOMES.index(outcome) for outcome, _ in sessions]),
        furthest=np.array([len(events) % 2 for _, events in sessions]),
        days=np.zeros(len(sessions), np.int64),
    )


def streams(walks: Walks, event: str, steps: int) -> dict[tuple[str, str], int]:
    return {(link.source, link.target): link.count for link in links_after(walks, event, steps)}


def test_walks_are_read_in_their_order_with_how_they_ended(tmp_path: Path) -> None:
    made = [
        MadeSession(stage=1, events=[(0, "view", 0), (4, "add", 1)], elements={1: "shoe"}),
        MadeSession(stage=0, outcome="goal", events=[(0, "view", 0)], started_at=BEGIN + timedelta(days=2)),
    ]
    with write_facts(tmp_path / "facts", made).connect() as connection:
        walks = read_walks(connection)
    assert [walks.names[code] for code in walks.codes] == ["view", "add", "view"]
    assert [walks.things[code] for code in walks.thing_codes] == [("view", None), ("add", "shoe"), ("view", None)]
    assert walks.starts.tolist() == [0, 2, 3]
    assert walks.gap_seconds[1] == 4.0
    assert [OUTCOMES[outcome] for outcome in walks.outcomes] == ["abandoned", "goal"]
    assert walks.furthest.tolist() == [1, 0]
    assert [day.day for day in count_looping_days(walks)] == [date(2026, 6, 1), date(2026, 6, 3)]


def test_no_session_is_no_figure(tmp_path: Path) -> None:
    with write_facts(tmp_path / "facts", []).connect() as connection:
        walks = read_walks(connection)
    assert (
        paths_before_leaving(walks)
        == links_before_leaving(walks)
        == links_after(walks, "view")
        == count_last_days(walks)
        == ()
    )
    assert find_returns(walks) == find_cycles(walks) == count_looping_days(walks) == measure_stays(walks) == ()


def test_the_last_events_before_leaving_are_counted() -> None:
    walks = walked(("abandoned", "xabc"), ("abandoned", "abc"), ("goal", "abc"), ("abandoned", "c"), ("open", "abc"))
    first, second = paths_before_leaving(walks, steps=3)
    assert (first.names, first.count, first.share) == (("a", "b", "c"), 2, estimate_share(2, 3))
    assert (second.names, second.count) == (("c",), 1)
    assert [path.count for path in paths_before_leaving(walks, stage_index=0)] == [1]


def test_streams_to_leaving_name_the_place_before_it() -> None:
    walks = walked(("abandoned", "ab"), ("abandoned", "bb"), ("abandoned", "b"))
    found = {(link.source, link.target): link.count for link in links_before_leaving(walks, steps=2)}
    assert found == {("-1 b", "left"): 3, ("-2 a", "-1 b"): 1, ("-2 b", "-1 b"): 1}


def test_rare_events_flow_together() -> None:
    walks = walked(*[("abandoned", letter * 2) for letter in "aabbccddeeffgh"])
    sources = {link.source for link in links_before_leaving(walks, steps=1)}
    assert sources == {"-1 a", "-1 b", "-1 c", "-1 d", "-1 e", "-1 f", "-1 other events"}


def test_last_events_are_laid_out_over_days() -> None:
    walks = walked(("abandoned", "ab"), ("abandoned", "b"), ("goal", "a"), ("abandoned", "ba"), ("abandoned", "b"))
    days = count_last_days(replace(walks, days=np.array([0, 0, 0, 0, 2])))
    assert [(one.day, one.name, one.count, one.exits) for one in days] == [
        (date(1970, 1, 1), "a", 1, 3),
        (date(1970, 1, 1), "b", 2, 3),
        (date(1970, 1, 3), "a", 0, 1),
        (date(1970, 1, 3), "b", 1, 1),
    ]
    assert days[1].share == estimate_share(2, 3)


def test_streams_after_an_event_begin_with_its_first_in_each_session() -> None:
    walks = walked(("abandoned", "xaba"), ("goal", "ab"), ("open", "a"), ("competing", "xxaa"), ("abandoned", "x"))
    assert streams(walks, "a", 2) == {
        ("+0 a", "+1 b"): 2,
        ("+0 a", "+1 a"): 1,
        ("+0 a", "still there"): 1,
        ("+1 b", "+2 a"): 1,
        ("+1 b", "reached the goal"): 1,
        ("+1 a", "ended otherwise"): 1,
    }
    assert links_after(walks, "never") == ()


def test_back_and_forth_is_three_events_of_which_the_third_is_the_first() -> None:
    walks = walked(("abandoned", "aba"), ("goal", "abab"), ("abandoned", "aab"), ("open", "aba"), ("abandoned", "aaa"))
    found = {loop.names: loop for loop in find_returns(walks)}
    assert {names: (loop.times, loop.sessions) for names, loop in found.items()} == {
        ("a", "b"): (3, 3),
        ("b", "a"): (1, 1),
    }
    # The open one is left out of the rate; two others had an a or a b and did not go back and forth.
    assert found["a", "b"].exit_rate == estimate_share(1, 2)
    assert found["a", "b"].exit_rate_without == estimate_share(2, 2)


def test_a_round_is_told_once_for_each_time_after_the_first_and_has_no_beginning() -> None:
    walks = walked(("abandoned", "ababab"), ("abandoned", "baba"), ("goal", "xabcabc"), ("goal", "aaaa"))
    found = {loop.names: (loop.times, loop.sessions) for loop in find_cycles(walks)}
    assert found == {("a", "b"): (3, 2), ("a", "b", "c"): (1, 1)}


def test_a_loop_does_not_run_over_from_one_session_to_the_next() -> None:
    walks = walked(("abandoned", "ab"), ("abandoned", "ab"), ("abandoned", "a"))
    assert find_returns(walks) == find_cycles(walks) == ()


def test_a_stay_lasts_to_the_next_event_of_the_session() -> None:
    first, second = measure_stays(walked(("abandoned", "aab"), ("goal", "ba"), ("abandoned", "a")))
    assert (first.name, first.times, first.exits, first.exit_share) == ("a", 4, 1, estimate_share(1, 4))
    assert first.dwell is not None
    # Two a are followed by another event; the last of the second and of the third session are not.
    assert (first.dwell.count, first.dwell.median) == (2, 10.0)
    assert (second.name, second.times, second.exits) == ("b", 2, 1)
    assert second.dwell is not None
    assert second.dwell.count == 1


def rounds_of(events: str, length: int) -> list[str]:
    """The rounds of a session, found by trying every place; overlapping ones of one run are told apart by length."""
    found, place, run = [], 0, None
    while place + 2 * length <= len(events):
        one = events[place : place + length]
        primitive = all(one != one[:part] * (length // part) for part in range(1, length) if length % part == 0)
        if primitive and events[place + length : place + 2 * length] == one:
            run = place if run is None else run
            if (place - run) % length == 0:
                found.append(min(one[turn:] + one[:turn] for turn in range(length)))
        else:
            run = None
        place += 1
    return found


@given(st.lists(st.text("abc", min_size=1, max_size=12), min_size=1, max_size=4))
def test_loops_are_those_found_by_trying_every_place(sessions: Sequence[str]) -> None:
    walks = walked(*(("abandoned", events) for events in sessions))
    returns = Counter(
        (events[place], events[place + 1])
        for events in sessions
        for place in range(len(events) - 2)
        if events[place] == events[place + 2] != events[place + 1]
    )
    assert {loop.names: loop.times for loop in find_returns(walks)} == dict(returns)
    rounds = Counter(tuple(one) for events in sessions for length in (2, 3, 4) for one in rounds_of(events, length))
    assert {loop.names: loop.times for loop in find_cycles(walks, most=1_000)} == dict(rounds)
    # Of 40 events no number holds them all.
    for steps in (1, 3, 40):
        paths = Counter(tuple(events[-steps:]) for events in sessions)
        assert {path.names: path.count for path in paths_before_leaving(walks, steps=steps, most=99)} == dict(paths)
