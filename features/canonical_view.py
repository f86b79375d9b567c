"""The view ``canonical`` of a log: its columns in the canonical ones, and why a row of it is refused."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import duckdb

from features.events import US_PER_SECOND
from features.log_files import LogError
from features.names import EventNames
from features.raw_log import RawLog, fields_read
from features.source import CANONICAL_COLUMNS, Source
from features.sources.times_sql import number_us_sql, text_us_sql
from features.sql_functions import create_functions

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST_AHEAD = timedelta(days=1)
MAX_NAME_LENGTH = 200
MAX_ID_LENGTH = 512
MAX_PROPERTIES_BYTES = 1_000_000


def create_canonical(
    connection: duckdb.DuckDBPyConnection,
    raw: RawLog,
    source: Source,
    carried: Sequence[str] = (),
    names: EventNames | None = None,
    rows_before: int = 0,
) -> None:
    """Create the view ``canonical``: text columns, times in microseconds, properties as JSON text, and row numbers.

    ``carried`` are columns of the log's own that come along as the texts ``carried0``, ``carried1`` and so on. Names
    are kept as ``names`` says, or as they are. Where ``raw`` is a part of a log, ``rows_before`` are the rows of the
    parts before it.
    """
    if source.names_itself or names is not None:
        create_functions(connection, names)
    types = dict(connection.execute("SELECT column_name, column_type FROM (DESCRIBE raw)").fetchall())
    shown = {
        column: expression if _readable(expression, source, raw) else "NULL"
        for column, expression in source.columns.items()
    }
    if names is not None and not source.names_itself:
        shown["name"] = f"kept_name(CAST({shown['name']} AS VARCHAR))"
    numbered_rows = _with_steps(f"(SELECT *, row_number() OVER () + {rows_before} AS position FROM raw)", source)
    described = _with_steps("(SELECT *, 0 AS position FROM raw)", source)
    texts = [
        f"{_text(column, shown.get(column, 'NULL'), types)} AS {column}"
        for column in CANONICAL_COLUMNS
        if column not in ("event_id", "occurred_at", "received_at", "properties")
    ]
    texts += [f"{_text(name, _quoted(name), types)} AS carried{place}" for place, name in enumerate(carried)]
    times = [
        f"{_microseconds(connection, shown.get(column, 'NULL'), column, described)} AS {column}_us"
        for column in ("occurred_at", "received_at")
    ]
    event_id = _text("event_id", shown["event_id"], types) if shown.get("event_id", "NULL") != "NULL" else "NULL"
    numbered = is_numbered(raw, source)
    connection.execute(
        f"CREATE VIEW canonical AS SELECT {', '.join((*texts, *times))}, "
        f"{'printf($$%015d$$, position)' if numbered else event_id} AS event_id, "
        f"{_properties(source, raw, shown, types)} AS properties, position, raw_row, malformed "
        f"FROM {numbered_rows}" + (f" WHERE {source.where}" if source.where else "")
    )


def _with_steps(rows: str, source: Source) -> str:
    """Return the relation of rows with the source's steps, each of which is worked out once for all that reads it."""
    layer: dict[str, str] = {}
    for name, expression in source.steps.items():
        if any(earlier in expression for earlier in layer):
            rows, layer = _add(rows, layer), {}
        layer[name] = expression
    return _add(rows, layer)


def _add(rows: str, layer: Mapping[str, str]) -> str:
    if not layer:
        return rows
    return f"(SELECT *, {', '.join(f'{expression} AS {name}' for name, expression in layer.items())} FROM {rows})"


def is_numbered(raw: RawLog, source: Source) -> bool:
    """Whether events get their row's number for an id, so that none is there twice."""
    expression = source.columns.get("event_id", "NULL")
    return expression == "NULL" or source.rows_in_order or not _readable(expression, source, raw)


