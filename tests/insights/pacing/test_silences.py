"""Silences of a real log: how long each lasted, and whether the visitor then left soon."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))

from made_logs import TIMEOUT, signup

from features.log_files import LogError
from insights.build_facts import build_facts
from insights.facts import Facts
from insights.pacing.silences import silence_grid
from journeys.journey import Journey

START = datetime(2026, 3, 2, 9, tzinfo=UTC).timestamp()


def journey() -> Journey:
    properties = {"field": "which field", "page": "which page"}
    return signup(properties=properties, elements={"edit_field": "field", "page_view": "page"}, edits=("edit_field",))


def make(folder: Path, sessions: dict[str, list[tuple[float, str, dict[str, str]]]]) -> Facts:
    rows = [
        {
            "event_id": f"{session}{place:03}",
            "session_id": session,
            "visitor_id": f"visitor of {session}",
            "name": name,
            "occurred_at": START + seconds,
            "properties": properties,
        }
        for session, events in sessions.items()
        for place, (seconds, name, properties) in enumerate(events)
    ]
    log = folder / "log.jsonl"
    log.write_text("\n".join(json.dumps(row) for row in rows))
    return build_facts(journey(), log, folder / "facts")


def test_a_silence_is_read_until_the_next_action_and_labelled_by_what_came(tmp_path: Path) -> None:
    much_later = [(100_000.0, "page_view", {})]
    facts = make(tmp_path, {"a": [(0.0, "page_view", {}), (100.0, "edit_field", {})], "z": much_later})
    grid = silence_grid(journey())
    with facts.connect() as connection:
        rows = connection.execute(
            "SELECT place, tick, left_soon, silences.leaving_soon FROM silences JOIN sessions USING (session) "
            "WHERE session_id = 'a' ORDER BY place, tick"
        ).fetchall()
    # The visitor leaves at 100 s, which is within the next minute from 40 s on.
    first = [(0, tick, float(seconds >= 40), None) for tick, seconds in enumerate(grid) if seconds < 100]
    assert rows == first + [(1, tick, 1.0, None) for tick, seconds in enumerate(grid) if seconds < TIMEOUT]


def test_nothing_is_known_of_a_silence_before_a_timeout_has_passed(tmp_path: Path) -> None:
    facts = make(tmp_path, {"a": [(0.0, "page_view", {})], "z": [(0.0, "page_view", {}), (1_000.0, "sign_up", {})]})
    with facts.connect() as connection:
        assert connection.execute("SELECT count(left_soon) FROM silences").fetchall() == [(0,)]


def test_what_was_shown_to_somebody_is_no_action_and_an_event_keeps_its_own_name(tmp_path: Path) -> None:
    events = [
        (0.0, "page_view", {"page": "home"}),
        (10.0, "intervention_shown", {}),
        (20.0, "something_new", {}),
        (30.0, "edit_field", {"field": "mail"}),
    ]
    facts = make(tmp_path, {"a": events})
    with facts.connect() as connection:
        told = connection.execute("SELECT name, element FROM events ORDER BY place").fetchall()
        places = connection.execute("SELECT DISTINCT place FROM silences ORDER BY place").fetchall()
        acted = connection.execute("SELECT name, seconds FROM pace ORDER BY place").fetchall()
    assert told == [
        ("page_view", "home"),
        ("intervention_shown", None),
        ("something_new", None),
        ("edit_field", "mail"),
    ]
    assert places == [(0,), (2,), (3,)]
    assert acted == [("page_view", 20.0), ("something_new", 10.0), ("edit_field", None)]


def test_a_log_that_cannot_be_read_leaves_no_facts(tmp_path: Path) -> None:
    with pytest.raises(LogError):
        build_facts(journey(), tmp_path / "nothing.parquet", tmp_path / "facts")
    assert not (tmp_path / "facts").exists()
