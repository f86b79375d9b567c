"""Write a log's features as Parquet, session by session, in bounded memory."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.build import build, every_event
from features.events import Cutoffs, EncodedLog, FloatArray
from features.plan import Plan
from features.read_log import ReadSummary, read_log
from features.source import CANONICAL, Source
from features.staging import Progress

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
    progress: Progress = lambda _phase, _fraction: None,
) -> tuple[int, ReadSummary]:
    """Write a row right after every ``every``-th event of each session, and return how many there are.

    Columns: ``session_id``, ``event_id`` (the latest event that the row has seen), ``at`` (UTC) and one per feature;
    null means "has not happened", categories are the raw keys of ``features.encode.key``. ``out`` appears only when
    it is complete. Raises ValueError for a step below 1, and LogError.
    """
    if every < 1:
        raise ValueError(f"every {every} events: give 1 or more")
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.unfinished")
    row_count = 0
    buffer = np.empty((0, len(plan.feature_names)), np.float64)
    try:
        with (
            pq.ParquetWriter(unfinished, _schema(plan)) as writer,
            read_log(
                log,
                plan,
                timeout_seconds=timeout_seconds,
                source=source,
                quarantine=quarantine,
                batch_events=batch_events,
                progress=progress,
            ) as read,
        ):
            for batch in read.batches():
                cutoffs = every_event(batch, every)
                if len(cutoffs) > len(buffer):
                    buffer = np.empty((len(cutoffs), len(plan.feature_names)), np.float64)
                rows = build(plan, batch, cutoffs, buffer[: len(cutoffs)])
                writer.write_table(_as_table(plan, batch, cutoffs, rows))
                row_count += len(cutoffs)
            summary = read.summary
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
    return row_count, summary


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
