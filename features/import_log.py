"""Write a log of another schema in the canonical columns."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from features.canonical_view import create_canonical, create_checked
from features.finished import finished
from features.keeping import Keeping, create_kept, kept_content_sql
from features.log_files import LogError, first_line
from features.raw_log import REJECTED, open_raw, require_closed_quotes
from features.read_log import ReadSummary
from features.source import CANONICAL_COLUMNS, Source
from features.staging import Progress


def import_log(
    source: Source,
    path: Path,
    out: Path,
    *,
    keeping: Keeping | None = None,
    quarantine: Path | None = None,
    memory_gb: float = 3.0,
    threads: int = 2,
    progress: Progress = lambda _phase, _fraction: None,
    now: datetime | None = None,
) -> ReadSummary:
    """Write the events as Parquet, in their order, and refused rows with their reasons to ``quarantine``.

    Duplicates are kept: they are told apart when the log is read. ``keeping`` has the rules of a journey's
    service, without which names, ids and properties stay as they are. ``out`` appears only when it is complete.
    Raises :class:`LogError`.
    """
    try:
        with (
            tempfile.TemporaryDirectory(prefix="dropoff-") as folder,
            finished(out) as unfinished,
            duckdb.connect(
                config={"threads": threads, "memory_limit": f"{memory_gb}GB", "temp_directory": folder}
            ) as connection,
        ):
            connection.execute("SET TimeZone = 'UTC'")
            progress("opening", 0.0)
            raw = open_raw(connection, path, source)
            create_canonical(connection, raw, source, names=None if keeping is None else keeping.names)
            progress("checking", 0.0)
            create_checked(connection, now or datetime.now(UTC))
            create_kept(connection, keeping)
            _stage(connection, Path(folder) / "kept.parquet")
            _refuse(connection, keeping, is_text=raw.is_text)
            progress("writing", 0.0)
            _write(connection, unfinished)
            if quarantine is not None:
                keep_refused(connection, quarantine)
            summary = _summarise(connection, unfinished, path, quarantine)
    except duckdb.Error as error:
        raise LogError(f"{path} cannot be imported: {first_line(error)}") from error
    return summary


def _stage(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Create the view ``staged``: the rows of ``kept`` in a file, as reading and checking them is what takes long."""
    times = {name: f"make_timestamptz({name}_us) AS {name}" for name in ("occurred_at", "received_at")}
    columns = ", ".join(times.get(name, name) for name in CANONICAL_COLUMNS)
    connection.execute(
        f"COPY (SELECT {columns}, reason, position AS row, content FROM kept) TO {_text(file)} (FORMAT parquet)"
    )
    connection.execute(f"CREATE VIEW staged AS SELECT * FROM read_parquet({_text(file)})")


def _refuse(connection: duckdb.DuckDBPyConnection, keeping: Keeping | None, *, is_text: bool) -> None:
    """Create the table ``refused`` of the rows that are refused, with those that are no rows at all."""
    connection.execute("CREATE TABLE refused AS SELECT reason, row, content FROM staged WHERE reason IS NOT NULL")
    if is_text:
        require_closed_quotes(connection)
        content = kept_content_sql(keeping, "content")
        connection.execute(f"INSERT INTO refused SELECT reason, row, {content} FROM ({REJECTED})")


def _write(connection: duckdb.DuckDBPyConnection, unfinished: Path) -> None:
    columns = ", ".join(CANONICAL_COLUMNS)
    connection.execute(
        f"COPY (SELECT {columns} FROM staged WHERE reason IS NULL) TO {_text(unfinished)} (FORMAT parquet)"
    )


def keep_refused(connection: duckdb.DuckDBPyConnection, quarantine: Path) -> None:
    """Write the refused rows, each with its reason, as JSON Lines; nothing where there are none."""
    if connection.execute("SELECT count(*) FROM refused").fetchall()[0][0]:
        quarantine.parent.mkdir(parents=True, exist_ok=True)
        connection.execute(f"COPY (FROM refused ORDER BY row) TO {_text(quarantine)} (FORMAT json)")


def _summarise(
    connection: duckdb.DuckDBPyConnection, written: Path, path: Path, quarantine: Path | None
) -> ReadSummary:
    reasons = dict(
        connection.execute("SELECT reason, count(*) AS n FROM refused GROUP BY reason ORDER BY n DESC").fetchall()
    )
    used, visitors, first_at_us, last_at_us = connection.execute(
        "SELECT count(*), count(DISTINCT visitor_id), epoch_us(min(occurred_at)), epoch_us(max(occurred_at)) "
        f"FROM read_parquet({_text(written)})"
    ).fetchall()[0]
    quarantined = sum(reasons.values())
    if not used:
        told = "; ".join(f"{reason} ({count:,} rows)" for reason, count in reasons.items()) or "it has no rows"
        kept = f"; the rows are in {quarantine}" if quarantine is not None and reasons else ""
        raise LogError(f"{path} holds no usable event: {told}{kept}")
    return ReadSummary(
        read=used + quarantined,
        used=used,
        deduplicated=0,
        quarantined=quarantined,
        reasons=reasons,
        unknown_events={},
        visitors=visitors,
        first_at_us=first_at_us,
        last_at_us=last_at_us,
    )


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
