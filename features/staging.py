"""Stage a log on disk, slice by slice: checked, typed, encoded, and split into buckets of whole visitors."""

import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb

from features.canonical_view import create_canonical, create_checked
from features.claims import ALIAS, PREVIOUS_ID
from features.encode_sql import code_sql, json_path, key_sql, number_sql
from features.plan import TREATMENT_CODE, Plan
from features.raw_log import REJECTED, RawLog, require_closed_quotes
from features.scan import Value, ValueKind
from features.slices import Slice, open_slice
from features.source import Source
from features.store_path import StorePath, register_store
from features.table import CONTEXT_COLUMNS

BAD_BUCKET = -1
_SHARED = f"code IS NULL OR code = {TREATMENT_CODE}"
_OPEN_FILES = 1_000

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Staging:
    """How a log is staged: all that working on a slice or a bucket needs, wherever that is done.

    Of each property in ``texts`` the text itself is staged too, as ``t0``, ``t1`` and so on. ``elements`` maps event
    names to the property that is staged as ``element``, with the ``shared_name`` of events without a code of their own.
    Event ids are looked at in ``id_parts`` parts for duplicates; 0 where none can be there.
    """

    log: Path
    source: Source
    raw: RawLog
    plan: Plan
    folder: Path
    bucket_count: int
    id_parts: int
    now: datetime
    texts: tuple[str, ...] = ()
    elements: Mapping[str, str] | None = None
    memory_gb: float = 3.0
    threads: int = 2

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a DuckDB connection that keeps to the memory and spills into the folder, or here if that is a store."""
        with ExitStack() as stack:
            spilled = self.folder
            if isinstance(spilled, StorePath):
                # What DuckDB makes by itself, others may look into.
                spilled = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dropoff-")))
            config: dict[str, str | bool | int | float | list[str]] = {
                "threads": self.threads,
                "memory_limit": f"{self.memory_gb}GB",
                "temp_directory": str(spilled / f"spill-{uuid.uuid4().hex}"),
            }
            connection = stack.enter_context(duckdb.connect(config=config))
            register_store(connection, self.folder, self.log)
            connection.execute("SET TimeZone = 'UTC'")
            # DuckDB takes a worker's process for a terminal.
            if connection.execute("SELECT current_setting('enable_progress_bar')").fetchall() == [(True,)]:
                connection.execute("SET enable_progress_bar = false")
            connection.execute(f"SET partitioned_write_max_open_files = {_OPEN_FILES}")
            yield connection


@dataclass(frozen=True, slots=True)
class Staged:
    """The files of staged rows by bucket (``BAD_BUCKET`` for the refused ones), and of hashed event ids by part.

    ``rejected`` are files of the lines of text that were no rows at all.
    """

    rows: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    hashes: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    rejected: tuple[str, ...] = ()

    def rows_of(self, bucket: int | None = None) -> str:
        """Return the SQL relation of the rows of one bucket, or of all good ones; there must be some."""
        return read_files(
            self.rows[bucket]
            if bucket is not None
            else [file for number, files in sorted(self.rows.items()) if number != BAD_BUCKET for file in files]
        )

    @property
    def buckets(self) -> tuple[int, ...]:
        """The buckets of good rows that hold any."""
        return tuple(sorted(number for number in self.rows if number != BAD_BUCKET))


def join_staged(parts: Sequence[Staged]) -> Staged:
    """Return what several slices came to, in their order."""
    return Staged(
        _joined([part.rows for part in parts]),
        _joined([part.hashes for part in parts]),
        tuple(file for part in parts for file in part.rejected),
    )


def read_files(files: Sequence[str]) -> str:
    """Return the SQL relation of Parquet files of one schema."""
    return f"read_parquet([{', '.join(map(quote, files))}], hive_partitioning=false)"


def stage_slice(job: Staging, part: Slice) -> Staged:
    """Write the rows of a slice into buckets, encoded for the plan, each with the reason if it is refused.

    The files of an attempt lie in a folder of their own: what another attempt at the slice left is not read.
    """
    folder = job.folder / f"slice-{part.number}-{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    with job.connect() as connection:
        raw = open_slice(connection, job.log, job.raw, part, job.source)
        create_canonical(connection, raw, job.source, rows_before=part.rows_before)
        create_checked(connection, job.now)
        create_codes(connection, job.plan)
        rows = copy_parts(connection, _encoded_rows(job), folder / "rows", "bucket")
        rejected: tuple[str, ...] = ()
        if raw.is_text:
            require_closed_quotes(connection)
            file = str(folder / "rejected.parquet")
            connection.execute(f"COPY ({REJECTED}) TO {quote(file)} (FORMAT parquet)")
            rejected = (file,)
        hashes: Mapping[int, tuple[str, ...]] = {}
        staged = Staged(rows, hashes, rejected)
        if job.id_parts and staged.buckets:
            hashed = f"SELECT hash(event_id) AS hashed FROM {staged.rows_of()}"
            query = f"SELECT hashed, CAST(hashed % {job.id_parts} AS INTEGER) AS part FROM ({hashed})"
            hashes = copy_parts(connection, query, folder / "hashes", "part")
        return Staged(rows, hashes, rejected)


def create_codes(connection: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """Create the table ``codes``: the declared names of events with their codes."""
    connection.execute("CREATE TABLE codes (code_name VARCHAR, code INTEGER)")
    if plan.codes:
        connection.executemany("INSERT INTO codes VALUES (?, ?)", list(plan.codes.items()))


def create_losers(connection: duckdb.DuckDBPyConnection, good: str, suspects: str) -> int:
    """Create the table ``losers`` of the relation ``good``, given the hashes of ids that may be there twice."""
    connection.execute(
        f"CREATE TABLE losers AS SELECT position FROM (SELECT position, row_number() OVER (PARTITION BY event_id "
        f"ORDER BY received_at_us NULLS LAST, position) AS place FROM {good} "
        f"WHERE hash(event_id) IN ({suspects})) WHERE place > 1"
    )
    [(number,)] = connection.execute("SELECT count(*) FROM losers").fetchall()
    return int(number)


def _encoded_rows(job: Staging) -> str:
    plan, good = job.plan, "reason IS NULL"
    read = "".join(f", {_encoded(column, plan)} AS v{place}" for place, column in enumerate(plan.columns))
    keys = sorted({column.name for column in plan.columns if column.name not in CONTEXT_COLUMNS} | _bound_names(plan))
    paths = ", ".join(json_path(name) for name in keys)
    extracted = f"json_extract_string(properties, [{paths}])" if keys else "NULL"
    read += "".join(f", {_property_text(name)} AS t{place}" for place, name in enumerate(job.texts))
    if job.elements is not None:
        read += f", {_element(job.elements)} AS element, CASE WHEN {_SHARED} THEN name END AS shared_name"
    hashed = f"CAST(hash(visitor_id) % {job.bucket_count} AS INTEGER)"
    return f"""SELECT position, reason, CASE WHEN {good} THEN NULL ELSE left(raw_row, 100000) END AS raw_row,
            event_id, session_id, visitor_id, user_id, channel, device, source, campaign,
            occurred_at_us, received_at_us, {code_sql("name")} AS code,
            CASE WHEN code IS NULL THEN name END AS unknown_name,
            CASE WHEN code = {TREATMENT_CODE} THEN name END AS treatment,
            {_previous_id()} AS previous_id {read}, CASE WHEN {good} THEN {hashed} ELSE {BAD_BUCKET} END AS bucket
        FROM (SELECT *, CASE WHEN {good} THEN {extracted} END AS texts FROM checked)
            LEFT JOIN codes ON name = code_name"""


def copy_parts(
    connection: duckdb.DuckDBPyConnection, query: str, folder: Path, column: str
) -> dict[int, tuple[str, ...]]:
    """Write a query's rows as Parquet files, and return those of each value of a column, which they leave out."""
    # Looking whether the folder is empty, DuckDB fails where a store has no folders.
    done = connection.execute(
        f"COPY ({query}) TO {quote(str(folder))} "
        f"(FORMAT parquet, PARTITION_BY ({column}), COMPRESSION snappy, OVERWRITE_OR_IGNORE true, RETURN_FILES true)"
    ).fetchall()
    found: dict[int, list[str]] = {}
    for file in sorted(done[0][1]):
        found.setdefault(int(Path(file).parent.name.removeprefix(f"{column}=")), []).append(file)
    return {number: tuple(files) for number, files in found.items()}


