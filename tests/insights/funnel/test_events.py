"""The same funnel of the same events in every format, from the live database, and what a log is told to lack."""

import json
from pathlib import Path
from typing import Any

import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from small_funnels import NOW, TEN_US, Told, rows_of, run_rows, table_of

from features.events import Event
from features.log_files import LogError
from insights.funnel.declare import declare
from insights.funnel.measure import measure_funnel
from insights.funnel.result import FunnelResult
from insights.funnel.steps import FunnelError
from storage.database import open_database
from storage.event_log import EventLog

EVENTS: list[Told] = [
    ("v", "a", 0, {"device": "mobile", "properties": '{"n":1}', "received_at_us": TEN_US}),
    ("v", "b", 5, {"device": "desktop", "received_at_us": TEN_US}),
    ("w", "a", 1, {"device": "mobile", "properties": '{"n":2}', "received_at_us": TEN_US}),
    ("w", "b", 1, {"received_at_us": TEN_US}),
    ("w", "c", 90, {"received_at_us": TEN_US}),
]
FUNNEL = declare("a,b,c", window="1m", by="device", attribution="last")


def told(result: FunnelResult) -> dict[str, Any]:
    return result.to_json()


def write(path: Path, kind: str) -> Path:
    table = table_of(rows_of(EVENTS))
    match kind:
        case "parquet":
            pq.write_table(table, path / "log.parquet")
        case "csv":
            pa_csv.write_csv(table, path / "log.csv")
        case "jsonl":
            lines = [{name: value for name, value in row.items() if value is not None} for row in table.to_pylist()]
            (path / "log.jsonl").write_text("".join(json.dumps(line, default=str) + "\n" for line in lines))
        case "folder":
            for part in range(3):
                pq.write_table(table.slice(part * 2, 2), path / f"part{part}.parquet")
            return path
    return path / f"log.{kind}"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "folder"])
def test_every_format_gives_the_same_figures(tmp_path: Path, kind: str) -> None:
    wanted = measure_funnel(FUNNEL, write(tmp_path, "parquet"), now=NOW)
    assert [step.count for step in wanted.steps] == [2, 2, 0]
    (tmp_path / kind).mkdir()
    assert told(measure_funnel(FUNNEL, write(tmp_path / kind, kind), now=NOW)) == told(wanted)


def test_batches_of_the_live_database_give_the_same_figures(tmp_path: Path) -> None:
    log = EventLog(open_database(f"sqlite:///{tmp_path / 'live.db'}"), "shop")
    received = [
        Event(
            event_id=row["event_id"],
            name=row["name"],
            occurred_at_us=row["occurred_at_us"],
            visitor_id=row["visitor_id"],
            session_id=f"s{row['visitor_id']}",
            received_at_us=row["received_at_us"],
            device=row["device"],
            properties=json.loads(row["properties"] or "{}"),
        )
        for row in rows_of(EVENTS)
    ]
    with log.engine.begin() as connection:
        log.append(connection, received)
    wanted = measure_funnel(FUNNEL, write(tmp_path, "parquet"), now=NOW)
    assert told(measure_funnel(FUNNEL, log.batches(batch_events=2), now=NOW)) == told(wanted)
    with pytest.raises(LogError, match="holds no event yet"):
        measure_funnel(FUNNEL, EventLog(log.engine, "other").batches())


def test_a_field_of_a_json_line_parts_as_a_property_does(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    rows = [
        {"event_id": "1", "visitor_id": "v", "name": "a", "occurred_at": 1_767_225_600, "country": "DE"},
        {
            "event_id": "2",
            "visitor_id": "w",
            "name": "a",
            "occurred_at": 1_767_225_600,
            "properties": {"country": "FR"},
        },
    ]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = measure_funnel(declare("a", by="country"), log, now=NOW)
    assert {group.value for group in found.groups} == {"DE", "FR"}


def test_refused_lines_are_kept_with_their_reasons(tmp_path: Path) -> None:
    log = write(tmp_path, "jsonl")
    log.write_text(log.read_text() + "no json\n" + '{"name":"a","occurred_at":"2026-03-17"}\n')
    quarantine = tmp_path / "refused.jsonl"
    result = measure_funnel(FUNNEL, log, quarantine=quarantine, now=NOW)
    assert [step.count for step in result.steps] == [2, 2, 0]
    assert result.summary.quarantined == 2
    kept = [json.loads(line) for line in quarantine.read_text().splitlines()]
    assert [(row["reason"], row["row"]) for row in kept] == [
        ("the line is not JSON", 6),
        ("the event id is missing", 7),
    ]


def test_an_unknown_event_is_told_with_the_nearest_names() -> None:
    with pytest.raises(FunnelError, match="no event in the log is named 'bb'; did you mean b"):
        run_rows("a,bb", rows_of(EVENTS))
    with pytest.raises(FunnelError, match="no event in the log is named 'z'"):
        run_rows("a,b", rows_of(EVENTS), exclude="z")


def test_an_unknown_column_is_told_with_those_that_there_are() -> None:
    with pytest.raises(FunnelError) as raised:
        run_rows("a,b", rows_of(EVENTS), by="devise")
    assert "no event has a column or property 'devise'" in str(raised.value)
    assert "device" in str(raised.value)
    assert "properties are n" in str(raised.value)
    with pytest.raises(FunnelError, match="column or property 'm'"):
        run_rows("a[m=1],b", rows_of(EVENTS))


def test_a_log_without_a_usable_event_is_told_why(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no usable event: neither visitor_id nor user_id given"):
        run_rows("a", rows_of([("", "a", 0)]))
    with pytest.raises(LogError, match="there is no log at"):
        measure_funnel(FUNNEL, tmp_path / "none.parquet")


def test_a_breakdown_by_too_many_values_is_refused() -> None:
    rows = rows_of([(f"v{number}", "a", 0) for number in range(10_001)])
    with pytest.raises(FunnelError, match="visitor_id has more than 10,000 values"):
        run_rows("a", rows, by="visitor_id")


@pytest.mark.parametrize("count_by", ["visitor", "user", "session"])
@pytest.mark.parametrize("order", ["ordered", "strict", "unordered"])
def test_the_order_of_the_rows_says_nothing(count_by: str, order: str) -> None:
    rows = rows_of(EVENTS)
    how = {"count_by": count_by, "order": order, "by": "device"}
    assert told(run_rows("a,b,c", rows, **how)) == told(run_rows("a,b,c", rows[::-1], **how))
