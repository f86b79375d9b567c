"""Importing: the canonical file reads as the original does, refused rows are kept apart, and failures leave nothing."""

import json
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from small_logs import NOW, TEN_US, event, read, small_plan, write_lines, write_parquet

from features.events import EncodedLog
from features.import_log import import_log
from features.log_files import LogError
from features.plan import Plan
from features.source import CANONICAL, CANONICAL_COLUMNS, Source
from features.sources.mapping import column_mapping
from features.sources.shipped import named


@pytest.fixture(scope="module")
def plan() -> Plan:
    return small_plan()


def same(left: EncodedLog, right: EncodedLog) -> None:
    for name in ("session_ids", "visitor_ids", "user_ids", "event_ids"):
        assert getattr(left, name).tolist() == getattr(right, name).tolist(), name
    for name in ("starts", "at_us", "codes", "values"):
        assert getattr(left, name).tobytes() == getattr(right, name).tobytes(), name
    assert {name: column.tolist() for name, column in left.context.items()} == {
        name: column.tolist() for name, column in right.context.items()
    }


WILD = [
    event(1, session_id="", user_id="", device="", properties=None),
    event(2, visitor_id="", user_id="u1", properties={"price": "4.5", "product": "ä"}),
    event(3, session_id="s", user_id="u2", channel="email", campaign="c", source="x", device="mobile"),
    event(3, session_id="s", properties={"price": 99}),
    event(0, received_at="2024-05-01T11:00:00Z", properties={"price": 2**70, "product": [1]}),
    event(4, name="never heard of"),
]
SEGMENT = [
    {"type": "track", "event": "view", "anonymousId": "a", "messageId": "m1", "timestamp": "2024-05-01T10:00:00Z"},
    {"type": "page", "userId": "u", "messageId": "m2", "timestamp": "2024-05-01T10:00:00Z", "properties": {"x": 1}},
]
LOANS = [
    {"case_id": "1", "amount_req": 5, "timestamp": "2024-05-01", "activity": "A_X", "lifecycle": "COMPLETE"},
    {"case_id": "1", "amount_req": 5, "timestamp": "2024-05-01", "activity": "W_Y z", "lifecycle": "START"},
]
MAPPED = [{"who": f"v{number % 3}", "what": "view", "when": 1714557600, "cost": number} for number in range(20)]


@pytest.mark.parametrize(
    ("source", "rows"),
    [
        (CANONICAL, WILD),
        (named("segment"), SEGMENT),
        (named("loan_log"), LOANS),
        (column_mapping({"visitor_id": "who", "name": "what", "occurred_at": "when"}, {"price": "cost"}), MAPPED),
    ],
    ids=lambda value: value.name if isinstance(value, Source) else "",
)
def test_what_was_imported_reads_as_the_original_does(
    tmp_path: Path, plan: Plan, source: Source, rows: list[dict[str, Any]]
) -> None:
    original = write_lines(tmp_path / "log.jsonl", rows)
    expected, direct = read(original, plan, source=source)
    summary = import_log(source, original, tmp_path / "new" / "log.parquet", now=NOW)
    found, again = read(tmp_path / "new" / "log.parquet", plan)
    same(found, expected)
    assert again == direct
    # Duplicates are told apart when the log is read, not before.
    assert (summary.used, summary.deduplicated) == (len(rows), 0)
    assert (summary.visitors, summary.first_at_us, summary.last_at_us) == (
        direct.visitors,
        direct.first_at_us,
        direct.last_at_us,
    )


def test_the_file_has_the_canonical_columns_and_types(tmp_path: Path) -> None:
    import_log(CANONICAL, write_lines(tmp_path / "log.jsonl", WILD), tmp_path / "out.parquet", now=NOW)
    schema = pq.read_schema(tmp_path / "out.parquet")
    assert schema.names == list(CANONICAL_COLUMNS)
    for name in CANONICAL_COLUMNS:
        expected = pa.timestamp("us", tz="UTC") if name.endswith("_at") else pa.string()
        assert schema.field(name).type == expected, name


