"""The rows of a staged log that were refused, and the quarantine that keeps them."""

from pathlib import Path

import duckdb

from features.log_files import LogError
from features.staging import BAD_BUCKET, Staged, read_files


def refused_rows(staged: Staged) -> str:
    """Return the SQL relation of the refused rows: ``reason, row, content, occurred_at_us, received_at_us``."""
    parts = [
        "SELECT NULL::VARCHAR AS reason, NULL::BIGINT AS row, NULL::VARCHAR AS content, "
        "NULL::BIGINT AS occurred_at_us, NULL::BIGINT AS received_at_us LIMIT 0"
    ]
    if BAD_BUCKET in staged.rows:
        parts.append(
            "SELECT reason, position AS row, raw_row AS content, occurred_at_us, received_at_us "
            f"FROM {staged.rows_of(BAD_BUCKET)}"
        )
    if staged.rejected:
        parts.append(f"SELECT reason, row, content, NULL, NULL FROM {read_files(staged.rejected)}")
    return "(" + " UNION ALL ".join(f"({part})" for part in parts) + ")"


def quarantine_refused(
    connection: duckdb.DuckDBPyConnection, staged: Staged, quarantine: Path | None
) -> dict[str, int]:
    """Write the refused rows to the quarantine and return how many there are for each reason, the commonest first.

    Raises :class:`LogError` where no row was good.
    """
    reasons = _count_refused(connection, staged)
    if quarantine is not None and reasons:
        quarantine.parent.mkdir(parents=True, exist_ok=True)
        target = str(quarantine).replace("'", "''")
        connection.execute(
            f"COPY (SELECT reason, row, content FROM {refused_rows(staged)} ORDER BY row) TO '{target}' (FORMAT json)"
        )
    if not staged.buckets:
        told = "; ".join(f"{reason} ({count:,} rows)" for reason, count in reasons.items()) or "it has no rows"
        kept = f"; the rows are in {quarantine}" if quarantine is not None and reasons else ""
        raise LogError(f"the log holds no usable event: {told}{kept}")
    return reasons


def _count_refused(connection: duckdb.DuckDBPyConnection, staged: Staged) -> dict[str, int]:
    """Return how many rows were refused for each reason, the commonest first."""
    rows = connection.execute(f"SELECT reason, count(*) FROM {refused_rows(staged)} GROUP BY 1").fetchall()
    return dict(sorted(rows, key=lambda pair: (-pair[1], pair[0])))
