"""What is read of files and of folders, and what is told about those that hold something else."""

import json
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from small_logs import NOW, TEN_US, event, read, small_plan, write_lines, write_parquet

from features.import_log import import_log
from features.log_files import LogError
from features.plan import Plan
from features.source import CANONICAL
from features.sources.loan_log import LOAN_LOG
from features.sources.segment import SEGMENT

HEADER = "event_id,visitor_id,name,occurred_at,properties\n"


@pytest.fixture(scope="module")
def plan() -> Plan:
    return small_plan()


def row(number: int, properties: str = "") -> str:
    return f"e{number:03d},v1,view,2024-05-01T10:00:{number:02d}Z,{properties}\n"


def test_fields_that_no_line_has_are_named(tmp_path: Path, plan: Plan) -> None:
    path = write_lines(tmp_path / "log.jsonl", [{"event": "view", "time": 1}] * 3)
    with pytest.raises(LogError) as caught:
        read(path, plan)
    assert str(caught.value) == (
        f"{path} lacks the fields name, occurred_at (no line has them); map other names with "
        "`dropoff import MAPPING.toml PATH --out PATH`"
    )
    for source, missing in ((SEGMENT, "field type"), (LOAN_LOG, "fields case_id, timestamp, activity, lifecycle")):
        with pytest.raises(LogError, match=f"lacks the {missing} "):
            import_log(source, path, tmp_path / "out.parquet", now=NOW)


def test_a_field_that_only_a_late_line_has_is_there(tmp_path: Path, plan: Plan) -> None:
    path = write_lines(tmp_path / "log.jsonl", [{"visitor_id": "v"}] * 2_500 + [event(1)])
    log, summary = read(path, plan)
    assert log.event_ids.tolist() == ["e001"]
    assert summary.reasons == {"the event id is missing": 2_500}


def test_lines_without_any_event_id_are_numbered_as_rows_without_the_column_are(tmp_path: Path, plan: Plan) -> None:
    lines = [{name: value for name, value in event(number).items() if name != "event_id"} for number in (2, 1)]
    of_lines, _ = read(write_lines(tmp_path / "log.jsonl", lines), plan)
    (tmp_path / "log.csv").write_text(
        "visitor_id,name,occurred_at\n" + "".join(f"v1,view,2024-05-01T10:00:0{number}Z\n" for number in (2, 1))
    )
    of_rows, _ = read(tmp_path / "log.csv", plan)
    assert of_lines.event_ids.tolist() == of_rows.event_ids.tolist()
    assert of_lines.at_us.tolist() == of_rows.at_us.tolist()


@pytest.mark.parametrize("column", ["event_id", "session_id", "visitor_id", "user_id", "name", "device"])
@pytest.mark.parametrize("value", [["view"], {"is": "view"}])
def test_a_name_or_an_id_that_is_a_list_or_an_object_is_refused(
    tmp_path: Path, plan: Plan, column: str, value: object
) -> None:
    path = write_lines(tmp_path / "log.jsonl", [event(1), event(2, **{column: value})])
    log, summary = read(path, plan)
    assert log.event_ids.tolist() == ["e001"]
    assert summary.reasons == {"a name or an id is a list or an object": 1}


@pytest.mark.parametrize("values", [pa.array([["view"]] * 2), pa.array([{"is": "view"}] * 2)], ids=["list", "struct"])
@pytest.mark.parametrize("column", ["event_id", "name", "visitor_id", "source"])
def test_a_column_of_lists_or_structs_where_text_belongs_is_named(
    tmp_path: Path, plan: Plan, column: str, values: pa.Array
) -> None:
    path = write_parquet(tmp_path / "log.parquet", {column: values})
    with pytest.raises(LogError, match=rf"the column {column} has the type .*; it should be text or a number"):
        read(path, plan)


