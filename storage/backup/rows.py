"""Rows of tables as Parquet files, read in one snapshot and written into a database of either kind."""

import io
from collections.abc import Callable, Iterator
from datetime import date
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Column, Connection, MetaData, Table, inspect, select, text

from storage.schema import metadata

_ROWS_AT_ONCE = 50_000
# Published files are a few megabytes each.
_FILES_AT_ONCE = 16
_TYPES: dict[type, pa.DataType] = {
    str: pa.large_string(),
    bytes: pa.large_binary(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    date: pa.date32(),
}
_POSTGRESQL = "postgresql"


def tables_there(connection: Connection) -> list[Table]:
    """Return the tables of dropoff that the database has, as they are there: those that others refer to first."""
    names = [name for name in inspect(connection).get_table_names() if name in metadata.tables]
    found = MetaData()
    found.reflect(connection, only=names)
    return [table for table in found.sorted_tables if table.name in metadata.tables]


def dump_table(connection: Connection, table: Table) -> Iterator[tuple[bytes, int]]:
    """Yield a table's rows as Parquet files with their numbers of rows; one without rows for an empty table."""
    schema = pa.schema([pa.field(column.name, _type_of(column)) for column in table.columns])
    query = select(table).order_by(*table.primary_key.columns)
    at_once = _FILES_AT_ONCE if any(pa.types.is_large_binary(field.type) for field in schema) else _ROWS_AT_ONCE
    rows = connection.execution_options(stream_results=True, yield_per=at_once).execute(query)
    is_first = True
    for part in rows.partitions(at_once):
        is_first = False
        columns = zip(*part, strict=True)
        arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
        yield _parquet(pa.Table.from_arrays(arrays, schema=schema)), len(part)
    if is_first:
        yield _parquet(schema.empty_table()), 0


def load_rows(connection: Connection, table: str, content: IO[bytes]) -> int:
    """Insert the rows of one such file, and return how many there were."""
    rows = pq.read_table(io.BytesIO(content.read()))
    names = rows.column_names
    into_database = _copy_into if connection.dialect.name == _POSTGRESQL else _insert_into
    for batch in rows.to_batches(_ROWS_AT_ONCE):
        into_database(connection, table, names, zip(*(column.to_pylist() for column in batch.columns), strict=True))
    return int(rows.num_rows)


def last_numbers(connection: Connection) -> dict[str, int]:
    """Return the last number that each table which numbers its rows has given, also to rows that are gone."""
    if connection.dialect.name != _POSTGRESQL:
        if "sqlite_sequence" not in _sqlite_tables(connection):
            return {}
        numbers = connection.execute(text("SELECT name, seq FROM sqlite_sequence"))
        return {name: int(number) for name, number in numbers if name in metadata.tables}
    found = {}
    for table in tables_there(connection):
        sequence = _sequence(connection, table.name)
        last = connection.execute(text(f"SELECT last_value, is_called FROM {sequence}")).one() if sequence else None
        if last is not None and last.is_called:
            found[table.name] = int(last.last_value)
    return found


def go_on_after(connection: Connection, numbers: dict[str, int]) -> None:
    """Let tables number their next rows after the rows that they hold and after ``numbers``: none is given twice."""
    for table in tables_there(connection):
        key = next(iter(table.primary_key.columns))
        if connection.dialect.name == _POSTGRESQL:
            sequence = _sequence(connection, table.name)
            if sequence:
                _raise_sequence(connection, sequence, f'"{table.name}"', f'"{key.name}"', numbers.get(table.name, 0))
        elif table.name in numbers and "sqlite_sequence" in _sqlite_tables(connection):
            given = {"name": table.name, "number": numbers[table.name]}
            changed = connection.execute(
                text("UPDATE sqlite_sequence SET seq = max(seq, :number) WHERE name = :name"), given
            )
            if not changed.rowcount:
                connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number)"), given)


def analyze(connection: Connection) -> None:
    """Let PostgreSQL count what was loaded: it would plan for empty tables until it finds the time by itself."""
    if connection.dialect.name == _POSTGRESQL:
        for table in tables_there(connection):
            connection.execute(text(f'ANALYZE "{table.name}"'))


def _raise_sequence(connection: Connection, sequence: str, table: str, key: str, number: int) -> None:
    largest = connection.execute(text(f"SELECT coalesce(max({key}), 0) FROM {table}")).scalar_one()
    last = max(int(largest), number)
    # `false` where nothing was given yet: the first row is number 1.
    connection.execute(
        text("SELECT setval(CAST(:name AS regclass), :last, :given)"),
        {"name": sequence, "last": max(last, 1), "given": last > 0},
    )


def _sequence(connection: Connection, table: str) -> str | None:
    """Return the sequence of a table's first column of the primary key, None where it has none."""
    key = inspect(connection).get_pk_constraint(table)["constrained_columns"][0]
    query = text("SELECT pg_get_serial_sequence(:table, :key)")
    return connection.execute(query, {"table": f'"{table}"', "key": key}).scalar()


def _sqlite_tables(connection: Connection) -> set[str]:
    return set(connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars())


def _copy_into(connection: Connection, table: str, names: list[str], rows: Iterator[tuple[Any, ...]]) -> None:
    columns = ", ".join(f'"{name}"' for name in names)
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table}" ({columns}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(row)


def _insert_into(connection: Connection, table: str, names: list[str], rows: Iterator[tuple[Any, ...]]) -> None:
    columns, places = ", ".join(f'"{name}"' for name in names), ", ".join("?" * len(names))
    statement = f'INSERT INTO "{table}" ({columns}) VALUES ({places})'
    # SQLite keeps days as texts.
    shown: Callable[[Any], Any] = lambda value: value.isoformat() if isinstance(value, date) else value  # noqa: E731
    connection.exec_driver_sql(statement, [tuple(map(shown, row)) for row in rows])


def _type_of(column: Column[Any]) -> pa.DataType:
    return _TYPES[column.type.python_type]


def _parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()