def test_rows_keep_the_order_of_the_file(tmp_path: Path) -> None:
    count = 300_000
    order = np.random.default_rng(1).permutation(count)
    names = [f"e{number:06d}" for number in order]
    times = pa.array(TEN_US + order, pa.timestamp("us", tz="UTC"))
    write_parquet(
        tmp_path / "log.parquet",
        {"event_id": names, "visitor_id": ["v"] * count, "name": ["view"] * count, "occurred_at": times},
    )
    import_log(CANONICAL, tmp_path / "log.parquet", tmp_path / "out.parquet", now=NOW)
    assert pq.read_table(tmp_path / "out.parquet", columns=["event_id"])["event_id"].to_pylist() == names


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_refused_rows_go_to_the_quarantine_and_the_rest_into_the_file(tmp_path: Path, plan: Plan, suffix: str) -> None:
    path = tmp_path / f"log.{suffix}"
    if suffix == "jsonl":
        write_lines(path, [event(1), b"{nonsense\n", event(2, occurred_at="1970-01-01"), event(3)])
        reasons = {"the line is not JSON": 1, "occurred_at is before 2000": 1}
    else:
        header = "event_id,visitor_id,name,occurred_at\n"
        good = "e001,v1,view,2024-05-01T10:00:01Z\ne,v1,view,1970-01-01\n"
        path.write_text(header + good + "half,a row\ne003,v1,view,2024-05-01T10:00:03Z\n")
        reasons = {"the line is no CSV row of the header's columns": 1, "occurred_at is before 2000": 1}
    summary = import_log(CANONICAL, path, tmp_path / "out.parquet", quarantine=tmp_path / "bad" / "q.jsonl", now=NOW)
    assert summary.reasons == reasons
    assert (summary.read, summary.used, summary.quarantined) == (4, 2, 2)
    kept = [json.loads(line) for line in (tmp_path / "bad" / "q.jsonl").read_text().splitlines()]
    assert {row["reason"] for row in kept} == set(reasons)
    _, again = read(tmp_path / "out.parquet", plan)
    assert (again.used, again.quarantined) == (2, 0)


def test_importing_what_was_imported_changes_nothing(tmp_path: Path) -> None:
    import_log(CANONICAL, write_lines(tmp_path / "log.jsonl", WILD), tmp_path / "once.parquet", now=NOW)
    import_log(CANONICAL, tmp_path / "once.parquet", tmp_path / "twice.parquet", now=NOW)
    once, twice = (pq.read_table(tmp_path / f"{name}.parquet").to_pylist() for name in ("once", "twice"))
    assert once == twice


def test_a_log_with_nothing_usable_says_why_and_leaves_no_file(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "log.jsonl", [b"{nonsense\n", event(1, occurred_at=0)])
    out = tmp_path / "out.parquet"
    with pytest.raises(LogError, match=r"no usable event: .*\(1 rows\).*\(1 rows\)"):
        import_log(CANONICAL, path, out, now=NOW)
    assert [file.name for file in tmp_path.iterdir()] == ["log.jsonl"]


def test_a_failure_leaves_an_earlier_result_as_it_was(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    import_log(CANONICAL, write_lines(tmp_path / "log.jsonl", WILD), out, now=NOW)
    before = out.read_bytes()
    for bad, said in {"absent.csv": "there is no log at", "empty.csv": "is empty", "broken.parquet": "Parquet"}.items():
        if bad != "absent.csv":
            (tmp_path / bad).write_bytes(b"" if bad == "empty.csv" else b"PAR1 or so")
        with pytest.raises(LogError, match=said):
            import_log(CANONICAL, tmp_path / bad, out, now=NOW)
    assert out.read_bytes() == before
    assert not [file for file in tmp_path.iterdir() if "unfinished" in file.name]


def test_nothing_is_written_where_nothing_is_refused(tmp_path: Path) -> None:
    quarantine = tmp_path / "bad.jsonl"
    import_log(
        CANONICAL, write_lines(tmp_path / "log.jsonl", WILD), tmp_path / "o.parquet", quarantine=quarantine, now=NOW
    )
    assert not quarantine.exists()


def test_progress_names_its_phases(tmp_path: Path) -> None:
    told: list[str] = []
    path = write_lines(tmp_path / "log.jsonl", WILD)
    import_log(CANONICAL, path, tmp_path / "o.parquet", now=NOW, progress=lambda phase, _part: told.append(phase))
    assert told == ["opening", "checking", "writing"]
    assert duckdb.sql(f"SELECT count(*) FROM '{tmp_path}/o.parquet'").fetchall() == [(len(WILD),)]
