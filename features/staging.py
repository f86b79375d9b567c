"""Stage a log on disk: checked, typed, encoded, split into buckets of whole visitors, and freed of duplicates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from features.canonical_view import create_checked
from features.claims import ALIAS, PREVIOUS_ID
from features.encode_sql import code_sql, json_path, key_sql, number_sql
from features.plan import TREATMENT_CODE, Plan
from features.scan import Value, ValueKind
from features.table import CONTEXT_COLUMNS

BAD_BUCKET = -1
_SHARED = f"code IS NULL OR code = {TREATMENT_CODE}"

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Staged:
    """Where the staged rows lie: one folder a bucket, ``BAD_BUCKET`` for the refused ones."""

    folder: Path
    bucket_count: int
    row_count: int


def stage(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    folder: Path,
    batch_events: int,
    now: datetime,
    kept_texts: tuple[str, ...] = (),
    elements: Mapping[str, str] | None = None,
) -> Staged:
    """Write the rows of ``canonical`` into buckets, encoded for the plan, each with the reason if it is refused.

    Of each property in ``kept_texts`` the text itself is written too, as ``t0``, ``t1`` and so on. ``elements`` maps
    event names to the property that is written as ``element``, with the ``shared_name`` of events without a code of
    their own. The view ``checked`` stays: the rows of ``canonical`` with the same reasons.
    """
    create_checked(connection, now)
    connection.execute("CREATE TABLE codes (code_name VARCHAR, code INTEGER)")
    if plan.codes:
        connection.executemany("INSERT INTO codes VALUES (?, ?)", list(plan.codes.items()))
    row_count = _one(connection, "SELECT count(*) FROM raw")
    bucket_count = max(1, -(-row_count // batch_events))
    read = "".join(f", {_encoded(column, plan)} AS v{place}" for place, column in enumerate(plan.columns))
    keys = sorted({column.name for column in plan.columns if column.name not in CONTEXT_COLUMNS} | _bound_names(plan))
    paths = ", ".join(json_path(name) for name in keys)
    extracted = f"json_extract_string(properties, [{paths}])" if keys else "NULL"
    read += "".join(f", {_property_text(name)} AS t{place}" for place, name in enumerate(kept_texts))
    if elements is not None:
        read += f", {_element(elements)} AS element, CASE WHEN {_SHARED} THEN name END AS shared_name"
    good = "reason IS NULL"
    connection.execute(
        f"""COPY (
            SELECT position, reason, CASE WHEN {good} THEN NULL ELSE left(raw_row, 100000) END AS raw_row,
                event_id, session_id, visitor_id, user_id, channel, device, source, campaign,
                occurred_at_us, received_at_us, {code_sql("name")} AS code,
                CASE WHEN code IS NULL THEN name END AS unknown_name,
                CASE WHEN code = {TREATMENT_CODE} THEN name END AS treatment,
                {_previous_id()} AS previous_id {read},
                CASE WHEN {good} THEN CAST(hash(visitor_id) % {bucket_count} AS INTEGER) ELSE {BAD_BUCKET} END AS bucket
            FROM (
                SELECT *, CASE WHEN {good} THEN {extracted} END AS texts
                FROM checked
            ) LEFT JOIN codes ON name = code_name
        ) TO '{folder}' (FORMAT parquet, PARTITION_BY (bucket), COMPRESSION snappy, OVERWRITE_OR_IGNORE)"""
    )
    return Staged(folder, bucket_count, row_count)


def rows_of(staged: Staged, bucket: int | None = None) -> str:
    """Return the SQL relation of one bucket, or of all good ones; empty where nothing was staged."""
    pattern = f"{staged.folder}/bucket={'[0-9]*' if bucket is None else bucket}/*.parquet"
    return f"read_parquet('{pattern}', hive_partitioning=true)"


def has_rows(staged: Staged, bucket: int | None = None) -> bool:
    """Whether anything was staged there."""
    return any(staged.folder.glob(f"bucket={'[0-9]*' if bucket is None else bucket}/*.parquet"))


def find_duplicates(connection: duckdb.DuckDBPyConnection, staged: Staged) -> int:
    """Create the table ``losers`` (positions of rows whose event id came earlier) and return how many there are."""
    good = rows_of(staged)
    suspects = f"SELECT hash(event_id) AS hashed FROM {good} GROUP BY hashed HAVING count(*) > 1"
    return create_losers(connection, good, suspects)


def create_losers(connection: duckdb.DuckDBPyConnection, good: str, suspects: str) -> int:
    """Create the table ``losers`` of the relation ``good``, given the hashes of ids that may be there twice."""
    connection.execute(
        f"CREATE TABLE losers AS SELECT position FROM (SELECT position, row_number() OVER (PARTITION BY event_id "
        f"ORDER BY received_at_us NULLS LAST, position) AS place FROM {good} "
        f"WHERE hash(event_id) IN ({suspects})) WHERE place > 1"
    )
    return _one(connection, "SELECT count(*) FROM losers")


def find_moved(connection: duckdb.DuckDBPyConnection, staged: Staged) -> None:
    """Create the table ``homes``: sessions that name several visitors, with the visitor of their first event."""
    good = rows_of(staged)
    connection.execute(
        f"CREATE TABLE homes AS SELECT session_id, arg_min(visitor_id, (occurred_at_us, event_id)) AS home "
        f"FROM {good} WHERE session_id IS NOT NULL AND position NOT IN (SELECT position FROM losers) "
        "GROUP BY session_id HAVING min(visitor_id) <> max(visitor_id)"
    )


def move_displaced(connection: duckdb.DuckDBPyConnection, staged: Staged, person_of: Mapping[str, str]) -> None:
    """Write rows that do not lie in the bucket of their session's visitor, or of its person, once more where they do.

    ``person_of`` are the visitors that belong together, each with the one by whose id their bucket is found.
    """
    connection.execute("CREATE TABLE persons (visitor_id VARCHAR, person VARCHAR)")
    names = pa.table({"visitor_id": list(person_of), "person": list(person_of.values())})
    if names.num_rows:
        connection.register("named_persons", names)
        connection.execute("INSERT INTO persons SELECT * FROM named_persons")
        connection.unregister("named_persons")
    if staged.bucket_count == 1 or not has_rows(staged):
        return
    home = "coalesce(home, row.visitor_id)"
    target = f"CAST(hash(coalesce(person, {home})) % {staged.bucket_count} AS INTEGER)"
    connection.execute(
        f"""COPY (
            SELECT row.*, {target} AS target FROM {rows_of(staged)} AS row LEFT JOIN homes USING (session_id)
            LEFT JOIN persons ON persons.visitor_id = {home} WHERE {target} <> bucket
        ) TO '{staged.folder}/displaced' (FORMAT parquet, PARTITION_BY (target), COMPRESSION snappy)"""
    )


def rows_for(staged: Staged, bucket: int) -> str:
    """Return the SQL relation of the rows of a bucket's visitors and persons, wherever they were staged.

    Needs :func:`move_displaced`; the visitor of a row is that of its session.
    """
    home = "coalesce(home, row.visitor_id)"
    parts = [rows_of(staged, bucket)] if has_rows(staged, bucket) else []
    if _has_displaced(staged, bucket):
        moved = f"{staged.folder}/displaced/target={bucket}/*.parquet"
        parts.append(f"(SELECT * EXCLUDE (target) FROM read_parquet('{moved}', hive_partitioning=true))")
    both = " UNION ALL BY NAME ".join(f"FROM {part}" for part in parts)
    return (
        f"(SELECT row.* REPLACE ({home} AS visitor_id), coalesce(person, {home}) AS person FROM ({both}) AS row "
        f"LEFT JOIN homes USING (session_id) LEFT JOIN persons ON persons.visitor_id = {home} "
        f"WHERE hash(coalesce(person, {home})) % {staged.bucket_count} = {bucket})"
    )


def has_rows_for(staged: Staged, bucket: int) -> bool:
    """Whether a bucket's visitors and persons have any rows."""
    return has_rows(staged, bucket) or _has_displaced(staged, bucket)


def _has_displaced(staged: Staged, bucket: int) -> bool:
    return any(staged.folder.glob(f"displaced/target={bucket}/*.parquet"))


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


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    # DuckDB lets nothing else run on a connection while a result is not read to its end.
    [(number,)] = connection.execute(query).fetchall()
    return int(number)
