"""Touchpoints out of files, into the database of a journey's service, which may be running meanwhile."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from features.import_log import import_log
from features.names import EventNames
from features.read_log import ReadSummary
from features.source import Source
from features.staging import Progress
from features.touchpoints import CLICK, Touchpoint, channel_of, touchpoint_name
from journeys.journey import Journey
from serving.configuration import Configuration
from serving.keeping import keeping_of
from serving.touchpoints import with_records
from storage.database import open_database, writing
from storage.touchpoint_store import TouchpointStore

_ROWS_PER_COMMIT = 2_000


@dataclass(frozen=True, slots=True)
class ImportedTouchpoints:
    """What became of a file's rows: those read and refused, and of the read ones the new."""

    summary: ReadSummary
    new: int

    @property
    def duplicates(self) -> int:
        """How many were there already."""
        return self.summary.used - self.new


def import_touchpoints(
    configuration: Configuration,
    journey: Journey,
    source: Source,
    path: Path,
    *,
    quarantine: Path | None = None,
    progress: Progress = lambda _phase, _fraction: None,
) -> ImportedTouchpoints:
    """Keep the touchpoints of a file or folder, by the rules of the journey's service; those that are there stay.

    Raises ``LogError`` and ``DatabaseError``.
    """
    now_us = time.time_ns() // 1_000
    engine = open_database(configuration.address, configuration.durability)
    try:
        store = TouchpointStore(engine, journey.name)
        with tempfile.TemporaryDirectory(prefix="dropoff-") as folder:
            read = Path(folder) / "touchpoints.parquet"
            keeping = keeping_of(configuration, journey, with_records)
            summary = import_log(source, path, read, keeping=keeping, quarantine=quarantine, progress=progress)
            new = 0
            for done, batch in _batches(read, journey.names, now_us):
                with writing(engine) as connection:
                    new += len(batch) - store.append(connection, batch)
                progress("keeping touchpoints", done / summary.used)
    finally:
        engine.dispose()
    return ImportedTouchpoints(summary, new)


def _batches(path: Path, names: EventNames, now_us: int) -> Iterator[tuple[int, list[Touchpoint]]]:
    done = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS_PER_COMMIT):
            done += batch.num_rows
            yield done, [_touchpoint(row, names, now_us) for row in _with_microseconds(batch).to_pylist()]


def _with_microseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    place = batch.schema.get_field_index("occurred_at")
    return batch.set_column(place, "occurred_at", batch.column(place).cast(pa.int64()))


def _touchpoint(row: dict[str, object], names: EventNames, now_us: int) -> Touchpoint:
    properties = msgspec.json.decode(str(row["properties"] or "{}"))
    said = properties.pop(CLICK, None)
    click_id = None if said in (None, "") else str(said)
    visitor_id, user_id = _text(row["visitor_id"]), _text(row["user_id"])
    name = touchpoint_name(names, str(row["name"]))
    return Touchpoint(
        touchpoint_id=str(row["event_id"]),
        name=name,
        occurred_at_us=int(str(row["occurred_at"])),
        received_at_us=now_us,
        visitor_id=None if visitor_id in (user_id, click_id) else visitor_id,
        user_id=user_id,
        click_id=click_id,
        channel=_text(row["channel"]) or channel_of(name),
        source=_text(row["source"]),
        campaign=_text(row["campaign"]),
        properties={key: value for key, value in properties.items() if value is not None},
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
