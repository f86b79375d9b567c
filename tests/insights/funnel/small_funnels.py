"""Funnels over a few events written by hand: ``("v1", "view", 3.5)`` is a visitor, an event and seconds after ten."""

import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from insights.funnel.declare import declare
from insights.funnel.measure import measure_funnel
from insights.funnel.result import FunnelResult

TEN = datetime(2026, 3, 17, 10, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
TEN_US = int(TEN.timestamp()) * 1_000_000

Told = tuple[str, str, float] | tuple[str, str, float, Mapping[str, Any]]
_TEXTS = ("session_id", "user_id", "device", "source", "properties")


def rows_of(events: Sequence[Told]) -> list[dict[str, Any]]:
    """The events as canonical rows; their ids follow the order in which they are told."""
    rows = []
    for number, (visitor, name, seconds, *more) in enumerate(events):
        row = {"event_id": f"e{number:04}", "visitor_id": visitor, "name": name, **dict.fromkeys(_TEXTS)}
        rows.append(row | {"occurred_at_us": TEN_US + round(seconds * 1e6)} | (dict(more[0]) if more else {}))
    return rows


def table_of(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    columns: dict[str, Any] = {
        name: pa.array([row.get(name) for row in rows], pa.string())
        for name in dict.fromkeys(("event_id", "visitor_id", "name", *_TEXTS, *(key for row in rows for key in row)))
        if not name.endswith("_us")
    }
    for name in ("occurred_at", "received_at"):
        columns[name] = pa.array([row.get(f"{name}_us") for row in rows], pa.timestamp("us", tz="UTC"))
    return pa.table(columns)


def run(steps: str, events: Sequence[Told], **how: Any) -> FunnelResult:
    """Measure a funnel of a Parquet file with these events, which may stand in any order."""
    return run_rows(steps, rows_of(events), **how)


def run_rows(steps: str, rows: Sequence[Mapping[str, Any]], *, ids: bool = True, **how: Any) -> FunnelResult:
    table = table_of(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.parquet"
        pq.write_table(table if ids else table.drop(["event_id"]), path)
        return measure_funnel(declare(steps, **how), path, threads=1, now=NOW)


def counts(steps: str, events: Sequence[Told], **how: Any) -> list[int]:
    return [step.count for step in run(steps, events, **how).steps]


def groups(result: FunnelResult) -> dict[str | None, list[int]]:
    return {group.value: [step.count for step in group.steps] for group in result.groups}
