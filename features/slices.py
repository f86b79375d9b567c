"""Cut a log into slices of whole files, which can be staged one by one or side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from features.raw_log import RawLog, open_files, open_raw
from features.source import Source

SLICE_ROWS = 20_000_000
"""A slice has no more rows than this, unless a single file has."""
_SLICES_PER_WORKER = 4


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of a log's files, in their order; ``rows_before`` are the rows of the files before them."""

    number: int
    files: tuple[Path, ...]
    rows_before: int


def cut_log(raw: RawLog, source: Source, row_count: int, workers: int) -> tuple[Slice, ...]:
    """Return the slices of a log: more of them the more workers there are.

    Only Parquet tells how many rows a file has, so that a row's number is known without reading the files before it:
    a log of text is one slice, and so is one whose structures tell its columns only when they are read.
    """
    if raw.is_text or source.nested:
        return (Slice(0, raw.files, 0),)
    counts = [_count_rows(file) for file in raw.files]
    wanted = max(-(-row_count // SLICE_ROWS), workers * _SLICES_PER_WORKER if workers > 1 else 1)
    return tuple(_cut(raw.files, counts, max(1, -(-row_count // wanted))))


def _count_rows(file: Path) -> int:
    with file.open("rb") as content:
        return int(pq.read_metadata(content).num_rows)


def _cut(files: Sequence[Path], counts: Sequence[int], most: int) -> list[Slice]:
    slices, taken, rows, before = list[Slice](), list[Path](), 0, 0
    for file, count in zip(files, counts, strict=True):
        if taken and rows + count > most:
            slices.append(Slice(len(slices), tuple(taken), before))
            before, taken, rows = before + rows, [], 0
        taken.append(file)
        rows += count
    return [*slices, Slice(len(slices), tuple(taken), before)]


def open_slice(connection: duckdb.DuckDBPyConnection, log: Path, whole: RawLog, part: Slice, source: Source) -> RawLog:
    """Create the view ``raw`` of a slice with all columns of the log; raises ``features.log_files.LogError``."""
    if part.files == whole.files:
        return open_raw(connection, log, source)
    return open_files(connection, part.files, whole)
