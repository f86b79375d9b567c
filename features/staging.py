"""Stage a log on disk: checked, typed, encoded, split into buckets of whole visitors, and freed of duplicates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from features.encode import NO_NUMBERS, NUMERIC_TEXT
from features.events import US_PER_SECOND
from features.plan import TREATMENT_CODE, UNKNOWN_CODE, Plan
from features.raw_log import LogError, RawLog, fields_read
from features.scan import Value, ValueKind
from features.source import CANONICAL_COLUMNS, Source
from features.table import CONTEXT_COLUMNS, TREATMENT_PREFIX

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST_AHEAD = timedelta(days=1)
MAX_NAME_LENGTH = 200
MAX_ID_LENGTH = 512
MAX_PROPERTIES_BYTES = 1_000_000
BAD_BUCKET = -1
_SHARED = f"code IS NULL OR code = {TREATMENT_CODE}"

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Staged:
    """Where the staged rows lie: one folder a bucket, ``BAD_BUCKET`` for the refused ones."""

    folder: Path
    bucket_count: int
    row_count: int


def create_canonical(
    connection: duckdb.DuckDBPyConnection, raw: RawLog, source: Source, carried: Sequence[str] = ()
) -> None:
    """Create the view ``canonical``: text columns, times in microseconds, properties as JSON text, and row numbers.

    ``carried`` are columns of the log's own that come along as the texts ``carried0``, ``carried1`` and so on.
    """
    types = dict(connection.execute("SELECT column_name, column_type FROM (DESCRIBE raw)").fetchall())
    shown = {
        column: expression if _readable(expression, source, raw) else "NULL"
        for column, expression in source.columns.items()
    }
    texts = [
        f"{_text(column, shown.get(column, 'NULL'), types)} AS {column}"
        for column in CANONICAL_COLUMNS
        if column not in ("event_id", "occurred_at", "received_at", "properties")
    ]
    texts += [f"{_text(name, _quoted(name), types)} AS carried{place}" for place, name in enumerate(carried)]
    times = [
        f"{_microseconds(connection, shown.get(column, 'NULL'), column)} AS {column}_us"
        for column in ("occurred_at", "received_at")
    ]
    event_id = _text("event_id", shown["event_id"], types) if shown.get("event_id", "NULL") != "NULL" else "NULL"
    numbered = is_numbered(raw, source)
    connection.execute(
        f"CREATE VIEW canonical AS SELECT {', '.join((*texts, *times))}, "
        f"{'printf($$%015d$$, position)' if numbered else event_id} AS event_id, "
        f"{_properties(source, raw, shown, types)} AS properties, position, raw_row, malformed "
        "FROM (SELECT *, row_number() OVER () AS position FROM raw)"
        + (f" WHERE {source.where}" if source.where else "")
    )


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
                CASE WHEN code = {TREATMENT_CODE} THEN name END AS treatment {read},
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


def code_sql(name: str) -> str:
    """Return the SQL twin of ``Plan.code_of`` over a name joined to the table ``codes``."""
    undeclared = f"CASE WHEN starts_with({name}, '{TREATMENT_PREFIX}') THEN {TREATMENT_CODE} ELSE {UNKNOWN_CODE} END"
    return f"coalesce(code, {undeclared})"


def _encoded(column: Value, plan: Plan) -> str:
    names = sorted({value.name for value in plan.columns if value.name not in CONTEXT_COLUMNS} | _bound_names(plan))
    text = column.name if column.name in CONTEXT_COLUMNS else f"texts[{names.index(column.name) + 1}]"
    return key_sql(text) if column.kind is ValueKind.KEY else number_sql(text)


def number_sql(text: str) -> str:
    """Return the SQL twin of ``features.encode.number`` over a text expression."""
    parsed = f"TRY_CAST({text} AS DOUBLE)"
    return (
        f"CASE WHEN {text} = 'true' THEN 1.0 WHEN {text} = 'false' THEN 0.0 "
        f"WHEN {parsed} IS NOT NULL AND isfinite({parsed}) AND regexp_full_match({text}, '{NUMERIC_TEXT}') "
        f"THEN {parsed} + 0.0 END"
    )


def key_sql(text: str) -> str:
    """Return the SQL twin of ``features.encode.key`` over a text expression."""
    hashed = f"-(1.0::DOUBLE + (md5_number_upper({text}) >> 12)::DOUBLE)"
    return (
        f"coalesce({number_sql(text)}, CASE WHEN {text} <> '' AND left({text}, 1) NOT IN ('{{', '[') "
        f"AND {text} NOT IN {NO_NUMBERS} AND NOT regexp_full_match({text}, '{NUMERIC_TEXT}') THEN {hashed} END)"
    )


def json_path(name: str) -> str:
    """Return a property's JSON path as an SQL literal."""
    return "'$.\"" + name.replace("'", "''") + "\"'"


def _property_text(name: str) -> str:
    return f"CASE WHEN reason IS NULL THEN nullif(json_extract_string(properties, {json_path(name)}), '') END"


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


def _microseconds(connection: duckdb.DuckDBPyConnection, expression: str, column: str) -> str:
    if expression == "NULL":
        return "NULL::BIGINT"
    kind = str(connection.execute(f"DESCRIBE SELECT {expression} AS moment FROM raw").fetchall()[0][1])
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        return f"epoch_us(CAST({expression} AS TIMESTAMPTZ))"
    if kind in ("BIGINT", "INTEGER", "UBIGINT", "UINTEGER", "HUGEINT", "DOUBLE", "FLOAT") or kind.startswith("DECIMAL"):
        return _epoch(f"CAST({expression} AS DOUBLE)")
    if kind in ("VARCHAR", "JSON", '"NULL"'):
        text = f"CAST({expression} AS VARCHAR)"
        return (
            f"CASE WHEN regexp_full_match({text}, '-?[0-9]+(\\.[0-9]+)?') THEN {_epoch(f'TRY_CAST({text} AS DOUBLE)')} "
            f"ELSE epoch_us(TRY_CAST({text} AS TIMESTAMPTZ)) END"
        )
    raise LogError(f"the column {column} has the type {kind}; it should be a timestamp, ISO 8601 text or epoch numbers")


def _epoch(number: str) -> str:
    # By magnitude: seconds until the year 5138, then milliseconds, then microseconds.
    return (
        f"CASE WHEN abs({number}) < 1e11 THEN TRY_CAST(round({number} * 1e6) AS BIGINT) "
        f"WHEN abs({number}) < 1e14 THEN TRY_CAST(round({number} * 1e3) AS BIGINT) "
        f"WHEN abs({number}) < 1e17 THEN TRY_CAST({number} AS BIGINT) END"
    )


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    # DuckDB lets nothing else run on a connection while a result is not read to its end.
    [(number,)] = connection.execute(query).fetchall()
    return int(number)
