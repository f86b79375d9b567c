from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from made_facts import BEGIN, SHOP, MadeSession, write_facts
from scipy import stats

from insights.blockers import Step, describe_blockers, find_phrases, find_typical, follow_blocker, split_blocker
from insights.filters import Filters

PRICE = MadeSession(stage=1, device="phone", confidences={"price": 0.5, "trust": 0.2})
TRUST = MadeSession(stage=2, device="desk", confidences={"trust": 0.4, "price": 0.01})
BUYS = MadeSession(stage=5, outcome="goal", device="phone")


@pytest.fixture
def sessions() -> list[MadeSession]:
    nothing = MadeSession(stage=0, device="phone")
    return [*[PRICE] * 40, *[TRUST] * 25, *[nothing] * 35, *[BUYS] * 60]


def test_the_expected_exits_are_the_summed_confidences(tmp_path: Path, sessions: list[MadeSession]) -> None:
    found = describe_blockers(write_facts(tmp_path, sessions), SHOP)
    assert (found.exits, found.visitors, found.nothing_named) == (100, 100, 35)
    assert [blocker.friction for blocker in found.blockers] == ["price", "trust"]
    price, trust = found.blockers
    assert price.expected.value == pytest.approx(40 * 0.5 + 25 * 0.01)
    assert trust.expected.value == pytest.approx(40 * 0.2 + 25 * 0.4)
    assert (price.problem_type, trust.problem_type) == ("value proposition mismatch", "trust barrier")
    assert (price.named_first, trust.named_first) == (40, 25)
    assert price.expected_where_named.value == pytest.approx(20)
    assert trust.expected_where_named.value == pytest.approx(10)
    assert price.share.value == pytest.approx(0.2025)
    assert found.unexplained == pytest.approx(100 - 20.25 - 18)


def test_the_interval_is_that_of_a_sum_of_unequal_coins(tmp_path: Path, sessions: list[MadeSession]) -> None:
    trust = describe_blockers(write_facts(tmp_path, sessions), SHOP).blockers[1]
    exact = np.convolve(stats.binom.pmf(np.arange(41), 40, 0.2), stats.binom.pmf(np.arange(26), 25, 0.4)).cumsum()
    low, high = np.searchsorted(exact, [0.025, 0.975])
    assert abs(trust.expected.low - low) <= 1
    assert abs(trust.expected.high - high) <= 1


def test_the_stages_of_a_blocker_add_up_to_it(tmp_path: Path, sessions: list[MadeSession]) -> None:
    found = describe_blockers(write_facts(tmp_path, sessions), SHOP)
    price, trust = found.blockers
    assert [(part.name, part.exits) for part in price.stages] == [("browse", 35), ("product", 40), ("cart", 25)]
    assert [part.expected.value for part in price.stages if part.expected] == pytest.approx([0, 20, 0.25])
    assert [part.expected.value for part in trust.stages if part.expected] == pytest.approx([0, 8, 10])
    assert [part.share.value for part in trust.stages if part.share] == pytest.approx([0, 0.2, 0.4])


def test_a_stage_with_few_exits_is_hidden_with_another(tmp_path: Path, sessions: list[MadeSession]) -> None:
    few = [replace(PRICE, stage=4)] * 7
    price = describe_blockers(write_facts(tmp_path, [*sessions, *few]), SHOP).blockers[0]
    assert [(part.name, part.exits) for part in price.stages] == [
        ("browse", 35), ("product", 40), ("cart", None), ("address", None),
    ]  # fmt: skip
    assert [part.expected is None for part in price.stages] == [False, False, True, True]


def test_a_blocker_is_split_by_the_exits_of_cohorts(tmp_path: Path, sessions: list[MadeSession]) -> None:
    facts = write_facts(tmp_path, sessions)
    parts = split_blocker(facts, "trust", "device")
    assert [(part.name, part.exits) for part in parts] == [("phone", 75), ("desk", 25)]
    assert [part.expected.value for part in parts if part.expected] == pytest.approx([8, 10])
    assert [part.share.value for part in parts if part.share] == pytest.approx([8 / 75, 0.4])
    assert split_blocker(facts, "speed", "device") == ()


