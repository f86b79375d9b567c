"""Facts: what a log comes to, session by session, with hand-made sessions whose rows are known."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))

from made_logs import signup

from features.log_files import LogError
from features.scan import on
from features.table import Stage
from insights.build_facts import build_facts
from insights.facts import Facts, FactsError, open_facts
from insights.filters import Filters
from journeys.journey import Journey

# A Sunday; at 23:30 in UTC it is half past midnight of Monday in Berlin.
START = datetime(2026, 3, 1, 23, 30, tzinfo=UTC).timestamp()
Happened = Sequence[tuple[float, str] | tuple[float, str, dict[str, Any]]]


def journey() -> Journey:
    return signup(
        stages=(
            Stage("read", on("page_view")),
            Stage("form", on("edit_field")),
            Stage("terms", on("form_error")),
        ),
        properties={"price": "what it costs", "country": "where from"},
        revenue="price",
        cohorts=("country",),
        timezone="Europe/Berlin",
    )


def make(folder: Path, sessions: dict[str, Happened], visitors: dict[str, str] | None = None) -> Facts:
    rows = [
        {
            "event_id": f"{session}{place:03}",
            "session_id": session,
            "visitor_id": (visitors or {}).get(session, f"visitor of {session}"),
            "name": happened[1],
            "occurred_at": START + happened[0],
            "device": "phone",
            "properties": happened[2] if len(happened) > 2 else {},
        }
        for session, events in sessions.items()
        for place, happened in enumerate(events)
    ]
    log = folder / "log.jsonl"
    log.write_text("\n".join(json.dumps(row) for row in rows))
    return build_facts(journey(), log, folder / "facts")


def rows_of(facts: Facts, query: str, filters: Filters | None = None) -> list[tuple[Any, ...]]:
    with facts.connect(filters) as connection:
        return connection.execute(query).fetchall()


LATER: Happened = [(90_000, "page_view")]
"""A session so late that the silence of the others is known."""


def test_each_end_has_its_outcome_and_the_stage_before_it(tmp_path: Path) -> None:
    facts = make(
        tmp_path,
        {
            "a": [(0, "page_view"), (10, "edit_field"), (30, "sign_up", {"price": 12.5})],
            "b": [(0, "page_view"), (20, "edit_field")],
            "c": [(0, "page_view"), (5, "leave")],
            "d": [(0, "page_view"), (5, "refuse")],
            "e": [(0, "terms"), (1, "sign_up")],
            "z": LATER,
        },
    )
    assert rows_of(facts, "SELECT session_id, outcome, stage, events, value FROM sessions ORDER BY session_id") == [
        ("a", "goal", "form", 3, 12.5),
        ("b", "abandoned", "form", 2, None),
        ("c", "abandoned", "read", 2, None),
        ("d", "competing", "read", 2, None),
        ("e", "goal", None, 2, None),
        ("z", "open", "read", 1, None),
    ]
    assert facts.sessions == 6
    assert facts.events == 12


def test_an_abandoned_session_left_at_its_last_sign_of_life(tmp_path: Path) -> None:
    facts = make(
        tmp_path,
        {"b": [(0, "page_view"), (20, "edit_field")], "c": [(0, "page_view"), (5, "leave")], "z": LATER},
    )
    left = dict(rows_of(facts, "SELECT session_id, epoch(left_at) FROM sessions"))
    assert left == {"b": START + 20, "c": START + 5, "z": None}


def test_a_stage_that_was_skipped_took_no_time_and_no_event(tmp_path: Path) -> None:
    facts = make(
        tmp_path,
        {"a": [(0, "page_view"), (10, "page_view"), (40, "form_error"), (100, "edit_field")], "z": LATER},
    )
    rows = rows_of(
        facts,
        "SELECT stages.stage, epoch(entered_at), dwell_seconds, stages.events, advanced, exited FROM stages "
        "JOIN sessions USING (session) WHERE session_id = 'a' ORDER BY stages.stage_index",
    )
    assert rows == [
        ("read", START, 40.0, 2, True, False),
        ("form", START + 40, 0.0, 0, True, False),
        ("terms", START + 40, 60.0, 2, False, True),
    ]


def test_a_session_that_begins_late_in_the_journey_skipped_what_comes_before(tmp_path: Path) -> None:
    facts = make(tmp_path, {"a": [(0, "form_error")], "b": [(0, "leave"), (1, "page_view")], "z": LATER})
    rows = rows_of(
        facts,
        "SELECT session_id, stages.stage, stages.events, exited FROM stages JOIN sessions USING (session) "
        "WHERE session_id IN ('a', 'b') ORDER BY session_id, stages.stage_index",
    )
    # The first event of b ends it: it stood nowhere.
    assert rows == [("a", "read", 0, False), ("a", "form", 0, False), ("a", "terms", 1, True)]


def test_events_before_the_first_stage_stand_before_it(tmp_path: Path) -> None:
    facts = make(tmp_path, {"a": [(0, "something"), (3, "page_view")], "z": LATER})
    rows = rows_of(facts, "SELECT stage_index, stage, events, advanced FROM stages WHERE session = 0 ORDER BY 1")
    assert rows == [(-1, None, 1, True), (0, "read", 1, False)]


def test_what_comes_after_the_end_belongs_to_no_stage(tmp_path: Path) -> None:
    facts = make(tmp_path, {"a": [(0, "page_view"), (4, "sign_up"), (9, "edit_field")], "z": LATER})
    assert rows_of(
        facts,
        "SELECT stages.stage, dwell_seconds, advanced, exited FROM stages JOIN sessions USING (session) "
        "WHERE session_id = 'a'",
    ) == [("read", 4.0, True, False)]
    assert rows_of(facts, "SELECT stage FROM sessions WHERE session_id = 'a'") == [("read",)]


def test_days_and_hours_are_those_of_the_journeys_time_zone(tmp_path: Path) -> None:
    facts = make(tmp_path, {"a": [(0, "page_view")], "z": LATER})
    assert rows_of(facts, "SELECT local_day, local_hour, local_weekday FROM sessions WHERE session_id = 'a'") == [
        (date(2026, 3, 2), 0, 0)
    ]
    assert rows_of(facts, "SELECT local_day, local_hour, name, events FROM hours ORDER BY 1, 2") == [
        (date(2026, 3, 2), 0, "page_view", 1),
        (date(2026, 3, 3), 1, "page_view", 1),
    ]


def test_a_visitor_is_new_once_and_then_returns(tmp_path: Path) -> None:
    facts = make(
        tmp_path,
        {"first": [(0, "page_view")], "second": [(7_200, "page_view")], "z": LATER},
        {"first": "anna", "second": "anna"},
    )
    assert dict(rows_of(facts, "SELECT session_id, visitor_kind FROM sessions")) == {
        "first": "new",
        "second": "returning",
        "z": "new",
    }


def test_a_declared_cohort_is_the_sessions_first_known_value(tmp_path: Path) -> None:
    facts = make(
        tmp_path,
        {
            "a": [(0, "page_view"), (1, "page_view", {"country": "DE"}), (2, "page_view", {"country": "FR"})],
            "b": [(0, "page_view")],
            "z": LATER,
        },
    )
    assert dict(rows_of(facts, "SELECT session_id, country FROM sessions")) == {"a": "DE", "b": None, "z": None}


def test_filters_keep_the_rows_of_their_sessions_in_every_table(tmp_path: Path) -> None:
    facts = make(
        tmp_path,
        {
            "a": [(0, "page_view", {"country": "DE"}), (9, "edit_field")],
            "b": [(0, "page_view", {"country": 'O\'Hara "x"'})],
            "z": LATER,
        },
    )
    odd = Filters(cohort=(("country", 'O\'Hara "x"'),))
    assert rows_of(facts, "SELECT session_id FROM sessions", odd) == [("b",)]
    for table in ("stages", "events", "timelines"):
        assert rows_of(facts, f"SELECT count(*) FROM {table}", odd) == [(1,)]
    either = Filters(cohort=(("country", "DE"), ("country", 'O\'Hara "x"')))
    assert rows_of(facts, "SELECT count(*) FROM sessions", either) == [(2,)]
    both = Filters(cohort=(("country", "DE"), ("device", "desktop")))
    assert rows_of(facts, "SELECT count(*) FROM sessions", both) == [(0,)]
    until = Filters(until=date(2026, 3, 2))
    assert rows_of(facts, "SELECT session_id FROM sessions ORDER BY 1", until) == [("a",), ("b",)]
    assert rows_of(facts, "SELECT session_id FROM sessions", Filters(since=date(2026, 3, 3))) == [("z",)]


def test_gaps_are_those_between_the_events_of_one_session(tmp_path: Path) -> None:
    facts = make(tmp_path, {"a": [(0, "page_view"), (1.5, "edit_field"), (4, "edit_field")], "z": LATER})
    assert rows_of(facts, "SELECT place, name, stage_index, gap_seconds FROM events WHERE session = 0 ORDER BY 1") == [
        (0, "page_view", 0, None),
        (1, "edit_field", 1, 1.5),
        (2, "edit_field", 1, 2.5),
    ]


def test_days_are_settled_when_nineteen_of_twenty_sessions_that_ended_took_no_longer(tmp_path: Path) -> None:
    hour, day = 3_600.0, 86_400.0
    sessions: dict[str, Happened] = {f"q{number:02}": [(0, "page_view"), (day, "sign_up")] for number in range(39)}
    sessions["slow"] = [(0, "page_view"), (6 * day, "sign_up")]
    facts = make(tmp_path, {**sessions, "z": [(7 * day + hour, "page_view")]})
    # The log ends on Monday the 9th at half past one in Berlin; a day before is the 8th, which has only begun.
    assert facts.matured_until_us == (START + 6 * day + hour) * 1_000_000
    assert facts.settled_day == date(2026, 3, 7)
    assert make(tmp_path, {"z": LATER}).settled_day == date(2026, 3, 3)


def test_without_a_model_nothing_is_said_of_blockers(tmp_path: Path) -> None:
    facts = make(tmp_path, {"a": [(0, "page_view")], "z": LATER})
    assert facts.model_version is None
    assert rows_of(facts, "SELECT count(blocker), count(risk) FROM sessions") == [(0, 0)]
    assert rows_of(facts, "SELECT count(*) FROM blockers") == [(0,)]


def test_a_log_that_cannot_be_read_leaves_the_older_facts_alone(tmp_path: Path) -> None:
    make(tmp_path, {"a": [(0, "page_view")], "z": LATER})
    (tmp_path / "log.jsonl").write_text("")
    with pytest.raises(LogError, match="is empty"):
        build_facts(journey(), tmp_path / "log.jsonl", tmp_path / "facts")
    assert open_facts(tmp_path / "facts").sessions == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["facts", "log.jsonl"]


def test_a_folder_without_facts_or_of_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FactsError, match="holds no facts; make them with dropoff insights"):
        open_facts(tmp_path)
    facts = make(tmp_path, {"a": [(0, "page_view")], "z": LATER})
    described = json.loads((facts.folder / "facts.json").read_text())
    (facts.folder / "facts.json").write_text(json.dumps({**described, "format": 0}))
    with pytest.raises(FactsError, match="of another version of dropoff"):
        open_facts(facts.folder)
