"""Logs of touches as JSON Lines, for tests of what a touch, a person and a conversion are."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)


def row(visitor: str | None, minutes: float, name: str, channel: str | None = None, **more: Any) -> dict[str, Any]:
    at = (BEGIN + timedelta(minutes=minutes)).isoformat()
    given = {"visitor_id": visitor, "occurred_at": at, "name": name, "channel": channel, **more}
    return {key: value for key, value in given.items() if value is not None}


def write(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path