def _joined(parts: Sequence[Mapping[int, tuple[str, ...]]]) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for part in parts:
        for number, files in part.items():
            found[number] = (*found.get(number, ()), *files)
    return found


def quote(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def _encoded(column: Value, plan: Plan) -> str:
    names = sorted({value.name for value in plan.columns if value.name not in CONTEXT_COLUMNS} | _bound_names(plan))
    text = column.name if column.name in CONTEXT_COLUMNS else f"texts[{names.index(column.name) + 1}]"
    return key_sql(text) if column.kind is ValueKind.KEY else number_sql(text)


def _property_text(name: str) -> str:
    return f"CASE WHEN reason IS NULL THEN nullif(json_extract_string(properties, {json_path(name)}), '') END"


def _previous_id() -> str:
    """Return the SQL for the earlier id that an alias names; NULL for every other event."""
    path = json_path(PREVIOUS_ID)
    is_text = f"reason IS NULL AND name = '{ALIAS}' AND json_type(properties, {path}) = 'VARCHAR'"
    return f"CASE WHEN {is_text} THEN nullif(json_extract_string(properties, {path}), '') END"


def _element(elements: Mapping[str, str]) -> str:
    """Return the SQL for the text of the property that says what an event was about; NULL where nobody says."""
    by_property: dict[str, list[str]] = {}
    for event, name in elements.items():
        by_property.setdefault(name, []).append("'" + event.replace("'", "''") + "'")
    cases = "".join(
        f" WHEN name IN ({', '.join(events)}) THEN {_property_text(name)}" for name, events in by_property.items()
    )
    return f"CASE{cases} END" if cases else "CAST(NULL AS VARCHAR)"


def _bound_names(plan: Plan) -> set[str]:
    return {column.name for column in plan.columns if column.name not in CONTEXT_COLUMNS}
