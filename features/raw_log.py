"""Files to a DuckDB view: Parquet, CSV, JSON Lines or a folder of one of them, with a column per field of a source."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from features.source import Source
from features.table import nearest

FORMATS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".jsonl.gz": "json",
    ".ndjson.gz": "json",
    ".json.gz": "json",
}
MAX_LINE_BYTES = 16 * 1024 * 1024

# A log is scanned more than once, and where files are united their numbers differ from scan to scan: the path tells.
REJECTED = (
    "SELECT CASE WHEN bool_or(error_type = 'INVALID ENCODING') THEN 'the line is not UTF-8 text' "
    f"WHEN bool_or(error_type = 'LINE SIZE OVER MAXIMUM') THEN 'the line is longer than {MAX_LINE_BYTES >> 20} MB' "
    "ELSE 'the line is no CSV row of the header''s columns' END AS reason, line AS row, first(csv_line) AS content "
    "FROM reject_errors JOIN reject_scans USING (scan_id, file_id) GROUP BY file_path, line"
)
"""The lines of text that DuckDB refused by itself, as (reason, row, content)."""


class LogError(ValueError):
    """A log cannot be read at all; one sentence that says what to do."""


_GLOB = re.compile(r"([*?\[])")
# With DuckDB's own 16 longest lines a buffer, memory grows and threads have less to share.
_ROOM = f"max_line_size={MAX_LINE_BYTES}, buffer_size={2 * MAX_LINE_BYTES}"


@dataclass(frozen=True, slots=True)
class RawLog:
    """A view named ``raw`` with the source's fields, ``raw_row`` (the row as text) and ``malformed`` (a reason)."""

    files: tuple[Path, ...]
    format: str
    fields: tuple[str, ...]

    @property
    def is_text(self) -> bool:
        """Whether :data:`REJECTED` can be asked for."""
        return self.format != "parquet"


def open_raw(connection: duckdb.DuckDBPyConnection, path: Path, source: Source) -> RawLog:
    """Create the view ``raw`` over the files at ``path``; raises :class:`LogError`."""
    files = find_files(path)
    kind = _format(files[0])
    if any(_format(file) != kind for file in files):
        raise LogError(f"{path} mixes formats ({_formats(files)}); keep one format in a folder")
    if all(file.stat().st_size == 0 for file in files):
        raise LogError(f"{path} is empty; write at least one event into it")
    files = tuple(file for file in files if file.stat().st_size > 0)
    try:
        found = _create(connection, files, kind, source)
    except duckdb.Error as error:
        raise LogError(f"{path} cannot be read as {_spoken(kind)}: {_first_line(error)}") from error
    _require(path, source, found)
    return RawLog(files, kind, found)


def find_files(path: Path) -> tuple[Path, ...]:
    """Return the log's files in the order of their names; raises :class:`LogError`."""
    if not path.exists():
        raise LogError(f"there is no log at {path}; give a Parquet, CSV or JSON Lines file, or a folder of them")
    if path.is_file():
        _format(path)
        return (path,)
    files = tuple(sorted(file for file in path.rglob("*") if file.is_file() and is_part(file, path)))
    if not files:
        raise LogError(f"the folder {path} holds no log; its files should end in {', '.join(FORMATS)}")
    return files


def is_part(file: Path, folder: Path) -> bool:
    """Whether a log in a folder is read from this file of it; what begins with a dot or an underscore is left out."""
    hidden = any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
    return not hidden and _suffix(file) in FORMATS


def _create(connection: duckdb.DuckDBPyConnection, files: Sequence[Path], kind: str, source: Source) -> tuple[str, ...]:
    names = [_text(_GLOB.sub(r"[\1]", str(file))) for file in files]
    listed = f"[{', '.join(names)}]"
    if kind == "json":
        fields = ", ".join(
            f"json_extract_string(good, {_text(path)}) AS {_name(field)}" for field, path in _paths(source)
        )
        lines = (
            f"read_csv({listed}, columns={{'line': 'VARCHAR'}}, delim=chr(1), quote='', escape='', header=false, "
            f"auto_detect=false, {_ROOM}, strict_mode=false, store_rejects=true)"
        )
        connection.execute(
            f"CREATE VIEW raw AS SELECT {fields}, line AS raw_row, CASE WHEN line IS NULL THEN 'the line is empty' "
            "WHEN good IS NULL THEN 'the line is not JSON' "
            "WHEN json_type(good) <> 'OBJECT' THEN 'the line is no JSON object' END AS malformed "
            f"FROM (SELECT CASE WHEN json_valid(line) THEN line END AS good, line FROM {lines})"
        )
        return tuple(field for field, _ in _paths(source))
    if kind == "csv":
        # One reader a file: DuckDB stores no rejected rows where it unites files by column names.
        each = (
            f"SELECT * FROM read_csv({name}, all_varchar=true, header=true, {_ROOM}, store_rejects=true)"
            for name in names
        )
        reader = f"({' UNION ALL BY NAME '.join(each)})"
    else:
        reader = f"read_parquet({listed}, union_by_name=true)"
    found = tuple(str(row[0]) for row in connection.execute(f"DESCRIBE SELECT * FROM {reader}").fetchall())
    connection.execute(
        f"CREATE VIEW raw AS SELECT *, CAST(to_json(whole) AS VARCHAR) AS raw_row, NULL::VARCHAR AS malformed "
        f"FROM {reader} AS whole"
    )
    return found


def _require(path: Path, source: Source, found: Sequence[str]) -> None:
    missing = [field for field in source.required if field not in found]
    if missing:
        likely = "; ".join(f"for {field!r} perhaps {nearest(field, found, 1)[0]!r}" for field in missing if found)
        raise LogError(
            f"{path} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)} (it has "
            f"{', '.join(found) or 'none'}{'; ' + likely if likely else ''}); map other names with "
            "`dropoff import MAPPING.toml PATH --out PATH`"
        )


def _paths(source: Source) -> list[tuple[str, str]]:
    return list(source.fields.items())


def _suffix(path: Path) -> str:
    name = path.name.lower()
    return next((suffix for suffix in sorted(FORMATS, key=len, reverse=True) if name.endswith(suffix)), "")


def _format(path: Path) -> str:
    suffix = _suffix(path)
    if not suffix:
        raise LogError(f"{path} is in no format that can be read; its name should end in {', '.join(FORMATS)}")
    return FORMATS[suffix]


def _formats(files: Sequence[Path]) -> str:
    return ", ".join(sorted({_format(file) for file in files}))


def _spoken(kind: str) -> str:
    return {"parquet": "Parquet", "csv": "CSV", "json": "JSON Lines"}[kind]


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300]


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