def test_decimal_seconds_are_times(tmp_path: Path, plan: Plan) -> None:
    seconds = pa.array([Decimal("1714557600.25")] * 2, pa.decimal128(18, 2))
    log, _ = read(write_parquet(tmp_path / "log.parquet", {"occurred_at": seconds}), plan)
    assert log.at_us.tolist() == [TEN_US + 250_000] * 2


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_rows_have_no_say_in_how_a_file_is_parted_and_quoted(tmp_path: Path, plan: Plan, delimiter: str) -> None:
    quoted = '"{""price"": 5, ""product"": ""a,b;c|d"",\n""on"": ""two lines""}"'
    text = HEADER + row(1) + row(2)
    path = tmp_path / "log.csv"
    path.write_text(text.replace(",", delimiter) + row(3).replace(",", delimiter).replace("\n", quoted + "\n"))
    log, summary = read(path, plan)
    assert log.event_ids.tolist() == ["e001", "e002", "e003"]
    assert summary.quarantined == 0
    assert log.values[2].tolist()[[column.name for column in plan.columns].index("price")] == 5.0


def test_a_quotation_mark_that_stays_open_is_refused_since_it_swallows_rows(tmp_path: Path, plan: Plan) -> None:
    path = tmp_path / "log.csv"
    path.write_text(HEADER + row(1) + 'e002,v1,"view,2024-05-01T10:00:02Z,\n' + row(3) + row(4, '"{""price"": 5}"'))
    told = f"{path}, line 3: a quotation mark is opened and not closed, so that the lines after it belong to this one"
    with pytest.raises(LogError) as caught:
        read(path, plan)
    assert str(caught.value).startswith(told)
    with pytest.raises(LogError) as caught:
        import_log(CANONICAL, path, tmp_path / "out.parquet", now=NOW)
    assert str(caught.value).startswith(told)
    assert not (tmp_path / "out.parquet").exists()


def test_a_stray_quotation_mark_inside_one_line_costs_that_line(tmp_path: Path, plan: Plan) -> None:
    path = tmp_path / "log.csv"
    path.write_text(HEADER + row(1) + 'e002,v1,"view"er,2024-05-01T10:00:02Z,\n' + row(3))
    log, summary = read(path, plan)
    assert log.event_ids.tolist() == ["e001", "e003"]
    assert summary.quarantined == 1


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".jsonl.gz"])
def test_a_line_that_duckdb_would_pass_over_in_silence_is_refused(tmp_path: Path, plan: Plan, ending: str) -> None:
    import gzip

    path = tmp_path / f"log{ending}"
    with gzip.open(path, "wb", 1) if ending.endswith(".gz") else path.open("wb") as file:
        file.write(HEADER.encode() + b"x" * 50_000_000 + b"\n")
    with pytest.raises(LogError, match="the line around byte 16,777,216 is longer than 16 MB; shorten or remove it"):
        read(path, plan)


def test_what_begins_with_a_dot_or_an_underscore_is_no_part_of_a_folder(tmp_path: Path, plan: Plan) -> None:
    write_lines(tmp_path / "log.jsonl", [event(1)])
    for other in (".dropoff/quarantine.jsonl", "_temporary/part.parquet", "_SUCCESS.csv", "day=1/.part.csv"):
        (tmp_path / other).parent.mkdir(exist_ok=True)
        (tmp_path / other).write_text("no log")
    assert read(tmp_path, plan)[0].event_ids.tolist() == ["e001"]


def test_a_log_without_a_usable_event_says_where_its_rows_are(tmp_path: Path, plan: Plan) -> None:
    path = write_lines(tmp_path / "log.jsonl", [event(number, occurred_at=0) for number in range(3)])
    told = r"no usable event: occurred_at is before 2000 \(3 rows\)"
    with pytest.raises(LogError, match=rf"{told}; the rows are in {tmp_path}/bad.jsonl"):
        read(path, plan, quarantine=tmp_path / "bad.jsonl")
    assert len((tmp_path / "bad.jsonl").read_text().splitlines()) == 3
    with pytest.raises(LogError, match=rf"{told}$"):
        read(path, plan)
    with pytest.raises(LogError, match=rf"{told}; the rows are in {tmp_path}/imported.jsonl"):
        import_log(CANONICAL, path, tmp_path / "out.parquet", quarantine=tmp_path / "imported.jsonl", now=NOW)
    kept = [json.loads(line) for line in (tmp_path / "imported.jsonl").read_text().splitlines()]
    assert [line["row"] for line in kept] == [1, 2, 3]