def test_a_trend_goes_by_days_of_the_journeys_zone_and_by_weeks_from_monday(
    tmp_path: Path, sessions: list[MadeSession]
) -> None:
    # The first of June 2026 is a Monday. In Berlin, 22:30 in London's winter time is the next day.
    late = BEGIN.replace(hour=22, minute=30)
    moved = [
        *sessions,
        *[replace(PRICE, started_at=late)] * 30,
        *[replace(PRICE, started_at=BEGIN + timedelta(days=7))] * 20,
        *[replace(TRUST, started_at=BEGIN + timedelta(days=8))] * 20,
    ]
    facts = write_facts(tmp_path, moved)
    days = follow_blocker(facts, "price", Step.DAY)
    assert [(day, part.exits) for day, part in days] == [
        (date(2026, 6, 1), 100), (date(2026, 6, 2), 30), (date(2026, 6, 8), 20), (date(2026, 6, 9), 20),
    ]  # fmt: skip
    assert [part.expected.value for _, part in days if part.expected] == pytest.approx([20.25, 15, 10, 0.2])
    weeks = follow_blocker(facts, "price", Step.WEEK)
    assert [(day, part.exits) for day, part in weeks] == [(date(2026, 6, 1), 130), (date(2026, 6, 8), 40)]
    chosen = follow_blocker(facts, "price", Step.WEEK, Filters(since=date(2026, 6, 9)))
    assert [(day, part.exits) for day, part in chosen] == [(date(2026, 6, 8), 20)]


def test_phrases_are_counted_once_a_session_whatever_their_numbers(tmp_path: Path) -> None:
    def told(*phrases: str) -> MadeSession:
        rows = [(float(place), "view_product", "price", phrase) for place, phrase in enumerate(phrases)]
        events = [(float(place), "view_product", 1) for place in range(len(phrases))]
        return replace(PRICE, told=rows, events=events)

    sessions = [
        told("3 prices compared", "5 prices compared"),
        told("1 price compared"),
        told("read reviews once", "looked up returns twice"),
        told("looked up returns 3 times"),
        told("looked up returns once"),
        replace(TRUST, told=[(0.0, "view_product", "price", "a trust session")], events=[(0.0, "view_product", 2)]),
    ]
    phrases, retold = find_phrases(write_facts(tmp_path, sessions), "price")
    assert retold == 5
    assert [one.sessions for one in phrases] == [3, 2]
    assert phrases[0].phrase.startswith("looked up returns")
    assert phrases[1].phrase.endswith("compared")


def test_typical_sessions_are_the_nearest_to_the_usual_at_the_commonest_stage(tmp_path: Path) -> None:
    def session(seconds: float) -> MadeSession:
        rows = [(0.0, "page_view", None, ""), (seconds, "view_product", "price", "dear")]
        return replace(
            PRICE, told=rows, dwell=(0, seconds), events=[(0.0, "page_view", 0), (seconds, "view_product", 1)]
        )

    elsewhere = [replace(session(100.0), stage=2)] * 3
    sessions = [session(float(seconds)) for seconds in (1, 90, 95, 100, 105, 9000, 9500)] + elsewhere
    assert find_typical(write_facts(tmp_path, sessions), "price") == ("s3", "s4", "s2")


def test_of_too_few_exits_nothing_is_told(tmp_path: Path) -> None:
    found = describe_blockers(write_facts(tmp_path, [PRICE] * 19), SHOP)
    assert (found.exits, found.blockers) == (None, ())


def test_without_a_model_there_are_exits_and_no_blockers(tmp_path: Path) -> None:
    plain = [replace(PRICE, confidences={})] * 30
    found = describe_blockers(write_facts(tmp_path, plain, model_version=None), SHOP)
    assert not found.has_model
    assert (found.exits, found.nothing_named, found.blockers) == (30, 30, ())
