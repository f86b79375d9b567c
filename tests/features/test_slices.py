"""Slices: whole files in their order, of about equal size, with the rows before each."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.raw_log import open_raw
from features.slices import cut_log, open_slice
from features.source import CANONICAL


def _write(folder: Path, counts: list[int]) -> Path:
    for number, count in enumerate(counts):
        columns = {
            "event_id": [f"{number}-{place}" for place in range(count)],
            "visitor_id": pa.array(range(count), pa.int64()) if number % 2 else [f"v{place}" for place in range(count)],
            "name": ["view"] * count,
            "occurred_at": ["2024-05-01T10:00:00Z"] * count,
        }
        extra = {"device": ["phone"] * count} if number == 0 else {}
        pq.write_table(pa.table(columns | extra), folder / f"{number:03}.parquet")
    return folder


@settings(max_examples=10, deadline=None)
@given(counts=st.lists(st.integers(1, 50), min_size=1, max_size=12), workers=st.integers(1, 6))
def test_slices_are_all_the_files_in_their_order_with_the_rows_before_each(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], workers: int
) -> None:
    log = _write(tmp_path_factory.mktemp("log"), counts)
    with duckdb.connect() as connection:
        raw = open_raw(connection, log, CANONICAL)
    slices = cut_log(raw, CANONICAL, sum(counts), workers)
    assert tuple(file for part in slices for file in part.files) == raw.files
    assert [part.number for part in slices] == list(range(len(slices)))
    rows = dict(zip(raw.files, counts, strict=True))
    before = 0
    for part in slices:
        assert part.rows_before == before
        before += sum(rows[file] for file in part.files)
    if workers == 1:
        assert len(slices) == 1
    else:
        most = -(-sum(counts) // (workers * 4))
        assert all(len(part.files) == 1 or sum(rows[file] for file in part.files) <= most for part in slices)


def test_a_slice_has_the_columns_and_types_of_the_whole_log(tmp_path: Path) -> None:
    log = _write(tmp_path, [2, 3])
    with duckdb.connect() as connection:
        raw = open_raw(connection, log, CANONICAL)
        whole = connection.execute("SELECT event_id, visitor_id, device FROM raw").fetchall()
    found = []
    for part in cut_log(raw, CANONICAL, 5, 2):
        with duckdb.connect() as connection:
            open_slice(connection, log, raw, part, CANONICAL)
            found += connection.execute("SELECT event_id, visitor_id, device FROM raw").fetchall()
    assert found == whole
    assert [row[1] for row in found] == ["v0", "v1", "0", "1", "2"]
    assert [row[2] for row in found] == ["phone", "phone", None, None, None]


def test_a_column_that_another_file_writes_in_capitals_is_the_same_column_in_its_slice(tmp_path: Path) -> None:
    log = _write(tmp_path, [1, 3])
    shouted = pq.read_table(log / "001.parquet")
    pq.write_table(shouted.rename_columns([name.upper() for name in shouted.column_names]), log / "001.parquet")
    with duckdb.connect() as connection:
        raw = open_raw(connection, log, CANONICAL)
        whole = connection.execute("SELECT event_id, visitor_id, name FROM raw").fetchall()
    last = cut_log(raw, CANONICAL, 4, 2)[-1]
    with duckdb.connect() as connection:
        open_slice(connection, log, raw, last, CANONICAL)
        found = connection.execute("SELECT event_id, visitor_id, name FROM raw").fetchall()
    assert found == whole[1:] == [("1-0", "0", "view"), ("1-1", "1", "view"), ("1-2", "2", "view")]


def test_text_is_one_slice_as_nobody_knows_how_many_rows_stand_before(tmp_path: Path) -> None:
    for number in range(3):
        line = (
            f'{{"event_id": "e{number}", "visitor_id": "v", "name": "view", "occurred_at": "2024-05-01T10:00:00Z"}}\n'
        )
        (tmp_path / f"{number}.jsonl").write_text(line)
    with duckdb.connect() as connection:
        raw = open_raw(connection, tmp_path, CANONICAL)
    [part] = cut_log(raw, CANONICAL, 3, 4)
    assert part.files == raw.files
