"""The pace of each action: which gaps there are, what is normal for them, and what counts as hesitation."""

import math
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from made_facts import BEGIN, MadeSession, write_facts

from insights.pacing.normal import SHORTEST_SECONDS, shrinkage

Happened = tuple[float, str, int]


def paced(
    folder: Path, sessions: Sequence[MadeSession], columns: str, condition: str = "true"
) -> list[tuple[Any, ...]]:
    """The pace of made sessions, in the order of the sessions and their events."""
    with write_facts(folder / "facts", sessions).connect() as connection:
        return connection.execute(f"SELECT {columns} FROM pace WHERE {condition} ORDER BY session, place").fetchall()


def walk(*events: Happened, **more: Any) -> MadeSession:
    return MadeSession(stage=max(stage for _, _, stage in events), events=events, **more)


def steady(gap: float, count: int = 1, first: str = "page_view", then: str = "search") -> list[MadeSession]:
    """Sessions of two events so many seconds apart."""
    return [walk((0, first, 0), (gap, then, 0)) for _ in range(count)]


def test_a_gap_lasts_until_the_next_action_of_ones_own_and_none_follows_the_end(tmp_path: Path) -> None:
    bought = walk(
        (0, "page_view", 0),
        (5, "intervention_shown", 0),
        (20, "add_to_cart", 2),
        (30, "purchase", 2),
        (40, "page_view", 2),
        outcome="goal",
    )
    rows = paced(tmp_path, [bought], "name, next_name, seconds, is_end")
    assert rows == [
        ("page_view", "add_to_cart", 20.0, False),
        ("add_to_cart", "purchase", 10.0, False),
        ("purchase", None, None, True),
    ]


def test_events_at_the_same_moment_are_taken_to_be_a_moment_apart(tmp_path: Path) -> None:
    rows = paced(tmp_path, steady(0.0), "seconds")
    assert rows == [(SHORTEST_SECONDS,), (None,)]


def test_a_gap_is_compared_with_the_median_of_its_own_two_events(tmp_path: Path) -> None:
    sessions = steady(8, 15) + steady(32, 15) + steady(3, 40, then="scroll")
    rows = paced(tmp_path, sessions, "next_name, normal_seconds, deviation", "seconds IS NOT NULL")
    # The median of the logarithms of 8 and 32 is that of their geometric mean, 16.
    assert {name: normal for name, normal, _ in rows} == pytest.approx({"search": 16.0, "scroll": 3.0})
    assert rows[0][2] == pytest.approx(-math.log(2))
    assert rows[20][2] == pytest.approx(math.log(2))


def test_a_pair_with_fewer_than_thirty_gaps_is_compared_with_its_event(tmp_path: Path) -> None:
    rows = paced(tmp_path, steady(4, 29) + steady(9, 30, then="scroll"), "next_name, normal_seconds", "seconds > 0")
    # Of the 59 gaps after page_view the thirtieth is 9.
    assert dict(rows) == pytest.approx({"search": 9.0, "scroll": 9.0})


def test_a_gap_far_beyond_the_normal_one_is_a_pause(tmp_path: Path) -> None:
    sessions = steady(5, 20) + steady(10, 20) + steady(20, 20) + steady(100) + steady(70)
    rows = paced(tmp_path, sessions, "seconds, hesitation", "seconds > 20")
    # The median is 10, the median absolute deviation ln 2, so that a pause begins at 10 exp(2 * 1.4826 ln 2) = 78.
    assert rows == [(100.0, "pause"), (70.0, None)]


def test_who_is_always_slow_pauses_at_first_and_then_goes_at_a_pace_of_their_own(tmp_path: Path) -> None:
    others = [one for visit in range(20) for gap in (5, 10, 20) for one in visitor(f"v{visit}{gap}", [gap] * 3)]
    rows = paced(tmp_path, [*others, *visitor("slow", [100] * 30)], "hesitation, own_deviation", "seconds = 100")
    assert rows[0][0] == "pause"
    assert [kind for kind, _ in rows[-10:]] == [None] * 10
    assert [own for _, own in rows] == sorted((own for _, own in rows), reverse=True)


def visitor(name: str, gaps: Sequence[float]) -> list[MadeSession]:
    return [
        walk((0, "page_view", 0), (gap, "search", 0), visitor=name, started_at=BEGIN + timedelta(hours=place))
        for place, gap in enumerate(gaps)
    ]


def test_a_third_visit_to_the_same_place_is_a_repeat_and_one_to_another_product_is_none(tmp_path: Path) -> None:
    events = [(10.0 * place, "view_product", 1) for place in range(5)]
    session = walk(*events, elements={0: "a", 1: "a", 2: "b", 3: "c", 4: "a"})
    rows = paced(tmp_path, [session], "place, hesitation", "hesitation IS NOT NULL")
    assert rows == [(4, "repeat")]


def test_to_and_fro_between_two_places_is_seen_at_the_return(tmp_path: Path) -> None:
    events = [(10.0 * place, "view_product", 1) for place in range(4)]
    there_and_back = walk(*events, elements={0: "a", 1: "b", 2: "a", 3: "c"})
    staying = walk(*events, elements={0: "a", 1: "a", 2: "a", 3: "b"})
    scrolling = walk((0, "scroll", 0), (5, "view_product", 1), (9, "scroll", 1), (20, "view_product", 1))
    rows = paced(tmp_path, [there_and_back, staying, scrolling], "session, place, hesitation", "hesitation IS NOT NULL")
    # A scroll is no place; and who stays at a has not gone anywhere, but been there three times.
    assert rows == [(0, 2, "oscillation"), (1, 2, "repeat")]


def test_a_field_that_is_changed_again_is_a_correction(tmp_path: Path) -> None:
    events = [(10.0 * place, "edit_field", 4) for place in range(3)]
    session = walk(*events, elements={0: "street", 1: "city", 2: "street"})
    rows = paced(tmp_path, [session], "element, hesitation", "hesitation IS NOT NULL")
    assert rows == [("street", "correction")]


def test_the_silence_after_the_last_action_is_watched_until_the_timeout_or_the_end_of_the_log(tmp_path: Path) -> None:
    early = walk((0, "page_view", 0))
    late = walk((0, "page_view", 0), (60, "search", 0), started_at=BEGIN + timedelta(hours=2))
    rows = paced(tmp_path, [early, late], "watched_seconds", "seconds IS NULL")
    assert rows == [(1_800.0,), (0.0,)]


def test_gaps_of_ones_own_weigh_by_the_variances_within_and_between_visitors() -> None:
    # Visitors with (0, 2) and (4, 6): within 2 + 2, between 2 (1 - 3)² + 2 (5 - 3)² = 16. The mean squares are 4 / 2
    # and 16, the size 2, so between visitors the variance is (16 - 2) / 2 = 7.
    assert shrinkage(gaps=4, visitors=2, squared_counts=8.0, within=4.0, between=16.0) == pytest.approx(2 / 7)


def test_without_a_difference_between_visitors_nobody_has_a_pace_of_their_own() -> None:
    assert shrinkage(gaps=4, visitors=2, squared_counts=8.0, within=40.0, between=1.0) > 1e9
    assert shrinkage(gaps=1, visitors=1, squared_counts=1.0, within=0.0, between=0.0) > 1e9
