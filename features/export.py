"""Write a log's features as Parquet, session by session, in bounded memory: one file, or a folder of parts."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.build import build, every_event
from features.engine import HERE, Engine
from features.events import Cutoffs, EncodedLog, FloatArray
from features.finished import finished
from features.plan import Plan
from features.read_log import LogRead, ReadSummary, read_log
from features.source import CANONICAL, Source
from features.staging import Progress
from features.store_path import StorePath

FILE_ENDING = ".parquet"
_BATCH_EVENTS = 500_000


def export_features(
    plan: Plan,
    log: Path,
    out: Path,
    *,
    timeout_seconds: float,
    every: int = 1,
    source: Source = CANONICAL,
    quarantine: Path | None = None,
    batch_events: int = _BATCH_EVENTS,
    engine: Engine = HERE,
    progress: Progress = lambda _phase, _fraction: None,
) -> tuple[int, ReadSummary]:
    """Write a row right after every ``every``-th event of each session, and return how many there are.

    Columns: ``session_id``, ``event_id`` (the latest event that the row has seen), ``at`` (UTC) and one per feature;
    null means "has not happened", categories are the raw keys of ``features.encode.key``. ``out`` appears only when
    it is complete: a file where it ends in ``.parquet``, else a folder of ``part-00000.parquet`` and so on, which
    several workers can write at once. The rows and their order are the same. Raises ValueError for a step below 1, and
    LogError.
    """
    if every < 1:
        raise ValueError(f"every {every} events: give 1 or more")
    rows_of = _Rows(plan, every)
    with (
        finished(out) as unfinished,
        read_log(
            log,
            plan,
            timeout_seconds=timeout_seconds,
            source=source,
            quarantine=quarantine,
            batch_events=batch_events,
            engine=engine,
            progress=progress,
        ) as read,
    ):
        write = _write_file if is_file(out) else partial(_write_parts, engine)
        return write(read, rows_of, unfinished), read.summary


def is_file(out: Path) -> bool:
    """Whether features are written as one file, not as a folder of parts."""
    return out.name.endswith(FILE_ENDING)


@dataclass
class _Rows:
    """Makes the table of a batch; memory for features is used again, as fresh memory costs as much as they do."""

    plan: Plan
    every: int
    buffer: FloatArray = field(default_factory=lambda: np.empty((0, 0)), repr=False)

    def __call__(self, log: EncodedLog) -> pa.Table:
        cutoffs, width = every_event(log, self.every), len(self.plan.feature_names)
        if len(cutoffs) > len(self.buffer) or not self.buffer.size:
            self.buffer = np.empty((len(cutoffs), width), np.float64)
        rows = build(self.plan, log, cutoffs, self.buffer[: len(cutoffs)])
        return _as_table(self.plan, log, cutoffs, rows)


@dataclass(frozen=True)
class _Part:
    """Writes the table of a batch into a file of its own, and returns its name and number of rows."""

    rows_of: Callable[[EncodedLog], pa.Table]
    folder: Path

    def __call__(self, log: EncodedLog) -> tuple[Path, int]:
        # An attempt that was lost leaves a file that nobody names.
        file, table = self.folder / f".{uuid.uuid4().hex}", self.rows_of(log)
        with file.open("wb") as content:
            pq.write_table(table, content)
        return file, table.num_rows


def _write_file(read: LogRead, rows_of: _Rows, file: Path) -> int:
    with file.open("wb") as content, pq.ParquetWriter(content, _schema(rows_of.plan)) as writer:
        count = 0
        for table in read.map(rows_of):
            writer.write_table(table)
            count += table.num_rows
    return count


def _write_parts(engine: Engine, read: LogRead, rows_of: _Rows, folder: Path) -> int:
    folder, count = folder.absolute(), 0
    folder.mkdir()
    # An object store has no folders that could be looked for.
    if not isinstance(folder, StorePath):
        engine.require_seen(folder)
    for number, (file, rows) in enumerate(read.map(_Part(rows_of, folder))):
        file.rename(folder / f"part-{number:05}{FILE_ENDING}")
        count += rows
    for lost in folder.glob(".*"):
        lost.unlink()
    return count


def _schema(plan: Plan) -> pa.Schema:
    identity = [("session_id", pa.string()), ("event_id", pa.string()), ("at", pa.timestamp("us", tz="UTC"))]
    return pa.schema([*identity, *((name, pa.float64()) for name in plan.feature_names)])


def _as_table(plan: Plan, log: EncodedLog, cutoffs: Cutoffs, rows: FloatArray) -> pa.Table:
    latest = log.starts[cutoffs.session] + cutoffs.after - 1
    columns = [
        pa.array(log.session_ids[cutoffs.session], pa.string()),
        pa.array(log.event_ids[latest], pa.string()),
        pa.array(cutoffs.at_us, pa.timestamp("us", tz="UTC")),
        # from_pandas writes NaN as null, which SQL leaves out of its averages.
        *(pa.array(np.ascontiguousarray(rows[:, place]), from_pandas=True) for place in range(rows.shape[1])),
    ]
    return pa.Table.from_arrays(columns, schema=_schema(plan))
