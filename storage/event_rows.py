"""Put many rows into the event log with few statements, of which each leaves alone what is there already.

A statement holds many rows: SQLite gives the interpreter's lock away and takes it back at every statement, so a row a
statement would make the writing thread wait for its turn once for every event.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

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
    if connection.dialect.name == "postgresql":
        return frozenset(_already_there(rows, lambda part: _insert_postgresql(connection, part)))
    # Whoever may write has the database alone: what is there now stands at or below this position.
    last = connection.exec_driver_sql("SELECT max(position) FROM events").scalar() or 0
    return frozenset(_already_there(rows, lambda part: _insert_sqlite(connection, part, last)))


def events_of(connection: Connection, journey: str, visitor_ids: Sequence[str], most: int) -> Sequence[Any]:
    """Return the rows of some visitors' events in the order of their arrival, at most so many.

    SQLAlchemy's own statements take longer to be put together than the database takes to say that it knows nobody. So
    that few different ones have to be compiled, the last id is repeated up to a power of two.
    """
    count = 1 << max(len(visitor_ids) - 1, 0).bit_length()
    ids = (*visitor_ids, *[visitor_ids[-1]] * (count - len(visitor_ids)))
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    return connection.exec_driver_sql(_events_of(count, mark), (journey, *ids, most)).all()


@lru_cache(maxsize=32)
def _events_of(count: int, mark: str) -> str:
    return (
        f"SELECT {', '.join(COLUMNS)} FROM events WHERE journey = {mark} AND visitor_id IN ({_places(count, mark)}) "
        f"ORDER BY position LIMIT {mark}"
    )


def _already_there(rows: Sequence[Row], insert: Callable[[Sequence[Row]], Iterable[str]]) -> Iterator[str]:
    start = 0
    while start < len(rows):
        size = min(_MOST_ROWS, 1 << ((len(rows) - start).bit_length() - 1))
        yield from insert(rows[start : start + size])
        start += size


def _insert_sqlite(connection: Connection, rows: Sequence[Row], last: int) -> Iterable[str]:
    done = connection.exec_driver_sql(_statement(len(rows), "?"), _flat(rows))
    if done.rowcount == len(rows):
        return ()
    ids = [str(row[_EVENT_ID]) for row in rows]
    query = f"SELECT event_id, position FROM events WHERE journey = ? AND event_id IN ({_places(len(ids), '?')})"
    return [row[0] for row in connection.exec_driver_sql(query, (rows[0][0], *ids)) if row[1] <= last]


def _insert_postgresql(connection: Connection, rows: Sequence[Row]) -> Iterable[str]:
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
