"""Touches among the facts are those of the log, and the page credits them as the command does."""

import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "channels"))

from made_facts import BEGIN, SHOP, MadeSession, write_facts
from made_touches import row, write

from features.log_files import LogError
from insights.build_facts import build_facts
from insights.channels.contribution import measure_contribution
from insights.channels.credit import MODELS
from insights.channels.of_facts import credit_facts
from insights.facts import Facts
from insights.filters import Filters
from insights.touches import load_touches, write_touches

DAY = 24 * 60
EVENTS = [
    row("a", 0, "page_view", "site", session_id="a1", device="mobile"),
    row("a", 1, "view_product", "site", session_id="a1", device="mobile"),
    row("a", 2 * DAY, "page_view", "mail", session_id="a2", device="mobile", user_id="ann"),
    row("a", 2 * DAY + 1, "add_to_cart", "site", session_id="a2", device="mobile"),
    row("a", 2 * DAY + 2, "purchase", "site", session_id="a2", properties={"revenue": 19.5}),
    row("b", DAY, "page_view", "site", session_id="b1", device="desktop"),
    row("c", DAY, "page_view", None, session_id="c1", device="desktop"),
]
CALLS = [row("a", -60, "ring", "call"), row("x", 5, "ring", "call")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log")
    write(folder / "shop" / "events" / "a.jsonl", EVENTS)
    write(folder / "shop" / "touchpoints" / "a.jsonl", CALLS)
    return folder


@pytest.fixture(scope="module")
def facts(folder: Path) -> Facts:
    return build_facts(SHOP, folder / "shop", folder / "facts")


def test_facts_hold_the_touches_of_events_and_of_touchpoints_beside_them(facts: Facts) -> None:
    with facts.connect() as connection:
        said = connection.execute(
            "SELECT dimension, name, count(DISTINCT person), count(*) FROM touches GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        people = dict(
            connection.execute("SELECT session_id, person FROM persons JOIN sessions USING (session)").fetchall()
        )
    assert said == [("channel", "call", 2, 2), ("channel", "mail", 1, 1), ("channel", "site", 2, 3)]
    # The visitor is known as one user, so that both visits are one person's; who was never touched has a person, too.
    assert people["a1"] == people["a2"]
    assert len({people[session] for session in ("a1", "b1", "c1")}) == 3


def test_the_facts_are_credited_as_the_log_is(folder: Path, facts: Facts) -> None:
    measured = measure_contribution(folder / "shop", "purchase", journey=SHOP, models=tuple(MODELS), value="revenue")
    found = credit_facts(facts, SHOP, Filters(), "channel")
    assert found.goal == measured.goal
    assert found.stages == measured.stages
    assert found.goal.conversions["linear"] == pytest.approx({"call": 0.25, "mail": 0.25, "site": 0.5})
    assert found.goal.values["first"] == {"call": 19.5, "mail": 0.0, "site": 0.0}
    # Browse was reached by a1 (call, site), a2 (call, site, mail), b1 (site) and c1 (nothing).
    assert found.stages[0].conversions["first"] == {"call": 2.0, "mail": 0.0, "site": 1.0, "none": 1.0}
    assert found.stages[0].conversions["last"] == {"call": 0.0, "mail": 1.0, "site": 2.0, "none": 1.0}


def test_a_period_counts_its_own_touches_and_paths_reach_back_before_it(facts: Facts) -> None:
    # The made log begins on 2026-03-02 at nine in the morning, UTC; the purchase comes two days later.
    late = credit_facts(facts, SHOP, Filters(since=date(2026, 3, 4)), "channel")
    assert late.goal.conversions["first"] == {"call": 1.0, "mail": 0.0, "site": 0.0}
    assert {one.channel: one.touches for one in late.goal.counts} == {"call": 0, "mail": 1, "site": 1}
    early = credit_facts(facts, SHOP, Filters(until=date(2026, 3, 2)), "channel")
    assert (early.goal.total, early.stages[0].total, early.stages[1].total) == (0, 1, 1)
    # Without the purchase, the touches of that day led nowhere: a call and a visit, and the call to somebody else.
    assert early.goal.paths == 2
    assert {one.channel: one.touches for one in early.goal.counts} == {"call": 2, "mail": 0, "site": 1}


def test_a_cohort_is_credited_by_the_touches_of_its_own_people(facts: Facts) -> None:
    desktop = credit_facts(facts, SHOP, Filters(cohort=(("device", "desktop"),)), "channel")
    assert desktop.stages[0].conversions["first"] == {"call": 0.0, "mail": 0.0, "site": 1.0, "none": 1.0}
    assert {one.channel: one.touches for one in desktop.goal.counts} == {"call": 0, "mail": 0, "site": 1}


def test_facts_built_anew_are_credited_anew(tmp_path: Path) -> None:
    for channel, moment in (("mail", BEGIN), ("call", BEGIN + timedelta(days=1))):
        made = write_facts(tmp_path / "facts", [MadeSession(channel=channel, started_at=moment)])
        assert credit_facts(made, SHOP, Filters(), "channel").stages[0].conversions["first"] == {channel: 1.0}


def test_without_any_touch_there_are_no_channels(tmp_path: Path) -> None:
    made = write_facts(tmp_path / "facts", [MadeSession(stage=1)])
    with made.connect() as connection:
        assert load_touches(connection, "channel").names == ()
    assert credit_facts(made, SHOP, Filters(), "source").stages[1].conversions["markov"] == {"none": 1.0}


def test_a_log_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"there is no log at .*nothing\.parquet"):
        write_touches(tmp_path / "nothing.parquet", SHOP, tmp_path)
