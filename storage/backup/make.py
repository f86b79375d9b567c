"""Make a backup of a database and a home while the service goes on."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, Engine, func, make_url, select, text
from sqlalchemy.exc import SQLAlchemyError

from storage.backup.archive import FORMAT, ArchiveWriter, BackupError, Contents, Header
from storage.backup.files import AREAS, kept_files
from storage.backup.rows import dump_table, last_numbers, tables_there
from storage.database import reach_database
from storage.database_state import revision_of
from storage.failures import explain
from storage.secrets import SECRETS

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made."""

    header: Header
    contents: Contents

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return sum(self.contents.rows.values())


def make_backup(
    address: str,
    home: Path,
    out: IO[bytes],
    *,
    with_database: bool = True,
    with_secrets: bool = True,
    progress: Progress = lambda _phase, _fraction: None,
) -> Made:
    """Write a backup to ``out``, front to back; the database's rows are those of one moment.

    The service may go on meanwhile: neither it nor this waits for the other. ``address`` is the database's, and must
    lead to one. Raises :class:`BackupError` where there is nothing to keep, and ``storage.database.DatabaseError``.
    """
    # Before the first look: what is revoked from now on may be missing in the backup.
    made_us = time.time_ns() // 1_000
    areas = tuple(area for area in AREAS if with_secrets or area != SECRETS)
    if not with_database:
        files = list(kept_files(home, areas))
        if not files:
            raise BackupError(f"there is nothing to keep under {home}: DROPOFF_HOME names another folder")
        header = Header(FORMAT, version("dropoff"), made_us, "")
        archive = ArchiveWriter(out, header)
        _add_files(archive, home, areas, progress)
        return Made(header, archive.close())
    database = make_url(address)
    if database.get_backend_name() == "sqlite" and not Path(database.database or "").is_file():
        raise BackupError(f"there is no database {database.database} yet: DROPOFF_HOME names another folder")
    engine = reach_database(address)
    try:
        with _snapshot(engine) as connection:
            revision = revision_of(connection)
            if revision is None:
                shown = engine.url.render_as_string(hide_password=True)
                raise BackupError(f"the database {shown} holds nothing of dropoff: DROPOFF_DATABASE_URL names another")
            numbers = last_numbers(connection)
            header = Header(FORMAT, version("dropoff"), made_us, engine.dialect.name, revision, numbers)
            archive = ArchiveWriter(out, header)
            _add_rows(archive, connection, progress)
            # After the rows: these may name a version, so that it has to be there.
            _add_files(archive, home, areas, progress)
    except SQLAlchemyError as error:
        raise BackupError(f"the database cannot be read: {explain(error)}") from error
    finally:
        engine.dispose()
    return Made(header, archive.close())


def _add_rows(archive: ArchiveWriter, connection: Connection, progress: Progress) -> None:
    tables = tables_there(connection)
    counted = {one.name: connection.execute(select(func.count()).select_from(one)).scalar_one() for one in tables}
    total, done = max(sum(counted.values()), 1), 0
    for table in tables:
        for content, rows in dump_table(connection, table):
            archive.add_rows(table.name, content, rows)
            done += rows
            progress("reading the database", done / total)


def _add_files(archive: ArchiveWriter, home: Path, areas: tuple[str, ...], progress: Progress) -> None:
    added: set[str] = set()
    # A version is there before a pointer names it: what one names that moved meanwhile is found at a second look.
    for _ in range(2):
        files = [(name, path) for name, path in kept_files(home, areas) if name not in added]
        for number, (name, path) in enumerate(files, start=1):
            archive.add(name, path.read_bytes(), path.stat().st_mode)
            added.add(name)
            progress("reading models, policies and secrets", number / len(files))


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """Yield a connection that sees the database as it is now, however long it reads."""
    if engine.dialect.name == "sqlite":
        # A reader of a write-ahead log keeps what it saw first.
        with engine.connect() as connection, connection.begin():
            yield connection
        return
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        # Writing the file out may take longer than a service may be idle.
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        yield connection
