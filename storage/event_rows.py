"""Put many rows into the event log with few statements, of which each leaves alone what is there already.

A statement holds many rows: SQLite gives the interpreter's lock away and takes it back at every statement, so a row a
statement would make the writing thread wait for its turn once for every event.
"""

from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import Connection

COLUMNS = (
    "journey",
    "event_id",
    "session_id",
    "visitor_id",
    "user_id",
    "name",
    "occurred_at_us",
    "received_at_us",
    "channel",
    "device",
    "source",
    "campaign",
    "properties",
)
"""The columns of a row, in its order."""

Row = tuple[object, ...]

_EVENT_ID = COLUMNS.index("event_id")
# Powers of two, so that few different statements have to be compiled; one of 128 rows has some 1,700 parameters.
_MOST_ROWS = 128


def insert_rows(connection: Connection, rows: Sequence[Row]) -> frozenset[str]:
    """Insert the rows whose event ids are not there yet; return the ids of those that were.

    All rows are of one journey, and no two have one id.
    """
    inserting = _insert_postgresql if connection.dialect.name == "postgresql" else _insert_sqlite
    present: set[str] = set()
    start = 0
    while start < len(rows):
        size = min(_MOST_ROWS, 1 << ((len(rows) - start).bit_length() - 1))
        present |= inserting(connection, rows[start : start + size])
        start += size
    return frozenset(present)


def _insert_sqlite(connection: Connection, rows: Sequence[Row]) -> set[str]:
    done = connection.exec_driver_sql(_statement(len(rows), "?"), _flat(rows))
    if done.rowcount == len(rows):
        return set()
    # Positions follow each other within a transaction: those that this statement gave are the last ones.
    first_given = done.lastrowid - done.rowcount + 1 if done.rowcount else None
    ids = [str(row[_EVENT_ID]) for row in rows]
    query = f"SELECT event_id, position FROM events WHERE journey = ? AND event_id IN ({_places(len(ids), '?')})"
    found = connection.exec_driver_sql(query, (rows[0][0], *ids))
    return {row[0] for row in found if first_given is None or row[1] < first_given}


def _insert_postgresql(connection: Connection, rows: Sequence[Row]) -> set[str]:
    statement = f"{_statement(len(rows), '%s')} RETURNING event_id"
    new = {row[0] for row in connection.exec_driver_sql(statement, _flat(rows))}
    return {str(row[_EVENT_ID]) for row in rows} - new


@lru_cache(maxsize=32)
def _statement(rows: int, mark: str) -> str:
    row = f"({_places(len(COLUMNS), mark)})"
    return (
        f"INSERT INTO events ({', '.join(COLUMNS)}) VALUES {', '.join([row] * rows)} "
        "ON CONFLICT (journey, event_id) DO NOTHING"
    )


def _places(count: int, mark: str) -> str:
    return ", ".join([mark] * count)


def _flat(rows: Sequence[Row]) -> Row:
    return tuple(value for row in rows for value in row)
