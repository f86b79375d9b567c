"""Open the database that the event log and the ledger live in, and bring its tables up to date."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from enum import StrEnum
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import URL, Connection, Engine, Insert, Table, create_engine, event, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, InvalidatePoolError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from storage.failures import advise
from storage.schema import metadata

_BUSY_TIMEOUT_SECONDS = 10.0
# Pages that have changed are put into their places, with waiting for the disk, after so many; SQLite's own default of
# 1,000 is reached by a few hundred events.
_CHECKPOINT_PAGES = 16_384
_WRITER_CACHE_KILOBYTES = 65_536
_WRITERS_LOCK = 0x64726F70
# A process that is stopped in the midst of a write has the turn of all others; its statements follow at once otherwise.
_LONGEST_PAUSE_MS = 2_000
_TRUSTED_SECONDS = 1.0
_USED_AT = "dropoff_used_at"
# Nobody waits for ever for a server that is gone, nor for a process that holds a lock and does nothing.
_POSTGRESQL_OPTIONS = {
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "dropoff",
    "options": "-c lock_timeout=10s -c idle_in_transaction_session_timeout=60s",
}
_BACKENDS = ("sqlite", "postgresql")
ADDRESS_ADVICE = (
    "write it like sqlite:////var/lib/dropoff/dropoff.db, or "
    "postgresql+psycopg://NAME:PASSWORD@HOST:5432/dropoff with %40, %3A and %2F for @, : and / in the password"
)
"""How an address is written."""
_ADVICE = "check that the address is right, and that its folder is writable"


class Durability(StrEnum):
    """When a commit counts as done.

    ``NORMAL`` survives the end of the process, even by force; ``FULL`` also waits for the disk at every commit, so it
    survives the loss of power.
    """

    NORMAL = "NORMAL"
    FULL = "FULL"


class DatabaseError(ValueError):
    """The database cannot be opened or used; the text says which one and what to do."""


def database_url(home: Path) -> str:
    """Return the address of the database under ``DROPOFF_HOME``: one SQLite file for all journeys."""
    return f"sqlite:///{(home / 'dropoff.db').resolve()}"


def open_database(url: str, durability: Durability = Durability.NORMAL) -> Engine:
    """Return an engine whose tables are up to date; creates the SQLite file and its folder if they are missing.

    Raises :class:`DatabaseError` with one sentence.
    """
    engine = reach_database(url, durability)
    shown = engine.url.render_as_string(hide_password=True)
    try:
        migrate(engine)
        _touch(engine)
    except CommandError as error:
        engine.dispose()
        raise DatabaseError(
            f"the database {shown} is of another version of dropoff ({error}): use that version, or a newer one"
        ) from error
    except (SQLAlchemyError, OSError) as error:
        engine.dispose()
        cause = " ".join(str(getattr(error, "orig", None) or error).split())
        raise DatabaseError(f"the database {shown} cannot be opened ({cause}): {advise(error) or _ADVICE}") from error
    return engine


def reach_database(url: str, durability: Durability = Durability.NORMAL) -> Engine:
    """Return an engine for a database as it is, which nobody has asked anything yet; makes the folder of SQLite's file.

    Raises :class:`DatabaseError` with one sentence.
    """
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        # What was found wrong may be a part of the password, so neither this nor the cause is shown.
        raise DatabaseError(f"the database's address is none: {ADDRESS_ADVICE}") from None
    shown = address.render_as_string(hide_password=True)
    if address.get_backend_name() not in _BACKENDS:
        raise DatabaseError(f"the database {shown} is of no kind that can be used: write sqlite or postgresql")
    try:
        return _engine(address, durability)
    except (SQLAlchemyError, ImportError, OSError) as error:
        raise DatabaseError(f"the database {shown} cannot be opened ({error}): {_ADVICE}") from error


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Yield a connection whose transaction may write; it is committed at the end, or undone where the block raises."""
    with engine.connect() as connection, connection.execution_options(immediate=True).begin():
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection of which each statement stands alone: for what is asked often, and in one statement.

    PostgreSQL is then asked once for each, instead of for a beginning and an end of a transaction as well.
    """
    with engine.connect() as connection:
        alone = engine.dialect.name == "postgresql"
        yield connection.execution_options(isolation_level="AUTOCOMMIT") if alone else connection


def connect_writer(engine: Engine) -> Connection:
    """Return a connection for one who writes often: each of its transactions may write, and it has a large cache."""
    connection = engine.connect()
    if engine.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA cache_size = -{_WRITER_CACHE_KILOBYTES}")
    else:
        connection.exec_driver_sql(f"SET idle_in_transaction_session_timeout = {_LONGEST_PAUSE_MS}")
    connection.commit()
    return connection.execution_options(immediate=True)


def insert_if_absent(engine: Engine, table: Table) -> Insert:
    """Return an insert that leaves rows alone whose key is there already."""
    if engine.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the tables to a revision, the newest by default; does nothing when they are there already."""
    with writing(engine) as connection:
        migrate_within(connection, revision)


