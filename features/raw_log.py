"""Files to a DuckDB view: Parquet, CSV, JSON Lines or a folder of one of them, with a column per field of a source."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from features.log_files import LogError, find_files, first_line, format_of
from features.source import Source
from features.store_path import register_store
from features.text_file import TextFileError, read_header, require_short_lines

MAX_LINE_BYTES = 16 * 1024 * 1024

# A log is scanned more than once, and where files are united their numbers differ from scan to scan: the path tells.
REJECTED = (
    "SELECT CASE WHEN bool_or(error_type = 'INVALID ENCODING') THEN 'the line is not UTF-8 text' "
    f"WHEN bool_or(error_type = 'LINE SIZE OVER MAXIMUM') THEN 'the line is longer than {MAX_LINE_BYTES >> 20} MB' "
    "ELSE 'the line is no CSV row of the header''s columns' END AS reason, line AS row, first(csv_line) AS content "
    "FROM reject_errors JOIN reject_scans USING (scan_id, file_id) GROUP BY file_path, line"
)
"""The lines of text that DuckDB refused by itself, as (reason, row, content)."""

_OPEN_QUOTES = (
    "SELECT file_path, min(line) FROM reject_errors JOIN reject_scans USING (scan_id, file_id) "
    "WHERE error_type = 'UNQUOTED VALUE' AND contains(csv_line, chr(10)) GROUP BY file_path ORDER BY file_path LIMIT 1"
)


_GLOB = re.compile(r"([*?\[])")
# With DuckDB's own 16 longest lines a buffer, memory grows and threads have less to share.
_ROOM = f"max_line_size={MAX_LINE_BYTES}, buffer_size={2 * MAX_LINE_BYTES}"


@dataclass(frozen=True, slots=True)
class RawLog:
    """A view named ``raw`` with the source's fields, ``raw_row`` (the row as text) and ``malformed`` (a reason)."""

    files: tuple[Path, ...]
    format: str
    fields: tuple[str, ...]
    types: tuple[str, ...] = ()
    """The type of each field in Parquet, as DuckDB unites those of several files."""

    @property
    def is_text(self) -> bool:
        """Whether :data:`REJECTED` can be asked for."""
        return self.format != "parquet"


def open_raw(connection: duckdb.DuckDBPyConnection, path: Path, source: Source) -> RawLog:
    """Create the view ``raw`` over the files at ``path``; raises :class:`LogError`."""
    register_store(connection, path)
    files = find_files(path, source.endings)
    kinds = [format_of(file, source.endings) for file in files]
    kind = kinds[0]
    if any(one != kind for one in kinds):
        raise LogError(f"{path} mixes formats ({', '.join(sorted(set(kinds)))}); keep one format in a folder")
    if all(file.stat().st_size == 0 for file in files):
        raise LogError(f"{path} is empty; write at least one event into it")
    files = tuple(file for file in files if file.stat().st_size > 0)
    for file in files if kind != "parquet" else ():
        try:
            require_short_lines(file, MAX_LINE_BYTES)
        except TextFileError as error:
            raise LogError(f"{file} cannot be read as {_spoken(kind)}: {error}") from error
    try:
        found = _create(connection, files, kind, source)
    except duckdb.Error as error:
        raise LogError(f"{path} cannot be read as {_spoken(kind)}: {first_line(error)}") from error
    _require(path, source, found, kind)
    types: tuple[str, ...] = ()
    if kind == "parquet" and not source.nested:
        types = tuple(str(row[1]) for row in connection.execute("DESCRIBE raw").fetchall())[: len(found)]
    return RawLog(files, kind, found, types)


