"""Logs that are damaged, of the wrong types or enormous: a quarantined row or one clear sentence, never a traceback."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from small_logs import NOW, TEN_US, event, read, small_plan, write_lines, write_parquet

from features.build import build, every_event
from features.import_log import import_log
from features.log_files import LogError
from features.plan import Plan
from features.source import CANONICAL


@pytest.fixture(scope="module")
def plan() -> Plan:
    return small_plan()


DAMAGED = {
    "raw NUL bytes": (b'{"event_id": "e\0"}\n', "the line is not JSON"),
    "nothing but NUL bytes": (b"\0\0\0\0\n", "the line is not JSON"),
    "a control character": (b'{"event_id": "e\x01"}\n', "the line is not JSON"),
    "another encoding": ('{"event_id": "é"}\n'.encode("latin-1"), "the line is not UTF-8 text"),
    "a lone surrogate": (b'{"event_id": "\\ud800"}\n', "the line is not JSON"),
    "a list": (b"[1, 2]\n", "the line is no JSON object"),
    "a number": (b"12\n", "the line is no JSON object"),
    "null": (b"null\n", "the line is no JSON object"),
    "no line at all": (b"\n", "the line is empty"),
    "a line of 17 MB": (
        json.dumps(event(9, properties={"x": "y" * 17_000_000})).encode() + b"\n",
        "the line is longer than 16 MB",
    ),
}


@pytest.mark.parametrize(("line", "reason"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_line_is_quarantined_and_its_neighbours_are_used(
    tmp_path: Path, plan: Plan, line: bytes, reason: str
) -> None:
    path = write_lines(tmp_path / "log.jsonl", [event(1), line, event(2)])
    log, summary = read(path, plan, quarantine=tmp_path / "bad.jsonl")
    assert log.event_ids.tolist() == ["e001", "e002"]
    assert summary.reasons == {reason: 1}
    assert (summary.read, summary.used, summary.quarantined) == (3, 2, 1)
    [kept] = (tmp_path / "bad.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(kept)["reason"] == reason


@pytest.mark.parametrize("ending", [b"\r\n", b"\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_windows_line_ends_byte_order_marks_and_a_missing_last_line_end_are_no_damage(
    tmp_path: Path, plan: Plan, ending: bytes, mark: bytes
) -> None:
    lines = ending.join(json.dumps(event(number)).encode() for number in (1, 2))
    log, summary = read(write_lines(tmp_path / "log.jsonl", [mark + lines]), plan)
    assert log.event_ids.tolist() == ["e001", "e002"]
    assert summary.quarantined == 0


NO_TIMES = [None, "", "yesterday", "10:00", "2024-02-30T00:00:00Z", "infinity", "1e9", "0x10", 1e300, True, [1], {}]
BEFORE_2000 = [0, -5, "1970-01-01", "1970-01-01T00:00:00Z", "epoch", "1999-12-31T23:59:59.999999Z"]
AHEAD = ["2024-06-02T00:00:00.000001Z", "9999-12-31", "294247-01-10T04:00:54Z", 99_999_999_999, 9e16]
REFUSED_TIMES = [
    *((time, "occurred_at is missing or no time") for time in NO_TIMES),
    *((time, "occurred_at is before 2000") for time in BEFORE_2000),
    *((time, "occurred_at is more than a day in the future") for time in AHEAD),
]


def test_every_impossible_time_is_refused_with_its_own_reason(tmp_path: Path, plan: Plan) -> None:
    rows = [event(number, occurred_at=time) for number, (time, _) in enumerate(REFUSED_TIMES)]
    path = write_lines(tmp_path / "log.jsonl", [*rows, event(50)])
    log, summary = read(path, plan, quarantine=tmp_path / "bad.jsonl")
    assert log.event_ids.tolist() == ["e050"]
    told = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    found = {json.loads(row["content"])["event_id"]: row["reason"] for row in told}
    assert found == {f"e{number:03d}": reason for number, (_, reason) in enumerate(REFUSED_TIMES)}
    assert summary.quarantined == len(REFUSED_TIMES)


def test_the_edges_of_time_are_still_times(tmp_path: Path, plan: Plan) -> None:
    edges = ["2000-01-01T00:00:00Z", "2024-06-02T00:00:00Z"]
    rows = [event(number, occurred_at=time) for number, time in enumerate(edges)]
    assert read(write_lines(tmp_path / "log.jsonl", rows), plan)[0].event_count == 2


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("occurred_at", pa.array([True, False]), "occurred_at has the type BOOLEAN; it should be a timestamp"),
        ("occurred_at", pa.array([[1], [2]]), "occurred_at has the type BIGINT"),
        ("occurred_at", pa.array([1, 2], pa.time32("s")), "occurred_at has the type TIME"),
        ("occurred_at", pa.nulls(2), "no usable event: occurred_at is missing or no time"),
        ("properties", pa.array([1, 2]), "properties has the type BIGINT; it should be JSON text, a struct or a map"),
        ("properties", pa.array([[1], [2]]), "properties has the type BIGINT"),
    ],
)
def test_a_column_of_the_wrong_type_is_named_with_the_type_it_should_have(
    tmp_path: Path, plan: Plan, column: str, values: pa.Array, said: str
) -> None:
    path = write_parquet(tmp_path / "log.parquet", {column: values})
    with pytest.raises(LogError) as caught:
        read(path, plan)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


SECONDS = TEN_US // 1_000_000


@pytest.mark.parametrize(
    "times",
    [
        pa.array([SECONDS] * 2, pa.timestamp("s")),
        pa.array([SECONDS * 10**9] * 2, pa.timestamp("ns", tz="Asia/Kolkata")),
        pa.array([SECONDS] * 2, pa.int32()),
        pa.array([SECONDS * 1e3] * 2, pa.float64()),
        pa.array(["2024-05-01T10:00:00Z"] * 2).dictionary_encode(),
    ],
    ids=lambda times: str(times.type),
)
def test_times_of_every_sensible_column_type_read_the_same(tmp_path: Path, plan: Plan, times: pa.Array) -> None:
    log, _ = read(write_parquet(tmp_path / "log.parquet", {"occurred_at": times}), plan)
    assert log.at_us.tolist() == [TEN_US] * 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_none_is_no_time(tmp_path: Path, plan: Plan, value: float) -> None:
    path = write_parquet(tmp_path / "log.parquet", {"occurred_at": pa.array([value, float(SECONDS)])})
    log, summary = read(path, plan)
    assert log.event_ids.tolist() == ["b"]
    assert summary.reasons == {"occurred_at is missing or no time": 1}


@pytest.mark.parametrize(
    "properties",
    [
        pa.array([{"price": 3.0}] * 2),
        pa.array([[("price", 3.0)]] * 2, pa.map_(pa.string(), pa.float64())),
        pa.array(['{"price": "3"}'] * 2),
    ],
    ids=["struct", "map", "text"],
)
def test_properties_of_every_sensible_column_type_read_the_same(
    tmp_path: Path, plan: Plan, properties: pa.Array
) -> None:
    log, _ = read(write_parquet(tmp_path / "log.parquet", {"properties": properties}), plan)
    assert log.values[:, [column.name for column in plan.columns].index("price")].tolist() == [3.0, 3.0]


def test_a_properties_column_with_nothing_in_it_is_as_good_as_none(tmp_path: Path, plan: Plan) -> None:
    log, summary = read(write_parquet(tmp_path / "log.parquet", {"properties": pa.nulls(2)}), plan)
    assert np.isnan(log.values).all()
    assert summary.used == 2


def test_a_nul_byte_in_any_id_is_refused_in_every_format(tmp_path: Path, plan: Plan) -> None:
    columns = ("event_id", "visitor_id", "session_id", "user_id", "name")
    written = [tmp_path / "log.jsonl", tmp_path / "log.parquet", tmp_path / "log.csv"]
    for column in columns:
        bad = {"session_id": ["s", "s"], "user_id": ["u", "u"], column: ["x", "y\0"]}
        write_parquet(written[1], bad)
        good = event(1, session_id="s", user_id="u")
        write_lines(written[0], [good, good | {"event_id": "e2"} | {column: "y\0"}])
        header = list(dict.fromkeys(("event_id", "name", "occurred_at", *columns)))
        row = {"event_id": "a", "visitor_id": "v", "session_id": "s", "user_id": "u", "name": "view"}
        row |= {"occurred_at": "2024-05-01T10:00:00Z"}
        rows = [header, [row[name] for name in header]]
        rows.append([(row | {"event_id": "b"} | {column: "y\0"})[name] for name in header])
        written[2].write_text("\n".join(map(",".join, rows)) + "\n")
        for path in written:
            log, summary = read(path, plan)
            assert summary.reasons == {"a name or an id holds a NUL byte": 1}, (column, path.suffix)
            assert log.event_count == 1


def test_ten_megabytes_of_properties_cost_one_row_in_every_format(tmp_path: Path, plan: Plan) -> None:
    huge = json.dumps({"x": "y" * 10_000_000})
    write_parquet(tmp_path / "log.parquet", {"properties": ["{}", huge]})
    doubled = huge.replace('"', '""')
    (tmp_path / "log.csv").write_text(
        "event_id,visitor_id,name,occurred_at,properties\na,v,view,2024-05-01T10:00:00Z,{}\n"
        f'b,v,view,2024-05-01T10:00:01Z,"{doubled}"\n'
    )
    row = event(1, event_id="b", properties=json.loads(huge))
    write_lines(tmp_path / "log.jsonl", [event(0, event_id="a"), row])
    for suffix in ("parquet", "csv", "jsonl"):
        log, summary = read(tmp_path / f"log.{suffix}", plan, quarantine=tmp_path / "bad.jsonl")
        assert log.event_ids.tolist() == ["a"], suffix
        assert summary.reasons == {"the properties are larger than 1 MB": 1}
        # The quarantine is for people to look at, so it does not grow by what was refused for its size.
        assert (tmp_path / "bad.jsonl").stat().st_size < 200_000


def test_files_with_nothing_in_them_say_so(tmp_path: Path, plan: Plan) -> None:
    (tmp_path / "zero.csv").touch()
    (tmp_path / "zero.parquet").touch()
    (tmp_path / "lines.jsonl").write_text("\n\n")
    (tmp_path / "line.csv").write_text("\n")
    rows = pa.array([], pa.string())
    write_parquet(tmp_path / "rows.parquet", dict.fromkeys(("event_id", "visitor_id", "name", "occurred_at"), rows))
    for name, said in {
        "zero.csv": "zero.csv is empty; write at least one event into it",
        "zero.parquet": "zero.parquet is empty",
        "lines.jsonl": "no usable event: the line is empty (2 rows)",
        "line.csv": "lacks the columns name, occurred_at",
        "rows.parquet": "no usable event: it has no rows",
    }.items():
        with pytest.raises(LogError) as caught:
            read(tmp_path / name, plan)
        assert said in str(caught.value)


def test_an_empty_file_beside_a_full_one_is_passed_over(tmp_path: Path, plan: Plan) -> None:
    (tmp_path / "a.jsonl").touch()
    write_lines(tmp_path / "b.jsonl", [event(1)])
    assert read(tmp_path, plan)[0].event_ids.tolist() == ["e001"]


def test_missing_columns_are_named_with_the_nearest_of_those_there(tmp_path: Path, plan: Plan) -> None:
    columns = {"event_id": ["a"], "visitor_id": ["v"], "event_name": ["view"], "occured_at": ["2024-05-01"]}
    (tmp_path / "log.csv").write_text(
        ",".join(columns) + "\n" + ",".join(values[0] for values in columns.values()) + "\n"
    )
    with pytest.raises(LogError) as caught:
        read(tmp_path / "log.csv", plan)
    said = str(caught.value)
    assert "lacks the columns name, occurred_at (it has event_id, visitor_id, event_name, occured_at" in said
    assert "for 'name' perhaps 'event_name'; for 'occurred_at' perhaps 'occured_at'" in said


def test_a_log_without_visitors_or_event_ids_says_what_is_missing_or_makes_them(tmp_path: Path, plan: Plan) -> None:
    (tmp_path / "log.csv").write_text("user_id,name,occurred_at\nu1,view,2024-05-01T10:00:00Z\n")
    log, _ = read(tmp_path / "log.csv", plan)
    assert log.visitor_ids.tolist() == ["u1"]
    (tmp_path / "log.csv").write_text("event_id,name,occurred_at\na,view,2024-05-01T10:00:00Z\n")
    with pytest.raises(LogError, match="neither visitor_id nor user_id given"):
        read(tmp_path / "log.csv", plan)


@pytest.mark.parametrize("name", ["it's.jsonl", "part[1].jsonl", "a*.jsonl", "what?.jsonl", "über {1}.jsonl"])
def test_a_file_is_read_whatever_its_name_and_no_other_with_it(tmp_path: Path, plan: Plan, name: str) -> None:
    write_lines(tmp_path / "a decoy.jsonl", [event(7)])
    write_lines(tmp_path / "whatx.jsonl", [event(8)])
    write_lines(tmp_path / "part1.jsonl", [event(9)])
    path = write_lines(tmp_path / name, [event(1), event(2)])
    assert read(path, plan)[0].event_ids.tolist() == ["e001", "e002"]
    summary = import_log(CANONICAL, path, tmp_path / "out.parquet", now=NOW)
    assert summary.used == 2


def test_rejected_rows_of_several_files_are_counted_once_each(tmp_path: Path, plan: Plan) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    header = "event_id,visitor_id,name,occurred_at\n"
    # On the same line of two files, on another line of a third, and none in a fourth.
    for name, lines in {"a": ["a1,v"], "b": ["b1,v"], "c": ["", "c1,v"], "d": []}.items():
        good = [f"{name}{place},v,view,2024-05-01T10:00:0{place}Z" for place in (7, 8)]
        bad = [line or f"{name}5,v,view,2024-05-01T10:00:05Z" for line in lines]
        (folder / f"{name}.csv").write_text(header + "\n".join([*good, *bad]) + "\n")
    _, summary = read(folder, plan, quarantine=tmp_path / "bad.jsonl")
    assert (summary.used, summary.quarantined) == (9, 3)
    imported = import_log(CANONICAL, folder, tmp_path / "o.parquet", quarantine=tmp_path / "bad2.jsonl", now=NOW)
    assert (imported.used, imported.quarantined) == (9, 3)
    for name in ("bad.jsonl", "bad2.jsonl"):
        kept = [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        assert sorted((row["content"], row["row"]) for row in kept) == [("a1,v", 4), ("b1,v", 4), ("c1,v", 5)]


def test_undeclared_names_of_any_kind_are_counted_and_get_the_code_of_live_ones(tmp_path: Path, plan: Plan) -> None:
    names = ["View", " view", "view ", "ä", "select 1; drop table codes", "'", '"', "%", "intervention_x", "view"]
    path = write_lines(tmp_path / "log.jsonl", [event(number, name=name) for number, name in enumerate(names)])
    log, summary = read(path, plan)
    assert summary.unknown_events == {name: 1 for name in names if name != "view"}
    assert log.codes.tolist() == [plan.code_of(name) for name in names]


def test_a_session_of_a_hundred_thousand_events_is_read_whole_and_counted_exactly(tmp_path: Path, plan: Plan) -> None:
    count = 100_000
    rng = np.random.default_rng(5)
    order = rng.permutation(count)
    columns: dict[str, Any] = {
        "event_id": [f"e{number:06d}" for number in order],
        "visitor_id": ["v"] * count,
        "session_id": ["s"] * count,
        "name": ["view"] * count,
        # Ties: several events share each microsecond.
        "occurred_at": pa.array(TEN_US + order // 3, pa.timestamp("us", tz="UTC")),
        "properties": [json.dumps({"price": int(number) % 21, "product": f"p{number % 777}"}) for number in order],
    }
    log, summary = read(write_parquet(tmp_path / "log.parquet", columns), plan, batch_events=1_000)
    assert (summary.used, log.session_count, log.event_count) == (count, 1, count)
    assert log.event_ids.tolist() == [f"e{number:06d}" for number in range(count)]
    last = build(plan, log, every_event(log, count))
    assert last[0, :3].tolist() == [(count - 1) % 21, 777.0, sum(number % 21 >= 10 for number in range(count))]
