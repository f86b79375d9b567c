"""Features as a file: which rows and columns, what they say, and that nothing half-written stays."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from small_logs import TEN_US, TIMEOUT_SECONDS, event, read, small_plan, write_lines

from features.build import build, every_event
from features.encode import key
from features.export import export_features
from features.log_files import LogError
from features.plan import Plan
from features.sources.mapping import column_mapping


@pytest.fixture(scope="module")
def plan() -> Plan:
    return small_plan()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    rows = [
        event(
            number,
            visitor_id=f"v{number % 7}",
            device="mobile" if number % 2 else None,
            properties={"price": number * 0.5, "product": f"p{number % 5}"} if number > 3 else {},
        )
        for number in range(200)
    ]
    return write_lines(tmp_path / "log.jsonl", [*rows, rows[3], b"{nonsense\n"])


def export(plan: Plan, log: Path, out: Path, every: int = 1, batch_events: int = 500_000) -> tuple[int, pa.Table]:
    count, _summary = export_features(
        plan, log, out, timeout_seconds=TIMEOUT_SECONDS, every=every, batch_events=batch_events
    )
    return count, pq.read_table(out)


def test_a_row_names_its_session_its_latest_event_and_its_moment(tmp_path: Path, plan: Plan) -> None:
    rows = [event(number) for number in range(3)]
    path = write_lines(tmp_path / "small.jsonl", rows)
    count, table = export(plan, path, tmp_path / "out.parquet")
    assert table.column_names == ["session_id", "event_id", "at", "price", "products", "dear_views", "device"]
    assert table.schema.types == [pa.string(), pa.string(), pa.timestamp("us", tz="UTC"), *[pa.float64()] * 4]
    assert count == 3
    assert table["session_id"].to_pylist() == [f"v1~{TEN_US}"] * 3
    assert table["event_id"].to_pylist() == ["e000", "e001", "e002"]
    at_us = table["at"].cast(pa.int64()).to_pylist()
    assert at_us == [TEN_US + number * 1_000_000 for number in range(3)]
    assert table["price"].to_pylist() == [0.5, 1.5, 2.5]


def test_the_numbers_are_those_of_the_kernel_and_null_where_nothing_happened(
    tmp_path: Path, plan: Plan, log: Path
) -> None:
    count, table = export(plan, log, tmp_path / "out.parquet")
    whole, summary = read(log, plan)
    cutoffs = every_event(whole)
    expected = build(plan, whole, cutoffs)
    assert count == table.num_rows == summary.used == 200
    assert table["session_id"].to_pylist() == whole.session_ids[cutoffs.session].tolist()
    assert table["event_id"].to_pylist() == whole.event_ids.tolist()
    for place, name in enumerate(plan.feature_names):
        column = table[name]
        assert column.null_count == np.isnan(expected[:, place]).sum()
        found = np.array(column.fill_null(np.nan).to_pylist())
        assert found.tobytes() == np.where(np.isnan(found), np.nan, expected[:, place]).tobytes()
    assert table["price"].null_count > 0
    assert set(table["device"].drop_null().to_pylist()) == {key("mobile")}


@pytest.mark.parametrize("every", [1, 2, 3, 50])
def test_small_batches_write_the_same_rows(tmp_path: Path, plan: Plan, log: Path, every: int) -> None:
    _, whole = export(plan, log, tmp_path / "whole.parquet", every)
    count, parts = export(plan, log, tmp_path / "parts.parquet", every, batch_events=9)
    order = [("session_id", "ascending"), ("event_id", "ascending")]
    assert whole.sort_by(order).equals(parts.sort_by(order))
    # Seven visitors with 28 or 29 events each.
    sizes = [len(range(visitor, 200, 7)) for visitor in range(7)]
    assert count == sum(size // every for size in sizes)


def test_another_schema_is_read_through_its_source_and_bad_rows_are_kept_apart(tmp_path: Path, plan: Plan) -> None:
    (tmp_path / "log.csv").write_text("who,what,when,cost\nv,view,1714557600,3\nv,view,never,4\n")
    source = column_mapping({"visitor_id": "who", "name": "what", "occurred_at": "when"}, {"price": "cost"})
    count, summary = export_features(
        plan,
        tmp_path / "log.csv",
        tmp_path / "out.parquet",
        timeout_seconds=TIMEOUT_SECONDS,
        source=source,
        quarantine=tmp_path / "bad.jsonl",
    )
    assert (count, summary.used, summary.quarantined) == (1, 1, 1)
    assert (tmp_path / "bad.jsonl").read_text().count("\n") == 1
    assert pq.read_table(tmp_path / "out.parquet")["price"].to_pylist() == [3.0]


@pytest.mark.parametrize("every", [0, -1])
def test_a_step_below_one_is_refused_before_anything_is_made(tmp_path: Path, plan: Plan, log: Path, every: int) -> None:
    with pytest.raises(ValueError, match=f"every {every} events: give 1 or more"):
        export(plan, log, tmp_path / "new" / "out.parquet", every)
    assert not (tmp_path / "new").exists()


def test_a_failure_at_the_start_leaves_no_file(tmp_path: Path, plan: Plan) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    with pytest.raises(LogError, match="there is no log at"):
        export(plan, tmp_path / "absent.csv", folder / "out.parquet")
    assert list(folder.iterdir()) == []


def test_a_failure_in_the_middle_leaves_an_earlier_result_as_it_was(tmp_path: Path, plan: Plan, log: Path) -> None:
    folder = tmp_path / "results"
    out = folder / "out.parquet"
    export(plan, log, out, every=50)
    before = out.read_bytes()

    class StoppedError(Exception):
        pass

    def stop(phase: str, fraction: float) -> None:
        # Some batches have been written by then.
        if phase == "reading sessions" and fraction > 0.5:
            raise StoppedError

    with pytest.raises(StoppedError):
        export_features(plan, log, out, timeout_seconds=TIMEOUT_SECONDS, batch_events=9, progress=stop)
    assert [file.name for file in folder.iterdir()] == ["out.parquet"]
    assert out.read_bytes() == before