def open_files(connection: duckdb.DuckDBPyConnection, files: Sequence[Path], whole: RawLog) -> RawLog:
    """Create the view ``raw`` over some of the files of a Parquet log, with the columns and types of the whole one."""
    register_store(connection, *files)
    reader = f"read_parquet({_listed(files)}, union_by_name=true)"
    # DuckDB unites columns whose names differ only in their case, and calls them as the first file does.
    there = {str(row[0]).lower() for row in connection.execute(f"DESCRIBE SELECT * FROM {reader}").fetchall()}
    columns = ", ".join(
        f"CAST({_name(field) if field.lower() in there else 'NULL'} AS {kind}) AS {_name(field)}"
        for field, kind in zip(whole.fields, whole.types, strict=True)
    )
    connection.execute(
        f"CREATE VIEW raw AS SELECT *, CAST(to_json(whole) AS VARCHAR) AS raw_row, NULL::VARCHAR AS malformed "
        f"FROM (SELECT {columns} FROM {reader}) AS whole"
    )
    return RawLog(tuple(files), whole.format, whole.fields, whole.types)


def require_closed_quotes(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise :class:`LogError` if a CSV row that was read swallowed others because its quotation mark stays open."""
    for path, line in connection.execute(_OPEN_QUOTES).fetchall():
        raise LogError(
            f"{path}, line {line}: a quotation mark is opened and not closed, so that the lines after it belong to "
            "this one; close it, or double it if it is meant as it stands"
        )


def fields_read(source: Source, expression: str) -> tuple[str, ...]:
    """Return the fields whose names occur in one of the source's expressions."""
    words = set("".join(letter if letter.isalnum() or letter == "_" else " " for letter in expression).split())
    return tuple(name for name in source.fields if name in words or _name(name) in expression)


def _create(connection: duckdb.DuckDBPyConnection, files: Sequence[Path], kind: str, source: Source) -> tuple[str, ...]:
    if kind == "json":
        return _create_json(connection, _lines(files), source)
    reader = f"read_parquet({_listed(files)}, union_by_name=true)"
    if kind == "parquet" and source.nested:
        rows = f"(SELECT CAST(to_json(whole) AS VARCHAR) AS line FROM {reader} AS whole)"
        return _create_json(connection, rows, source)
    if kind == "tsv":
        reader = _tsv_reader(files, source)
    elif kind == "csv":
        # One reader a file: DuckDB stores no rejected rows where it unites files by column names.
        each = [one for file in files if (one := _csv_reader(file))]
        if not each:
            return ()
        reader = f"({' UNION ALL BY NAME '.join(each)})"
    found = tuple(str(row[0]) for row in connection.execute(f"DESCRIBE SELECT * FROM {reader}").fetchall())
    absent = (
        [name for name in source.fields if name not in found and name not in source.required] if source.nested else []
    )
    nulls = "".join(f"NULL::VARCHAR AS {_name(name)}, " for name in absent)
    connection.execute(
        f"CREATE VIEW raw AS SELECT *, {nulls}CAST(to_json(whole) AS VARCHAR) AS raw_row, NULL::VARCHAR AS malformed "
        f"FROM {reader} AS whole"
    )
    return (*found, *absent)


def _tsv_reader(files: Sequence[Path], source: Source) -> str:
    columns = ", ".join(f"{_text(name)}: 'VARCHAR'" for name in source.header)
    return (
        f"read_csv({_listed(files)}, columns={{{columns}}}, header=false, delim='\t', quote='', escape='', "
        f"auto_detect=false, {_ROOM}, store_rejects=true)"
    )


def _csv_reader(file: Path) -> str:
    """Return the SQL that reads a file; empty for one without a header. Its rows have no say in how they are read."""
    try:
        header = read_header(file)
    except TextFileError as error:
        raise LogError(f"{file} cannot be read as CSV: {error}") from error
    columns = ", ".join(f"{_text(name)}: 'VARCHAR'" for name in header.names)
    return columns and (
        f"SELECT * FROM read_csv({_listed([file])}, columns={{{columns}}}, header=true, delim='{header.delimiter}', "
        f"quote='\"', escape='\"', skip={header.skipped}, auto_detect=false, {_ROOM}, store_rejects=true)"
    )


def _lines(files: Sequence[Path]) -> str:
    return (
        f"read_csv({_listed(files)}, columns={{'line': 'VARCHAR'}}, delim=chr(1), quote='', escape='', header=false, "
        f"auto_detect=false, {_ROOM}, strict_mode=false, store_rejects=true)"
    )


def _create_json(connection: duckdb.DuckDBPyConnection, lines: str, source: Source) -> tuple[str, ...]:
    paths = ", ".join(_text(path) for path in source.fields.values())
    fields = ", ".join(f"texts[{place}] AS {_name(field)}" for place, field in enumerate(source.fields, start=1))
    ids = {
        field
        for column, expression in source.columns.items()
        if column not in ("occurred_at", "received_at", "properties")
        for field in fields_read(source, expression)
    }
    nested = ", ".join(_text(source.fields[field]) for field in sorted(ids))
    connection.execute(
        f"CREATE VIEW raw AS SELECT {fields}, line AS raw_row, CASE WHEN line IS NULL THEN 'the line is empty' "
        "WHEN good IS NULL THEN 'the line is not JSON' "
        "WHEN json_type(good) <> 'OBJECT' THEN 'the line is no JSON object' "
        f"WHEN list_has_any(json_type(good, [{nested}]), ['OBJECT', 'ARRAY']) "
        "THEN 'a name or an id is a list or an object' END AS malformed "
        f"FROM (SELECT *, json_extract_string(good, [{paths}]) AS texts "
        f"FROM (SELECT CASE WHEN json_valid(line) THEN line END AS good, line FROM {lines}))"
    )
    return _occurring(connection, source)


def _occurring(connection: duckdb.DuckDBPyConnection, source: Source) -> tuple[str, ...]:
    """Return the fields without those that a log needs and that no line has."""
    id_fields = fields_read(source, source.columns.get("event_id", ""))
    # An id that is put together of several fields copes with those that are missing.
    absent = tuple(dict.fromkeys((*source.required, *(id_fields if len(id_fields) == 1 else ()))))
    # Nearly every log shows in its first lines what it has.
    for part in ("(FROM raw LIMIT 1000)", "raw"):
        seen = ", ".join(f"coalesce(bool_or({_name(field)} IS NOT NULL), false)" for field in absent)
        query = f"SELECT {seen or 'true'}, coalesce(bool_or(malformed IS NULL), false) FROM {part}"
        [(*found, any_good)] = connection.execute(query).fetchall()
        absent = tuple(field for field, is_there in zip(absent, found, strict=False) if not is_there)
        if not absent:
            break
    # Of a log without a single good line, each line's reason says more than any field.
    return tuple(field for field in source.fields if field not in absent or not any_good)


def _require(path: Path, source: Source, found: Sequence[str], kind: str) -> None:
    missing = [field for field in source.required if field not in found]
    if not missing:
        return
    noun = ("field" if kind == "json" else "column") + ("s" if len(missing) > 1 else "")
    if kind == "json":
        has = "no line has it" if len(missing) == 1 else "no line has them"
    else:
        close = {field: difflib.get_close_matches(field, found, n=1, cutoff=0.5) for field in missing}
        likely = [f"; for {field!r} perhaps {meant[0]!r}" for field, meant in close.items() if meant]
        has = f"it has {', '.join(found) or 'none'}{''.join(likely)}"
    raise LogError(
        f"{path} lacks the {noun} {', '.join(missing)} ({has}); map other names with "
        "`dropoff import MAPPING.toml PATH --out PATH`"
    )


def _spoken(kind: str) -> str:
    return {"parquet": "Parquet", "csv": "CSV", "tsv": "tab-separated text", "json": "JSON Lines"}[kind]


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _listed(files: Sequence[Path]) -> str:
    names = [_text(_GLOB.sub(r"[\1]", str(file))) for file in files]
    return f"[{', '.join(names)}]"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
