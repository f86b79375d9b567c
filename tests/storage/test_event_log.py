"""The event log: exactly once by event id, and out again as it came in."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import Engine

from features.events import Event
from storage.event_log import CANONICAL_SCHEMA, EventLog
from storage.writer import Writer

EVENT = Event(
    event_id="e1",
    name="view_product",
    occurred_at_us=1_760_000_000_123_456,
    visitor_id="v1",
    session_id="s1",
    user_id="u1",
    received_at_us=1_760_000_000_999_999,
    channel="web",
    device="mobile",
    source="ads",
    campaign="spring",
    properties={"price": 12.5, "product": "Ü-1", "in_stock": True, "tags": ["a", None], "big": 2**70},
)


def _append(writer: Writer, log: EventLog, *events: Event) -> frozenset[str]:
    return writer.submit(lambda connection: log.append(connection, events)).result(5)


def test_an_event_comes_out_as_it_went_in(engine: Engine, writer: Writer) -> None:
    log = EventLog(engine, "shop")
    assert _append(writer, log, EVENT) == frozenset()
    assert log.visitor_events("v1") == [EVENT]
    assert log.session_events("s1") == [EVENT]
    assert log.visitor_of_session("s1") == "v1"
    assert log.latest_session_of_user("u1") == ("v1", "s1")


def test_of_one_event_id_the_first_received_stays(engine: Engine, writer: Writer) -> None:
    log = EventLog(engine, "shop")
    _append(writer, log, EVENT)
    changed = replace(EVENT, name="other", session_id="s2", visitor_id="v2")
    assert _append(writer, log, changed, replace(EVENT, event_id="e2")) == {"e1"}
    assert [event.event_id for event in log.visitor_events("v1")] == ["e1", "e2"]
    assert log.visitor_events("v2") == []


def test_an_id_that_stands_twice_in_one_append_is_kept_once(engine: Engine, writer: Writer) -> None:
    log = EventLog(engine, "shop")
    _append(writer, log, EVENT, replace(EVENT, name="second"))
    assert [event.name for event in log.visitor_events("v1")] == ["view_product"]


def test_journeys_in_one_database_do_not_see_each_other(engine: Engine, writer: Writer) -> None:
    shop, loans = EventLog(engine, "shop"), EventLog(engine, "loans")
    _append(writer, shop, EVENT)
    assert _append(writer, loans, replace(EVENT, name="apply")) == frozenset()
    assert [event.name for event in shop.visitor_events("v1")] == ["view_product"]
    assert [event.name for event in loans.visitor_events("v1")] == ["apply"]


def test_a_session_is_read_in_the_total_order_and_a_visitor_in_the_order_of_arrival(
    engine: Engine, writer: Writer
) -> None:
    log = EventLog(engine, "shop")
    late = replace(EVENT, event_id="a", occurred_at_us=EVENT.occurred_at_us - 5)
    tie = replace(EVENT, event_id="d")
    _append(writer, log, EVENT, late, tie)
    assert [event.event_id for event in log.visitor_events("v1")] == ["e1", "a", "d"]
    assert [event.event_id for event in log.session_events("s1")] == ["a", "d", "e1"]


def test_a_users_latest_session_is_the_one_with_the_latest_event(engine: Engine, writer: Writer) -> None:
    log = EventLog(engine, "shop")
    newer = replace(EVENT, event_id="e2", session_id="s2", visitor_id="v2", occurred_at_us=EVENT.occurred_at_us + 1)
    anonymous = replace(newer, event_id="e3", session_id="s3", user_id=None, occurred_at_us=EVENT.occurred_at_us + 2)
    _append(writer, log, newer, EVENT, anonymous)
    assert log.latest_session_of_user("u1") == ("v2", "s2")
    assert log.latest_session_of_user("nobody") is None


def test_an_event_without_a_session_is_not_kept(engine: Engine, writer: Writer) -> None:
    with pytest.raises(ValueError, match="'e1' has no session"):
        _append(writer, EventLog(engine, "shop"), replace(EVENT, session_id=None))


def test_erasing_a_visitor_leaves_the_others_and_nothing_in_the_file(
    tmp_path: Path, engine: Engine, writer: Writer
) -> None:
    log = EventLog(engine, "shop")
    _append(writer, log, replace(EVENT, properties={"email": "someone@example.org"}))
    _append(writer, log, replace(EVENT, event_id="e9", visitor_id="v9", session_id="s9"))
    writer.submit(lambda connection: log.refuse(connection, 1, "v1", "bad", "someone@example.org")).result(5)
    erased = writer.submit(lambda connection: log.erase_visitor(connection, "v1")).result(5)
    assert erased == {"events": 1, "quarantined": 1}
    assert log.visitor_events("v1") == []
    assert len(log.visitor_events("v9")) == 1
    writer.close()
    engine.dispose()
    assert all(b"someone@example.org" not in path.read_bytes() for path in tmp_path.glob("dropoff.db*"))


def test_the_stream_and_the_file_hold_every_event_in_the_canonical_columns(
    tmp_path: Path, engine: Engine, writer: Writer
) -> None:
    log = EventLog(engine, "shop")
    events = [replace(EVENT, event_id=f"e{number:03}", occurred_at_us=number) for number in range(250)]
    _append(writer, log, *events)
    _append(writer, EventLog(engine, "loans"), EVENT)
    batches = list(log.batches(batch_events=100))
    assert [batch.num_rows for batch in batches] == [100, 100, 50]
    path = tmp_path / "out" / "log.parquet"
    assert log.export(path) == 250
    table = pq.read_table(path)
    assert table.schema.equals(CANONICAL_SCHEMA)
    assert table.equals(pa.Table.from_batches(batches))
    assert table["event_id"].to_pylist() == [event.event_id for event in events]
    assert json.loads(table["properties"][0].as_py()) == dict(EVENT.properties)
    assert table["occurred_at"].cast(pa.int64()).to_pylist() == list(range(250))
    assert [found.name for found in path.parent.iterdir()] == ["log.parquet"]


def test_an_empty_log_is_an_empty_file(tmp_path: Path, engine: Engine) -> None:
    assert EventLog(engine, "shop").export(tmp_path / "log.parquet") == 0
    assert pq.read_table(tmp_path / "log.parquet").num_rows == 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), max_size=6), max_size=6))
def test_whatever_arrives_how_often_each_id_is_kept_once_as_it_first_came(
    engine: Engine, writer: Writer, appends: list[list[tuple[int, int]]]
) -> None:
    log = EventLog(engine, f"journey-{json.dumps(appends)}")
    first: dict[str, str] = {}
    for append in appends:
        received = [replace(EVENT, event_id=str(number), name=str(variant)) for number, variant in append]
        expected = {event.event_id for event in received} & set(first)
        assert _append(writer, log, *received) == expected
        for event in received:
            first.setdefault(event.event_id, event.name)
    assert {event.event_id: event.name for event in log.visitor_events("v1")} == first
