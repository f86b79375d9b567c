"""Small logs written by hand, and a plan that reads a number, an identity, a bound and a context column of them."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.events import EncodedLog
from features.friction import Friction
from features.plan import Plan, compile_plan
from features.read_log import ReadSummary, read_log
from features.scan import category, count, distinct, key, last, on, prop
from features.table import Feature, FeatureTable, Stage

NOW = datetime(2024, 6, 1, tzinfo=UTC)
TIMEOUT_SECONDS = 1_800.0
TEN_US = int(datetime(2024, 5, 1, 10, tzinfo=UTC).timestamp()) * 1_000_000
"""2024-05-01, ten o'clock: the start of the day's events."""


def small_plan() -> Plan:
    features = (
        Feature("price", last(prop("price")), Friction.PRICE, "{:.2f} euros"),
        Feature("products", distinct(key("product"), "view"), Friction.CHOICE, "{:.0f} products"),
        Feature("dear_views", count(on("view", price=(10, None))), Friction.PRICE, "{:.0f} dear products"),
        Feature("device", category("device"), Friction.NONE, "device"),
    )
    return compile_plan(FeatureTable(("view", "buy"), (Stage("browse", "view"),), features))


def event(number: int, **changes: Any) -> dict[str, Any]:
    """The ``number``-th event of visitor v1, as many seconds after ten o'clock."""
    return {
        "event_id": f"e{number:03d}",
        "visitor_id": "v1",
        "name": "view",
        "occurred_at": TEN_US / 1e6 + number,
        "properties": {"price": number + 0.5},
    } | changes


def write_lines(path: Path, rows: Iterable[object]) -> Path:
    """Write JSON Lines; bytes are written as they are."""
    path.write_bytes(b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows))
    return path


def write_parquet(path: Path, columns: Mapping[str, Any]) -> Path:
    """Write two good views, of which ``columns`` replace or add some."""
    good = {"event_id": ["a", "b"], "visitor_id": ["v1"] * 2, "name": ["view"] * 2}
    pq.write_table(pa.table({**good, "occurred_at": ["2024-05-01T10:00:00Z"] * 2, **columns}), path)
    return path


def read(path: Path, plan: Plan, **options: Any) -> tuple[EncodedLog, ReadSummary]:
    with read_log(path, plan, timeout_seconds=TIMEOUT_SECONDS, now=NOW, **options) as log:
        return log.whole(), log.summary
