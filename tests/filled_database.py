"""A database with rows in every table, and its backup."""

import io
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Engine, Table, insert, select

from storage.backup.archive import open_archive
from storage.backup.make import make_backup
from storage.backup.restore import Restored, restore
from storage.database import writing
from storage.schema import metadata

ROWS = 3


def fill(engine: Engine) -> None:
    """Write some rows into every table, whichever there are; references agree as equal names have equal values."""
    with writing(engine) as connection:
        for table in metadata.sorted_tables:
            rows = [{column.name: _value(column, number) for column in table.columns} for number in range(1, ROWS + 1)]
            connection.execute(insert(table), rows)


def every_row(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every table."""
    with engine.connect() as connection:
        return {table.name: rows_of(connection, table) for table in metadata.sorted_tables}


def rows_of(connection: Connection, table: Table) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]


def _value(column: Column[Any], number: int) -> Any:
    if column.nullable and number == 1:
        return None
    kind = column.type.python_type
    referred = next(iter(column.foreign_keys), None)
    name = referred.column.name if referred else column.name
    values: dict[type, Any] = {
        # What a text format would spoil: quotes, backslashes, tabs, line ends, an empty text, other alphabets.
        str: f"{name}-{number}" if number < ROWS else f'{name}-"\\\t\r\n\\N,Ünï€ {number}',
        bytes: bytes(range(256)) * number,
        bool: number == ROWS,
        int: number if column.primary_key or referred else number * 10_000_000 % 2_000_000_000,
        float: number / 3 - 1,
        date: date(2026, 2, number),
    }
    return values[kind]


def kept(address: str, home: Path) -> io.BytesIO:
    out = io.BytesIO()
    make_backup(address, home, out)
    return out


def put(backup: io.BytesIO, address: str, home: Path, *, replace: bool = False) -> Restored:
    with open_archive(backup, "the backup") as archive:
        return restore(archive, address, home, replace=replace, actor="tester")
