"""When a silence says that somebody is leaving: the curve, its crossing, and who acts again meanwhile."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_facts import MadeSession, write_facts

from insights.pacing.nudge import NudgePoint, best_moment, find_nudges, silence_curve
from insights.pacing.silences import silence_grid
from journeys.load import load_journey

SHOP = load_journey("ecommerce")


def point(idle: float, leaving: float, silent: float = 1.0, present: float = 1.0) -> NudgePoint:
    return NudgePoint("cart", idle, 100, leaving, leaving, leaving, leaving, silent, present, 0.0)


def test_the_silent_share_is_the_product_limit() -> None:
    # Ten silences: four acted within 10 s, one was last watched then; of the five left two acted by 20 s.
    curve = silence_curve(acted=[0, 4, 2, 1], censored=[0, 1, 0, 2], grid=(0.0, 10.0, 20.0))
    silent, present, hazard = zip(*curve, strict=True)
    assert silent == pytest.approx((1.0, 6 / 10, 6 / 10 * 3 / 5))
    assert present == pytest.approx((1.0, 3 / 7, 1 / 7))
    assert hazard == pytest.approx((0.0, 0.04, 0.04))


@given(st.lists(st.floats(0.1, 40.0), min_size=1, max_size=30))
def test_where_everybody_acts_again_as_many_are_silent_as_have_longer_gaps(gaps: list[float]) -> None:
    grid = (0.0, 5.0, 12.0, 30.0)
    edges = (-1.0, *grid, 1e9)
    acted = [sum(low < gap <= high for gap in gaps) for low, high in pairwise(edges)]
    for (silent, present, _), seconds in zip(silence_curve(acted, [0] * 5, grid), grid, strict=True):
        longer = sum(gap > seconds for gap in gaps) / len(gaps)
        assert silent == pytest.approx(longer)
        assert present == pytest.approx(longer)


def test_the_best_moment_is_where_the_curve_crosses_the_threshold() -> None:
    points = [point(0, 0.2), point(10, 0.4, 0.5, 0.6), point(20, 0.8, 0.3, 0.2), point(30, 0.9, 0.2, 0.1)]
    best = best_moment(points, 0.5)
    assert best is not None
    # A quarter of the way from .4 to .8.
    assert best.idle_seconds == pytest.approx(12.5)
    assert best.leaving == pytest.approx(0.5)
    assert best.silent == pytest.approx(0.45)
    assert best.reached == pytest.approx(0.45 * 0.5 * 0.5)
    assert best.interrupted == pytest.approx(0.45 * 0.5)


def test_a_curve_that_begins_above_the_threshold_says_at_once_and_one_that_stays_below_says_never() -> None:
    at_once = best_moment([point(0, 0.6), point(10, 0.7)], 0.5)
    assert at_once is not None
    assert at_once.idle_seconds == 0
    assert best_moment([point(0, 0.1), point(10, 0.4)], 0.5) is None


def test_a_stage_has_the_mean_of_what_the_model_said_and_what_was_observed(tmp_path: Path) -> None:
    # Fifty sessions act again after 20 s, fifty never; ticks 0, 1 and 2 are silences of 0, 5 and 10 s.
    stays = [
        MadeSession(
            stage=0,
            events=[(0.0, "page_view", 0), (20.0, "search", 0)],
            silences=[(0, 0, tick, 0.1 * tick, 0.0) for tick in range(3)],
        )
        for _ in range(50)
    ]
    leaves = [
        MadeSession(
            stage=0,
            events=[(0.0, "page_view", 0)],
            silences=[(0, 0, tick, 0.3 + 0.3 * tick, 1.0) for tick in range(3)],
        )
        for _ in range(50)
    ]
    with write_facts(tmp_path / "facts", stays + leaves).connect() as connection:
        [nudge] = find_nudges(connection, ("browse",), silence_grid(SHOP), threshold=0.5)
    assert [(one.idle_seconds, one.moments, one.observed) for one in nudge.points] == [
        (0.0, 100, 0.5),
        (5.0, 100, 0.5),
        (10.0, 100, 0.5),
    ]
    assert [one.leaving for one in nudge.points] == pytest.approx([0.15, 0.35, 0.55])
    assert nudge.best is not None
    assert nudge.best.idle_seconds == pytest.approx(8.75)
    # Nobody has acted again by then: fifty of the hundred and fifty actions never do, nor do those after a search.
    assert nudge.best.silent == 1.0
    assert nudge.best.reached == pytest.approx(0.5)


def test_without_a_model_the_curve_is_what_was_observed(tmp_path: Path) -> None:
    made = [
        MadeSession(stage=0, events=[(0.0, "page_view", 0)], silences=[(0, 0, 0, None, float(number < 15))])
        for number in range(60)
    ]
    with write_facts(tmp_path / "facts", made).connect() as connection:
        [nudge] = find_nudges(connection, ("browse",), silence_grid(SHOP))
    assert nudge.points[0].leaving == nudge.points[0].observed == 0.25


def test_a_grid_of_silences_ends_before_the_timeout() -> None:
    grid = silence_grid(SHOP)
    assert grid[:4] == (0.0, 5.0, 10.0, 15.0)
    assert list(grid) == sorted(grid)
    assert grid[-1] < SHOP.session_timeout_seconds
