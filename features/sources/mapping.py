"""Mappings of a customer's own: columns by their names, in a TOML file."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from features.source import CANONICAL_COLUMNS, REQUIRED_COLUMNS, Source, SourceError
from features.table import nearest


def column_mapping(
    columns: Mapping[str, str], properties: Mapping[str, str] | None = None, *, name: str = "mapping"
) -> Source:
    """Return a source that renames columns: canonical name to the log's own, property name to the log's own.

    >>> column_mapping({"name": "action_type", "occurred_at": "timestamp", "visitor_id": "user_id"}).required
    ('action_type', 'timestamp', 'user_id')
    """
    for canonical in columns:
        if canonical not in CANONICAL_COLUMNS:
            meant = ", ".join(nearest(canonical, CANONICAL_COLUMNS))
            raise SourceError(f"{canonical!r} is no canonical column; did you mean {meant}?")
    for canonical in REQUIRED_COLUMNS:
        if canonical not in columns:
            raise SourceError(f"the mapping names no column for {canonical!r}; add {canonical} = 'column of your log'")
    if not {"visitor_id", "user_id"} & set(columns):
        raise SourceError("the mapping names no column for visitor_id or user_id; add one of them")
    own = dict(properties or {})
    return Source(
        name=name,
        columns={canonical: _quoted(column) for canonical, column in columns.items()},
        fields={column: f'$."{column}"' for column in (*columns.values(), *own.values())},
        required=tuple(dict.fromkeys((*columns.values(), *own.values()))),
        properties={name: _quoted(column) for name, column in own.items()},
        rows_in_order="event_id" not in columns,
    )


def read_mapping(path: Path) -> Source:
    """Return the mapping in a TOML file with the tables ``columns`` and ``properties``; raises :class:`SourceError`."""
    content = read_toml(path, ("columns", "properties"))
    columns, properties = _texts(path, content, "columns"), _texts(path, content, "properties")
    try:
        return column_mapping(columns, properties, name=path.stem)
    except SourceError as error:
        raise SourceError(f"{path}: {error}") from error


def read_toml(path: Path, tables: Sequence[str]) -> Mapping[str, Any]:
    """Return a TOML file that has no other tables than these; raises :class:`SourceError`."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SourceError(f"there is no file {path}") from error
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} is no TOML file: {error}") from error
    other = sorted(set(content) - set(tables))
    if other:
        named = ", ".join(f"[{table}]" for table in tables)
        raise SourceError(f"{path}: {other[0]!r} means nothing here; the tables are {named}")
    return content


def _texts(path: Path, content: Mapping[str, Any], table: str) -> dict[str, str]:
    found = content.get(table, {})
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise SourceError(f'{path}: [{table}] maps names to column names, as in name = "action_type"')
    return found


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
