"""The rows of a log that can be used: refused ones counted and kept aside, duplicates of an event id left out."""

from collections import Counter
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features.canonical_view import is_numbered
from features.log_files import LogError
from features.raw_log import REJECTED, RawLog, require_closed_quotes
from features.read_log import ReadSummary
from features.source import Source
from features.staging import Progress, create_losers
from insights.funnel.sql import quoted

_BATCH_ROWS = 500_000


def create_good(
    connection: duckdb.DuckDBPyConnection, raw: RawLog, source: Source, quarantine: Path | None, progress: Progress
) -> ReadSummary:
    """Create the view ``good`` over ``checked`` and return what became of the rows; raises :class:`LogError`.

    Of one event id the row received first is used, of those received at once the first in the log.
    """
    reasons, ids, span_us = _check(connection, has_ids=not is_numbered(raw, source), progress=progress)
    if raw.is_text:
        require_closed_quotes(connection)
        counted = connection.execute(f"SELECT reason, count(*) FROM ({REJECTED}) GROUP BY reason").fetchall()
        reasons.update(dict(counted))
    quarantined = sum(reasons.values())
    if quarantine is not None and quarantined:
        _keep_refused(connection, quarantine, is_text=raw.is_text)
    if span_us is None:
        told = "; ".join(f"{reason} ({count:,} rows)" for reason, count in reasons.most_common()) or "it has no rows"
        kept = f"; the rows are in {quarantine}" if quarantine is not None and reasons else ""
        raise LogError(f"the log holds no usable event: {told}{kept}")
    good = "SELECT * FROM checked WHERE reason IS NULL"
    twice = _repeated(ids)
    usable, losers = len(ids), 0
    del ids
    if len(twice):
        connection.register("twice", pa.table({"hashed": twice}))
        progress("looking for duplicates", 0.0)
        losers = create_losers(connection, f"({good})", "SELECT hashed FROM twice")
        connection.unregister("twice")
    if losers:
        good += " AND position NOT IN (SELECT position FROM losers)"
    else:
        # Positions are not asked for any more, so that rows may come in any order.
        connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"CREATE VIEW good AS {good}")
    [(visitors,)] = connection.execute("SELECT count(DISTINCT hash(visitor_id)) FROM good").fetchall()
    return ReadSummary(
        read=usable + quarantined,
        used=usable - losers,
        deduplicated=losers,
        quarantined=quarantined,
        reasons=dict(reasons.most_common()),
        unknown_events={},
        visitors=visitors,
        first_at_us=span_us[0],
        last_at_us=span_us[1],
    )


def _check(
    connection: duckdb.DuckDBPyConnection, *, has_ids: bool, progress: Progress
) -> tuple[Counter[str], NDArray[np.uint64], tuple[int, int] | None]:
    """Return why how many rows are refused, and of the others the hashes of their ids and the first and last moment."""
    reasons: Counter[str] = Counter()
    parts, moments, rows = [], [], 0
    id_hash = "hash(event_id)" if has_ids else "0::UBIGINT"
    query = f"SELECT {id_hash} AS id, occurred_at_us AS at_us, reason FROM checked"
    for batch in connection.sql(query).to_arrow_reader(_BATCH_ROWS):
        rows += batch.num_rows
        ids, at_us, refused = batch["id"].to_numpy(), batch["at_us"], batch["reason"]
        if refused.null_count < len(refused):
            is_good = np.asarray(refused.is_null())
            reasons.update(refused.drop_null().to_pylist())
            ids, at_us = ids[is_good], at_us.filter(refused.is_null())
        if len(at_us):
            parts.append(ids)
            moments.append((int(at_us.to_numpy().min()), int(at_us.to_numpy().max())))
        progress("checking", 0.0)
    ids = np.concatenate(parts) if parts else np.array([], np.uint64)
    if not has_ids:
        # Rows that are numbered are all different.
        ids = np.arange(len(ids), dtype=np.uint64)
    span = (min(first for first, _ in moments), max(last for _, last in moments)) if moments else None
    return reasons, ids, span


def _repeated(ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
    ids.sort()
    return np.unique(ids[1:][ids[1:] == ids[:-1]])


def _keep_refused(connection: duckdb.DuckDBPyConnection, quarantine: Path, *, is_text: bool) -> None:
    quarantine.parent.mkdir(parents=True, exist_ok=True)
    refused = (
        "SELECT reason, position AS row, left(raw_row, 100000) AS content FROM checked WHERE reason IS NOT NULL"
        + (f" UNION ALL {REJECTED}" if is_text else "")
    )
    connection.execute(f"COPY ({refused} ORDER BY row) TO {quoted(str(quarantine))} (FORMAT json)")
