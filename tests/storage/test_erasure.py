"""Erasing people and what has grown old, on every database."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Engine, Table, insert, select

from features.events import Event
from storage.erasure import Erasure, journeys_kept
from storage.event_log import EventLog
from storage.privacy_tables import erasures
from storage.schema import metadata
from storage.tables import quarantine
from storage.writer import Writer

DAY_US = 86_400_000_000


def _event(number: int, visitor: str, received_us: int, user: str | None = None) -> Event:
    return Event(f"e{number}", "page_view", received_us, visitor, f"s-{visitor}", user, received_us)


@pytest.fixture
def log(engine: Engine) -> EventLog:
    return EventLog(engine, "shop")


def _append(writer: Writer, log: EventLog, events: Sequence[Event]) -> None:
    writer.submit(lambda connection: log.append(connection, events)).result()


def test_an_erasure_counts_what_it_deletes_and_leaves_the_others(engine: Engine, writer: Writer, log: EventLog) -> None:
    _append(writer, log, [_event(1, "v", 1), _event(2, "v", 2), _event(3, "w", 3)])
    erasure = Erasure(engine, "shop")
    counts = writer.submit(lambda connection: erasure.erase(connection, ["v"], 5)).result()
    assert (counts["events"], counts["sessions"]) == (2, 1)
    assert [event.event_id for event in log.visitor_events("w")] == ["e3"]
    assert log.visitor_events("v") == []


def test_others_hear_of_an_erasure_until_it_is_cleared(engine: Engine, writer: Writer) -> None:
    erasure = Erasure(engine, "shop")
    before = erasure.last_position()
    writer.submit(lambda connection: erasure.erase(connection, ["v", "w"], 5)).result()
    writer.submit(lambda connection: Erasure(engine, "other").erase(connection, ["x"], 5)).result()
    heard = erasure.erased_since(before)
    assert [visitor for _, visitor in heard] == ["v", "w"]
    assert erasure.erased_since(heard[0][0]) == heard[1:]
    assert writer.submit(lambda connection: erasure.clear_told(connection, 6)).result() == 2
    assert erasure.erased_since(0) == []
    writer.submit(lambda connection: erasure.erase(connection, ["y"], 7)).result()
    assert [visitor for _, visitor in erasure.erased_since(heard[-1][0])] == ["y"]


def test_what_came_before_a_moment_goes_with_all_else_of_those_who_have_no_event_left(
    engine: Engine, writer: Writer, log: EventLog
) -> None:
    _append(writer, log, [_event(1, "old", 1), _event(2, "v", 2), _event(3, "old", 3), _event(4, "v", DAY_US)])
    with engine.begin() as connection:
        refused = {"journey": "shop", "reason": "r", "payload": "p"}
        connection.execute(insert(quarantine), [refused | {"received_at_us": 9, "visitor_id": None}])
        connection.execute(insert(quarantine), [refused | {"received_at_us": DAY_US, "visitor_id": "old"}])
    erasure = Erasure(engine, "shop")
    counts = writer.submit(lambda connection: erasure.expire(connection, 10, DAY_US)).result()
    assert (counts["events"], counts["visitors"], counts["quarantined"]) == (3, 1, 2)
    assert [event.event_id for event in log.visitor_events("v")] == ["e4"]
    with engine.connect() as connection:
        assert connection.execute(select(erasures.c.visitor_id)).scalars().all() == ["old"]
    again = writer.submit(lambda connection: erasure.expire(connection, 10, DAY_US)).result()
    assert set(again.values()) == {0}


def test_expiring_goes_on_in_bounded_steps(engine: Engine, writer: Writer, log: EventLog) -> None:
    _append(writer, log, [_event(number, f"v{number}", number) for number in range(10)])
    erasure = Erasure(engine, "shop")
    steps = [
        writer.submit(lambda connection: erasure.expire(connection, 8, DAY_US, most=3)).result()["events"]
        for _ in range(4)
    ]
    assert steps == [3, 3, 2, 0]


def test_it_is_found_when_visitors_were_there(engine: Engine, writer: Writer, log: EventLog) -> None:
    _append(writer, log, [_event(1, "a", 1, "u"), _event(2, "b", 5, "u"), _event(3, "b", 9), _event(4, "c", 2)])
    erasure = Erasure(engine, "shop")
    assert erasure.window(["a", "b"]) == (1, 9)
    assert erasure.window(["nobody"]) is None
    assert journeys_kept(engine) == ("shop",)


def test_every_table_that_names_visitors_is_erased(engine: Engine, writer: Writer) -> None:
    about_people = [table for table in metadata.sorted_tables if "visitor_id" in table.c and table is not erasures]
    assert len(about_people) >= 8
    with engine.begin() as connection:
        for table in about_people:
            for visitor in ("v", "w"):
                connection.execute(insert(table), _row(table, visitor))
    writer.submit(lambda connection: Erasure(engine, "shop").erase(connection, ["v"], 5)).result()
    with engine.connect() as connection:
        left = {table.name: connection.execute(select(table.c.visitor_id)).scalars().all() for table in about_people}
    assert left == {table.name: ["w"] for table in about_people}


def _row(table: Table, visitor: str) -> dict[str, object]:
    """Return values for all columns of a table, told apart by the visitor."""
    values: dict[str, object] = {}
    for column in table.c:
        if column.autoincrement is True:
            continue
        kind = column.type.python_type
        values[column.name] = f"{column.name}-{visitor}" if kind is str else kind(1)
    named = {"visitor_id": visitor, "journey": "shop", "kind": "link", "properties": "{}", "body": "{}"}
    return values | {name: value for name, value in named.items() if name in table.c}
