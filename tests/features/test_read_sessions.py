"""Sessions as they were recorded: which are chosen, what they hold, and that they replay to what history says."""

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from small_logs import TEN_US, TIMEOUT_SECONDS, event, read, small_plan, write_lines

from features.build import build, every_event
from features.encode import encode_event
from features.events import Event
from features.live import LiveSession
from features.log_files import LogError
from features.plan import Plan
from features.read_sessions import RecordedSession, read_sessions
from features.sources.mapping import column_mapping


@pytest.fixture(scope="module")
def plan() -> Plan:
    return small_plan()


def recorded(path: Path, plan: Plan, **options: Any) -> list[RecordedSession]:
    return read_sessions(path, plan, timeout_seconds=TIMEOUT_SECONDS, **options)


def visits() -> list[dict[str, Any]]:
    """Three visits of v1, of 6, 7 and 2 events and an hour apart, and one of v2 of 5 events between them."""
    rows = [event(number) for number in range(6)]
    rows += [event(100 + number, occurred_at=TEN_US / 1e6 + 3_600 + number) for number in range(7)]
    rows += [event(200 + number, occurred_at=TEN_US / 1e6 + 7_200 + number) for number in range(2)]
    rows += [event(50 + number, visitor_id="v2", occurred_at=TEN_US / 1e6 + 1_800 + number) for number in range(5)]
    return rows


def name_of(visitor: str, after_seconds: int) -> str:
    return f"{visitor}~{TEN_US + after_seconds * 1_000_000}"


def test_the_latest_sessions_that_are_long_enough_come_in_their_order_of_time(tmp_path: Path, plan: Plan) -> None:
    path = write_lines(tmp_path / "log.jsonl", visits()[::-1])
    expected = [name_of("v1", 0), name_of("v2", 1_800), name_of("v1", 3_600)]
    assert [session.session_id for session in recorded(path, plan)] == expected
    assert [session.session_id for session in recorded(path, plan, most=2)] == expected[1:]
    assert [session.session_id for session in recorded(path, plan, min_events=6)] == [expected[0], expected[2]]
    assert [session.session_id for session in recorded(path, plan, min_events=1, most=1)] == [name_of("v1", 7_200)]


def test_a_session_has_its_events_and_those_of_the_visits_before(tmp_path: Path, plan: Plan) -> None:
    path = write_lines(tmp_path / "log.jsonl", visits()[::-1])
    [session] = recorded(path, plan, session_ids=[name_of("v1", 3_600)])
    assert session.visitor_id == "v1"
    assert [one.event_id for one in session.events] == [f"e{100 + number}" for number in range(7)]
    assert [one.event_id for one in session.earlier] == [f"e{number:03d}" for number in range(6)]
    assert session.earlier[3] == Event("e003", "view", TEN_US + 3_000_000, "v1", properties={"price": 3.5})


def test_named_sessions_come_whatever_their_length_and_absent_ones_are_named(tmp_path: Path, plan: Plan) -> None:
    path = write_lines(tmp_path / "log.jsonl", visits())
    wanted = [name_of("v1", 7_200), name_of("v2", 1_800)]
    assert [one.session_id for one in recorded(path, plan, session_ids=wanted)] == wanted[::-1]
    with pytest.raises(LogError, match="the log has no session absent, other"):
        recorded(path, plan, session_ids=["other", wanted[0], "absent"])
    with pytest.raises(LogError, match="has no session of 99 or more events"):
        recorded(path, plan, min_events=99)


def test_of_duplicated_ids_the_first_received_good_row_is_the_event(tmp_path: Path, plan: Plan) -> None:
    rows = [
        event(1, received_at="2024-05-01T10:00:09Z", name="buy"),
        event(1, received_at="2024-05-01T10:00:05Z", properties={"price": 7}),
        # What is refused is no event, however early it came.
        event(1, received_at="2024-05-01T10:00:01Z", occurred_at="1970-01-01T00:00:00Z"),
        event(2),
    ]
    [session] = recorded(write_lines(tmp_path / "log.jsonl", rows), plan, min_events=2)
    assert [(one.event_id, one.name, one.occurred_at_us) for one in session.events] == [
        ("e001", "view", TEN_US + 1_000_000),
        ("e002", "view", TEN_US + 2_000_000),
    ]
    assert session.events[0].properties == {"price": 7}


def test_every_column_arrives_and_empty_text_is_none(tmp_path: Path, plan: Plan) -> None:
    given = {"session_id": "s", "user_id": "u", "channel": "c", "device": "d", "source": "o", "campaign": "p"}
    rows = [event(1, **given), event(2, **{**dict.fromkeys(given, ""), "session_id": "s", "properties": None})]
    [session] = recorded(write_lines(tmp_path / "log.jsonl", rows), plan, min_events=1)
    first, second = session.events
    assert {name: getattr(first, name) for name in given} == given
    assert {name: getattr(second, name) for name in given} == {**dict.fromkeys(given), "session_id": "s"}
    assert second.properties == {}


def test_sessions_of_another_schema_are_read_through_its_source(tmp_path: Path, plan: Plan) -> None:
    (tmp_path / "log.csv").write_text("who,what,when,cost\n" + "v,view,1714557600,3\nv,buy,1714557600,4\n" * 3)
    source = column_mapping({"visitor_id": "who", "name": "what", "occurred_at": "when"}, {"price": "cost"})
    [session] = recorded(tmp_path / "log.csv", plan, source=source)
    assert [one.name for one in session.events] == ["view", "buy"] * 3
    assert [one.properties["price"] for one in session.events] == ["3", "4"] * 3


def test_what_is_replayed_live_is_what_history_says(tmp_path: Path, plan: Plan) -> None:
    rows = visits()
    rows[3] = rows[3] | {"device": "tablet", "properties": {"price": "12", "product": "ä"}}
    path = write_lines(tmp_path / "log.jsonl", rows[::-1])
    log, _ = read(path, plan)
    cutoffs = every_event(log)
    historical = build(plan, log, cutoffs)
    for session in recorded(path, plan, min_events=1, most=10):
        live, before = (LiveSession(plan, name, session.visitor_id) for name in (session.session_id, "before"))
        for one in session.earlier:
            before.append(encode_event(plan, one))
        number = log.session_ids.tolist().index(session.session_id)
        expected = historical[cutoffs.session == number]
        for one, row in zip(session.events, expected, strict=True):
            live.append(encode_event(plan, one))
            found = live.row(one.occurred_at_us, [before] if len(before) else [])
            assert found.tobytes() == row.tobytes()
