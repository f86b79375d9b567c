"""Reading logs: formats agree, sessions are cut where they should, and what is bad is set aside with its reason."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.encode import key, number
from features.encode_sql import key_sql, number_sql
from features.events import EncodedLog
from features.friction import Friction
from features.log_files import LogError
from features.plan import Plan, compile_plan
from features.read_log import LogRead, read_log
from features.scan import category, count, distinct, last, on, prop
from features.scan import key as key_value
from features.sources.mapping import column_mapping
from features.sources.shipped import named
from features.table import Feature, FeatureTable, Stage

NOW = datetime(2024, 6, 1, tzinfo=UTC)
TIMEOUT_SECONDS = 1_800.0


@pytest.fixture(scope="module")
def plan() -> Plan:
    features = (
        Feature("price", last(prop("price")), Friction.PRICE, "{:.2f} euros"),
        Feature("products", distinct(key_value("product"), "view"), Friction.CHOICE, "{:.0f} products"),
        Feature("dear_views", count(on("view", price=(10, None))), Friction.PRICE, "{:.0f} dear products"),
        Feature("device", category("device"), Friction.NONE, "device"),
    )
    return compile_plan(FeatureTable(("view", "buy"), (Stage("browse", "view"),), features))


def event(number_: int, **changes: Any) -> dict[str, Any]:
    minute = f"2024-05-01T10:{number_:02d}:00Z"
    return {
        "event_id": f"e{number_:03d}",
        "visitor_id": "v1",
        "name": "view",
        "occurred_at": minute,
        "device": "mobile",
        "properties": {"price": number_ + 0.5, "product": f"p{number_ % 3}"},
    } | changes


def write_json_lines(path: Path, events: list[Any]) -> Path:
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in events))
    return path


def read(path: Path, plan: Plan, **options: Any) -> tuple[EncodedLog, LogRead]:
    with read_log(path, plan, timeout_seconds=TIMEOUT_SECONDS, now=NOW, **options) as log:
        return log.whole(), log


def same(left: EncodedLog, right: EncodedLog) -> None:
    for name in ("session_ids", "visitor_ids", "user_ids", "event_ids"):
        assert getattr(left, name).tolist() == getattr(right, name).tolist(), name
    for name in ("starts", "at_us", "codes", "values"):
        assert getattr(left, name).tobytes() == getattr(right, name).tobytes(), name
    assert {name: column.tolist() for name, column in left.context.items()} == {
        name: column.tolist() for name, column in right.context.items()
    }


def test_every_format_of_the_same_events_reads_the_same(tmp_path: Path, plan: Plan) -> None:
    events = [event(index, visitor_id=f"v{index % 4}") for index in range(40)]
    lines = write_json_lines(tmp_path / "log.jsonl", events)
    expected, _ = read(lines, plan)
    assert expected.event_count == 40
    with gzip.open(tmp_path / "log.jsonl.gz", "wt") as file:
        file.write(lines.read_text())
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE log AS SELECT * FROM read_json('{lines}', format='newline_delimited')")
    connection.execute(f"COPY log TO '{tmp_path}/struct.parquet' (FORMAT parquet)")
    text = "SELECT * REPLACE (CAST(to_json(properties) AS VARCHAR) AS properties) FROM log"
    connection.execute(f"COPY ({text}) TO '{tmp_path}/text.parquet' (FORMAT parquet)")
    connection.execute(f"COPY ({text}) TO '{tmp_path}/log.csv' (FORMAT csv, HEADER)")
    folder = tmp_path / "folder"
    folder.mkdir()
    for part in range(2):
        write_json_lines(folder / f"{part}.ndjson", events[part * 20 : part * 20 + 20])
    for name in ("log.jsonl.gz", "struct.parquet", "text.parquet", "log.csv", "folder"):
        same(read(tmp_path / name, plan)[0], expected)


def test_small_batches_hold_whole_visitors_and_the_same_sessions(tmp_path: Path, plan: Plan) -> None:
    path = write_json_lines(tmp_path / "log.jsonl", [event(index, visitor_id=f"v{index % 7}") for index in range(50)])
    whole, _ = read(path, plan)
    with read_log(path, plan, timeout_seconds=TIMEOUT_SECONDS, now=NOW, batch_events=5) as log:
        batches = list(log.batches())
    assert len(batches) > 1
    visitors = [set(batch.visitor_ids.tolist()) for batch in batches]
    assert sum(len(group) for group in visitors) == len(set.union(*visitors)) == 7
    assert sorted(name for batch in batches for name in batch.session_ids) == sorted(whole.session_ids)


def test_a_gap_of_exactly_the_timeout_stays_one_session(tmp_path: Path, plan: Plan) -> None:
    times = ["2024-05-01T10:00:00Z", "2024-05-01T10:30:00Z", "2024-05-01T11:00:00.000001Z", "2024-05-01T11:00:01Z"]
    path = write_json_lines(
        tmp_path / "log.jsonl", [event(index, occurred_at=moment) for index, moment in enumerate(times)]
    )
    log, _ = read(path, plan)
    assert np.diff(log.starts).tolist() == [2, 2]
    at_us = int(datetime(2024, 5, 1, 10, tzinfo=UTC).timestamp()) * 1_000_000
    assert log.session_ids.tolist() == [f"v1~{at_us}", f"v1~{at_us + 3_600_000_001}"]


def test_given_sessions_are_kept_whatever_the_gap_and_go_by_their_first_event(tmp_path: Path, plan: Plan) -> None:
    rows = [
        event(0, session_id="late", occurred_at="2024-05-03T00:00:00Z"),
        event(1, session_id="early", occurred_at="2024-05-01T00:00:00Z"),
        event(2, session_id="early", occurred_at="2024-05-04T00:00:00Z", user_id="u2"),
        event(3, session_id="late", occurred_at="2024-05-03T00:00:01Z", visitor_id="v0"),
    ]
    log, _ = read(write_json_lines(tmp_path / "log.jsonl", rows), plan)
    assert log.session_ids.tolist() == ["early", "late"]
    assert log.visitor_ids.tolist() == ["v1", "v1"]
    assert log.user_ids.tolist() == ["u2", None]
    assert log.event_ids.tolist() == ["e001", "e002", "e000", "e003"]


def test_of_duplicated_ids_the_first_received_stays_and_ties_go_by_id(tmp_path: Path, plan: Plan) -> None:
    rows = [
        event(1, occurred_at="2024-05-01T10:00:00Z", received_at="2024-05-01T10:00:09Z", name="buy"),
        event(1, occurred_at="2024-05-01T10:00:00Z", received_at="2024-05-01T10:00:01Z"),
        event(0, occurred_at="2024-05-01T10:00:00Z", received_at="2024-05-01T10:00:05Z"),
    ]
    log, handle = read(write_json_lines(tmp_path / "log.jsonl", rows), plan)
    assert log.event_ids.tolist() == ["e000", "e001"]
    assert log.codes.tolist() == [plan.codes["view"]] * 2
    assert (handle.summary.read, handle.summary.used, handle.summary.deduplicated) == (3, 2, 1)


BAD_ROWS: list[tuple[Any, str]] = [
    (event(50, event_id=""), "the event id is missing"),
    (event(51, name=None), "the event name is missing"),
    (event(52, occurred_at="yesterday"), "occurred_at is missing or no time"),
    (event(53, occurred_at="1970-01-01T00:00:00Z"), "occurred_at is before 2000"),
    (event(54, occurred_at=0), "occurred_at is before 2000"),
    (event(55, occurred_at="2024-06-02T00:00:01Z"), "occurred_at is more than a day in the future"),
    (event(56, visitor_id=None), "neither visitor_id nor user_id given"),
    (event(57, visitor_id="v\0"), "a name or an id holds a NUL byte"),
    (event(58, name="n" * 201), "the event name is longer than 200 characters"),
    (event(59, session_id="s" * 513), "an id is longer than 512 characters"),
    (event(50, properties={"x": "y" * 10_000_000}), "the properties are larger than 1 MB"),
    (event(51, properties=[1, 2]), "the properties are no JSON object"),
    ('{"event_id": "half\n', "the line is not JSON"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_ROWS)
def test_a_bad_row_is_quarantined_with_its_reason_and_the_rest_is_used(
    tmp_path: Path, plan: Plan, bad: Any, reason: str
) -> None:
    path = write_json_lines(tmp_path / "log.jsonl", [event(1), bad, event(2)])
    log, handle = read(path, plan, quarantine=tmp_path / "bad.jsonl")
    assert log.event_ids.tolist() == ["e001", "e002"]
    assert handle.summary.reasons == {reason: 1}
    [kept] = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    assert kept["reason"] == reason
    assert kept["row"] == 2


def test_a_csv_row_of_another_width_is_quarantined(tmp_path: Path, plan: Plan) -> None:
    path = tmp_path / "log.csv"
    path.write_text(
        "event_id,visitor_id,name,occurred_at\na,v,view,2024-05-01T10:00:00Z\nb,v\nc,v,view,2024-05-01T10:00:01Z\n"
    )
    log, handle = read(path, plan, quarantine=tmp_path / "bad.jsonl")
    assert log.event_ids.tolist() == ["a", "c"]
    assert handle.summary.quarantined == 1
    assert json.loads((tmp_path / "bad.jsonl").read_text())["content"] == "b,v"


def test_undeclared_names_are_kept_and_counted(tmp_path: Path, plan: Plan) -> None:
    path = write_json_lines(tmp_path / "log.jsonl", [event(1), event(2, name="mystery"), event(3, name="mystery")])
    log, handle = read(path, plan)
    assert handle.summary.unknown_events == {"mystery": 2}
    assert log.codes.tolist() == [plan.codes["view"], 0, 0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1714557600, 1714557600_000000),
        (1714557600123, 1714557600_123000),
        (1714557600123456, 1714557600_123456),
        ("1714557600.5", 1714557600_500000),
        ("2024-05-01T12:00:00+02:00", 1714557600_000000),
        ("2024-05-01 10:00:00", 1714557600_000000),
    ],
)
def test_times_are_read_in_every_usual_form(tmp_path: Path, plan: Plan, value: Any, expected: int) -> None:
    log, _ = read(write_json_lines(tmp_path / "log.jsonl", [event(1, occurred_at=value)]), plan)
    assert log.at_us.tolist() == [expected]


def test_whole_files_that_cannot_be_read_say_what_to_do(tmp_path: Path, plan: Plan) -> None:
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "nothing").mkdir()
    (tmp_path / "fake.parquet").write_text("no parquet")
    (tmp_path / "log.xlsx").write_text("x")
    (tmp_path / "columns.csv").write_text("event_name,when\nview,2024-05-01\n")
    (tmp_path / "header.csv").write_text("event_id,visitor_id,name,occurred_at\n")
    write_json_lines(tmp_path / "bad.jsonl", ["nonsense\n"])
    for name, told in {
        "absent.csv": "there is no log at",
        "empty.jsonl": "is empty",
        "nothing": "holds no log",
        "fake.parquet": "cannot be read as Parquet",
        "log.xlsx": "is in no format that can be read",
        "columns.csv": "lacks the columns name, occurred_at .* perhaps 'event_name'.*dropoff import",
        "header.csv": "no usable event",
        "bad.jsonl": "no usable event: the line is not JSON",
    }.items():
        with pytest.raises(LogError, match=told) as caught:
            read(tmp_path / name, plan)
        assert "\n" not in str(caught.value)


def test_a_mapping_renames_columns_and_numbers_events_in_file_order(tmp_path: Path, plan: Plan) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text("who,what,when,cost\nv1,view,1714557600,3\nv1,buy,1714557600,4\n")
    mapping = tmp_path / "clicks.toml"
    mapping.write_text(
        '[columns]\nvisitor_id = "who"\nname = "what"\noccurred_at = "when"\n[properties]\nprice = "cost"\n'
    )
    log, _ = read(path, plan, source=named(str(mapping)))
    assert log.codes.tolist() == [plan.codes["view"], plan.codes["buy"]]
    assert log.values[:, plan.columns.index(prop("price"))].tolist() == [3.0, 4.0]
    with pytest.raises(ValueError, match="did you mean visitor_id"):
        column_mapping({"visitor": "who", "name": "what", "occurred_at": "when"})


def test_segment_calls_become_events(tmp_path: Path, plan: Plan) -> None:
    call = {
        "messageId": "m1",
        "anonymousId": "a1",
        "userId": "u1",
        "type": "track",
        "event": "view",
        "timestamp": "2024-05-01T10:00:00Z",
        "context": {"sessionId": "s1", "device": {"type": "tablet"}, "campaign": {"source": "ads"}},
        "properties": {"price": 3},
    }
    page = call | {"messageId": "m2", "type": "page", "timestamp": "2024-05-01T10:00:01Z"}
    log, handle = read(write_json_lines(tmp_path / "log.jsonl", [call, page]), plan, source=named("segment"))
    assert (log.session_ids.tolist(), log.visitor_ids.tolist(), log.user_ids.tolist()) == (["s1"], ["a1"], ["u1"])
    assert (log.context["device"].tolist(), log.context["source"].tolist()) == (["tablet"], ["ads"])
    assert handle.summary.unknown_events == {"page_view": 1}


json_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8),
    st.from_regex(r"[+-]?[0-9]{1,4}(\.[0-9]{0,3})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(["true", "inf", "nan", "1_000", " 12 ", ".5", "5.", "0x10", "-0", "-0.0", "{}", "[1]", "1e999"]),
    st.lists(st.integers(), max_size=2),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(json_values, min_size=1, max_size=30))
def test_the_live_encoding_and_the_sql_agree_to_the_bit(values: list[Any]) -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE given (place INTEGER, body VARCHAR)")
        connection.executemany(
            "INSERT INTO given VALUES (?, ?)", [(place, json.dumps({"x": value})) for place, value in enumerate(values)]
        )
        text = "SELECT place, json_extract_string(body, ['$.\"x\"'])[1] AS t FROM given"
        rows = connection.execute(f"SELECT {number_sql('t')}, {key_sql('t')} FROM ({text}) ORDER BY place").fetchall()
    for value, found in zip(values, rows, strict=True):
        for ours, theirs in zip((number(value), key(value)), found, strict=True):
            sql = np.float64(np.nan if theirs is None else theirs)
            assert np.float64(ours).tobytes() == sql.tobytes(), (value, ours, theirs)