def migrate_within(connection: Connection, revision: str = "head") -> None:
    """Bring the tables to a revision in the transaction of a connection."""
    with as_file(files("storage") / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def forget_erased(engine: Engine) -> None:
    """Make sure that what has been deleted stands in no file any more; SQLite keeps it in its write-ahead log else."""
    if engine.dialect.name != "sqlite":
        return
    # Where somebody reads for long at this moment, the next erasure or the next start does it.
    with closing(engine.raw_connection()) as connection, suppress(sqlite3.OperationalError):
        connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _touch(engine: Engine) -> None:
    # A table that is missing or cannot be read is noticed now, not at the first request.
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            connection.execute(select(table).limit(1)).all()


def _engine(address: URL, durability: Durability) -> Engine:
    if address.get_backend_name() != "sqlite":
        return _postgresql(address)
    if address.database:
        Path(address.database).parent.mkdir(parents=True, exist_ok=True)
    # What people did has no place in a message that goes to a log.
    options = {"timeout": _BUSY_TIMEOUT_SECONDS, "check_same_thread": False}
    engine = create_engine(address, hide_parameters=True, connect_args=options)
    event.listen(engine, "connect", _prepare_with(durability))
    event.listen(engine, "begin", _begin)
    return engine


def _postgresql(address: URL) -> Engine:
    options = {name: value for name, value in _POSTGRESQL_OPTIONS.items() if name not in address.query}
    engine = create_engine(address, hide_parameters=True, connect_args=options)
    event.listen(engine, "begin", _take_turns)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _try_unused(engine))
    return engine


def _note_use(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info[_USED_AT] = time.monotonic()


def _try_unused(engine: Engine) -> Callable[[Any, ConnectionPoolEntry, object], None]:
    """Return what tries a connection that nobody has used for a while: the server may have been restarted since."""

    def check(connection: Any, record: ConnectionPoolEntry, _checkout: object) -> None:
        used_at = record.info.get(_USED_AT)
        if used_at is None or time.monotonic() - used_at < _TRUSTED_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            # The pool then connects anew, and trusts none of the others of before.
            raise InvalidatePoolError from error

    return check


def _take_turns(connection: Connection) -> None:
    # As in SQLite, transactions that are going to write wait for each other. So rows are numbered in the order in
    # which they are committed, none appears below a number that a reader has passed, and none waits for one that waits
    # for it.
    if connection.get_execution_options().get("immediate", False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS_LOCK})")


def _prepare_with(durability: Durability) -> Any:
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        # Python's own transaction control would commit behind the back of schema changes.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(1000 * _BUSY_TIMEOUT_SECONDS)}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        cursor.execute(f"PRAGMA synchronous = {durability}")
        # What is erased on request must not stay readable in the file's free pages.
        cursor.execute("PRAGMA secure_delete = ON")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    return prepare


def _begin(connection: Connection) -> None:
    # A transaction that is going to write takes its lock at once: upgrading later can fail without waiting.
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
