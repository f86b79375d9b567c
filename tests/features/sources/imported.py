"""What an import makes of a few rows: the canonical events, in their order."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from features.import_log import import_log
from features.keeping import Keeping
from features.names import EventNames
from features.sources.shipped import named

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def imported(source: str, path: Path, names: EventNames | None = None) -> list[dict[str, Any]]:
    """The events of a file, with times in microseconds and properties as an object."""
    out = path.parent / "canonical.parquet"
    keeping = None if names is None else Keeping(names)
    import_log(named(source), path, out, keeping=keeping, quarantine=path.parent / "refused.jsonl", now=NOW)
    return [
        {
            **{name: value for name, value in row.items() if value is not None},
            **{name: microseconds(row[name]) for name in ("occurred_at", "received_at") if row[name] is not None},
            "properties": json.loads(row["properties"] or "{}"),
        }
        for row in pq.read_table(out).to_pylist()
    ]


def refused(path: Path) -> list[str]:
    """The reasons of the rows of a file that were refused, in the order of its rows."""
    kept = path.parent / "refused.jsonl"
    return [json.loads(line)["reason"] for line in kept.read_text().splitlines()] if kept.exists() else []


def microseconds(moment: datetime) -> int:
    """A moment in microseconds since 1970."""
    whole = moment.astimezone(UTC)
    return int(whole.timestamp()) * 1_000_000 + whole.microsecond