def create_checked(connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Create the view ``checked``: ``canonical`` with null for empty texts, and the ``reason`` if a row is refused."""
    names = ("session_id", "user_id", "channel", "device", "source", "campaign")
    empty = ", ".join(f"nullif({name}, '') AS {name}" for name in names)
    connection.execute(
        f"CREATE VIEW checked AS SELECT * REPLACE ({empty}, "
        f"coalesce(nullif(visitor_id, ''), nullif(user_id, '')) AS visitor_id), {refusal_sql(now)} AS reason "
        "FROM canonical"
    )


def refusal_sql(now: datetime) -> str:
    """Return the SQL for why a row of ``canonical`` is refused; NULL for a good one."""
    earliest = int(EARLIEST.timestamp()) * US_PER_SECOND
    latest = int((now + LATEST_AHEAD).timestamp()) * US_PER_SECOND
    ids = ("event_id", "session_id", "visitor_id", "user_id")
    has_nul = " OR ".join(f"contains({column}, chr(0))" for column in (*ids, "name"))
    too_long = " OR ".join(f"length({column}) > {MAX_ID_LENGTH}" for column in ids)
    return f"""CASE
        WHEN malformed IS NOT NULL THEN malformed
        WHEN event_id IS NULL OR event_id = '' THEN 'the event id is missing'
        WHEN name IS NULL OR name = '' THEN 'the event name is missing'
        WHEN occurred_at_us IS NULL THEN 'occurred_at is missing or no time'
        WHEN occurred_at_us < {earliest} THEN 'occurred_at is before 2000'
        WHEN occurred_at_us > {latest} THEN 'occurred_at is more than a day in the future'
        WHEN coalesce(nullif(visitor_id, ''), nullif(user_id, '')) IS NULL THEN 'neither visitor_id nor user_id given'
        WHEN {has_nul} THEN 'a name or an id holds a NUL byte'
        WHEN length(name) > {MAX_NAME_LENGTH} THEN 'the event name is longer than {MAX_NAME_LENGTH} characters'
        WHEN {too_long} THEN 'an id is longer than {MAX_ID_LENGTH} characters'
        WHEN strlen(properties) > {MAX_PROPERTIES_BYTES} THEN 'the properties are larger than 1 MB'
        WHEN properties IS NOT NULL AND NOT json_valid(properties) THEN 'the properties are not JSON'
        WHEN properties IS NOT NULL AND json_type(properties) <> 'OBJECT' THEN 'the properties are no JSON object'
        END"""


def _readable(expression: str, source: Source, raw: RawLog) -> bool:
    # A field whose name occurs in the expression must be among the log's columns.
    return all(name in raw.fields for name in fields_read(source, expression))


def _text(column: str, expression: str, types: dict[str, str]) -> str:
    kind = types.get(_plain(expression), "VARCHAR")
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION")):
        raise LogError(f"the column {column} has the type {kind}; it should be text or a number")
    return f"CAST({expression} AS VARCHAR)"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _plain(expression: str) -> str:
    return expression.strip('"').replace('""', '"')


def _properties(source: Source, raw: RawLog, shown: dict[str, str], types: dict[str, str]) -> str:
    if source.properties:
        pairs = [
            "'" + name.replace("'", "''") + f"', {expression}"
            for name, expression in source.properties.items()
            if _readable(expression, source, raw)
        ]
        return f"CAST(json_object({', '.join(pairs)}) AS VARCHAR)"
    expression = shown.get("properties", "NULL")
    if expression == "NULL":
        return "NULL::VARCHAR"
    kind = types.get(_plain(expression), "VARCHAR")
    if kind in ("VARCHAR", "JSON", '"NULL"'):
        return f"nullif(CAST({expression} AS VARCHAR), '')"
    if kind.startswith(("STRUCT", "MAP")):
        return f"CAST(to_json({expression}) AS VARCHAR)"
    raise LogError(f"the column properties has the type {kind}; it should be JSON text, a struct or a map")


def _microseconds(connection: duckdb.DuckDBPyConnection, expression: str, column: str, rows: str) -> str:
    if expression == "NULL":
        return "NULL::BIGINT"
    kind = str(connection.execute(f"DESCRIBE SELECT {expression} AS moment FROM {rows}").fetchall()[0][1])
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        return f"epoch_us(CAST({expression} AS TIMESTAMPTZ))"
    if kind in ("BIGINT", "INTEGER", "UBIGINT", "UINTEGER", "HUGEINT", "DOUBLE", "FLOAT") or kind.startswith("DECIMAL"):
        return number_us_sql(f"CAST({expression} AS DOUBLE)")
    if kind in ("VARCHAR", "JSON", '"NULL"'):
        return text_us_sql(f"CAST({expression} AS VARCHAR)")
    raise LogError(f"the column {column} has the type {kind}; it should be a timestamp, ISO 8601 text or epoch numbers")
