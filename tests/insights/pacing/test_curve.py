"""The pace of stages, of steps and along sessions."""

from pathlib import Path

import numpy as np
import pytest
from made_facts import MadeSession, write_facts

from insights.pacing.curve import Middle, pace_curve, stage_paces, step_paces

STAGES = ("browse", "product", "cart", "checkout", "address", "payment")


def sessions(count: int, gap: float, outcome: str, actions: int = 4) -> list[MadeSession]:
    """Sessions of so many searches, all so many seconds apart."""
    events = [(gap * place, "search", 0) for place in range(actions)]
    return [MadeSession(stage=0, outcome=outcome, events=events) for _ in range(count)]


def test_the_middle_of_values_is_their_median_between_ranks() -> None:
    # Of 25 values the median lies between those of the ranks 8 and 18 with at least 95 %: P(Bin(25, 1/2) < 8) = .0216.
    middle = Middle.of(np.arange(1.0, 26.0))
    assert (middle.count, middle.median, middle.low, middle.high) == (25, 13.0, 8.0, 18.0)
    assert (middle.tenth, middle.ninetieth) == (pytest.approx(3.4), pytest.approx(22.6))


def test_quick_and_slow_sessions_are_told_apart_from_either_end(tmp_path: Path) -> None:
    made = sessions(40, 5.0, "goal") + sessions(40, 20.0, "abandoned")
    with write_facts(tmp_path / "facts", made).connect() as connection:
        points = pace_curve(connection)
    assert len(points) == 2 * 2 * 3
    # Half of the gaps are 5 s and half 20 s, so the normal one is 10 s.
    for point in points:
        expected = 0.5 if point.outcome == "goal" else 2.0
        assert (point.ratio, point.low, point.high) == pytest.approx((expected,) * 3)
        assert point.sessions == 40


def test_a_point_of_fewer_than_thirty_sessions_and_open_sessions_are_left_out(tmp_path: Path) -> None:
    made = sessions(35, 5.0, "goal", actions=2) + sessions(29, 5.0, "abandoned") + sessions(40, 5.0, "open")
    with write_facts(tmp_path / "facts", made).connect() as connection:
        points = pace_curve(connection)
    assert {(point.outcome, point.action) for point in points} == {("goal", 1)}


def test_the_pace_of_a_stage_and_of_its_steps_are_medians_of_seconds(tmp_path: Path) -> None:
    made = [
        MadeSession(stage=1, events=[(0, "page_view", 0), (gap, "view_product", 1), (3 * gap, "scroll", 1)])
        for gap in range(1, 42)
    ]
    with write_facts(tmp_path / "facts", made).connect() as connection:
        stages, steps = stage_paces(connection, STAGES), step_paces(connection, STAGES)
    assert [(one.stage, one.gaps, one.median_seconds) for one in stages] == [
        ("browse", 41, 21.0),
        ("product", 41, 42.0),
    ]
    assert [(one.event, one.next_event, one.gaps, one.median_seconds) for one in steps] == [
        ("page_view", "view_product", 41, 21.0),
        ("view_product", "scroll", 41, 42.0),
    ]
