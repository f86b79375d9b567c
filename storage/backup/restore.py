"""Put a backup in the place of a database and a home, all of it or nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy import Connection, delete, func, inspect, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from features.events import US_PER_SECOND
from storage.backup.archive import DATABASE, Archive, BackupError
from storage.backup.files import occupied, prepare_files
from storage.backup.revoked import Revoked, read_revoked
from storage.backup.rows import analyze, go_on_after, last_numbers, load_rows, tables_there
from storage.database import forget_erased, migrate_within, reach_database, writing
from storage.database_state import is_known_revision, revision_of
from storage.failures import explain
from storage.leases import database_now_us
from storage.registry_tables import serving_processes
from storage.running_tables import follow_ups, leases
from storage.schema import metadata

Progress = Callable[[str, float], None]
_VERSIONS = "alembic_version"
_OF_PROCESSES = (leases.name, serving_processes.name)
"""Tables that a service which only started writes into."""
_REPLACE = "add --replace to put the backup in its place"


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and what of the time since the backup was kept to.

    ``erased`` counts visitors who were erased again, ``keys`` those whose latest state was carried over. Both are None
    where no database was replaced, so that nothing was known of that time. ``given_up`` follow-ups were on their way.
    """

    rows: int
    files: int
    erased: int | None
    keys: int | None
    given_up: int


def restore(
    archive: Archive,
    address: str,
    home: Path,
    *,
    replace: bool = False,
    actor: str,
    progress: Progress = lambda _phase, _fraction: None,
) -> Restored:
    """Let the database at ``address`` and the home hold what the backup holds; the tables are then of this version.

    The rows are loaded in one transaction: where anything goes wrong, the database is as it was. ``replace`` allows for
    one that holds rows, and a home that holds models, policies or secrets. What was revoked since the backup stays so:
    visitors whom the replaced database says to have been erased are erased again, and keys are as they are there. Nor
    does a table number new rows as one that it had before.
    Raises :class:`BackupError`, also while a service serves with the database.
    """
    there = occupied(home, archive)
    if there and not replace:
        raise BackupError(f"{home} has {' and '.join(there)} already: {_REPLACE}")
    files = prepare_files(home, archive)
    rows, given_up, since = 0, 0, None
    try:
        if archive.header.revision is not None:
            rows, given_up, since = _restore_rows(archive, address, replace, actor, progress)
    except BaseException:
        files.drop()
        raise
    files.put_in_place()
    return Restored(
        rows,
        len(archive.names("home")),
        None if since is None else since.erased,
        None if since is None else since.keys,
        given_up,
    )


def _restore_rows(
    archive: Archive, address: str, replace: bool, actor: str, progress: Progress
) -> tuple[int, int, Revoked | None]:
    header, engine = archive.header, reach_database(address)
    shown = engine.url.render_as_string(hide_password=True)
    if not is_known_revision(header.revision):
        raise BackupError(f"the backup was made by a newer dropoff ({header.dropoff}): restore it with that one")
    now_us = time.time_ns() // 1_000
    try:
        with writing(engine) as connection:
            since, numbers = None, dict(header.sequences)
            if connection.dialect.name == "postgresql":
                # What comes from a slow store may take longer than a service may be idle.
                connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            if tables_there(connection):
                _require_stopped(connection, shown)
                is_empty = _is_empty(connection)
                if not replace and not is_empty:
                    raise BackupError(f"the database {shown} holds rows already: {_REPLACE}")
                if not is_known_revision(revision_of(connection)):
                    raise BackupError(f"the database {shown} is of a newer dropoff: use that version")
                migrate_within(connection)
                # One that was never used knows of nothing that was revoked.
                since = None if is_empty else read_revoked(connection, header.made_us)
                for table, last in last_numbers(connection).items():
                    numbers[table] = max(last, numbers.get(table, 0))
                _drop_tables(connection)
            migrate_within(connection, header.revision or "head")
            rows = _load(archive, connection, progress)
            go_on_after(connection, header.sequences)
            migrate_within(connection)
            go_on_after(connection, numbers)
            progress("putting things right", 0.0)
            # Who held one is no more, nor who served; how far the work had come stays.
            connection.execute(update(leases).values(until_us=0))
            connection.execute(delete(serving_processes))
            given_up = _give_up_follow_ups(connection, now_us)
            if since is not None:
                since = since.revoke_again(engine, connection, actor, now_us)
            analyze(connection)
        forget_erased(engine)
    except (SQLAlchemyError, psycopg.Error) as error:
        raise BackupError(f"the database {shown} cannot be written, and is as it was: {explain(error)}") from error
    finally:
        engine.dispose()
    return rows, given_up, since


def _load(archive: Archive, connection: Connection, progress: Progress) -> int:
    expected, rows = archive.contents.rows, 0
    total = max(sum(expected.values()), 1)
    known = set(inspect(connection).get_table_names())
    for member in archive.members(DATABASE):
        table = member.parts[1]
        if table not in known:
            raise BackupError(f"the backup holds a table {table!r} that its version does not have: take another one")
        rows += load_rows(connection, table, member.content)
        progress("writing the database", rows / total)
    return rows


def _require_stopped(connection: Connection, shown: str) -> None:
    """Raise :class:`BackupError` while somebody does the service's duties: it would go on with what it remembers."""
    if not inspect(connection).has_table(leases.name):
        return
    now_us = database_now_us(connection)
    held_us = connection.execute(select(func.max(leases.c.until_us))).scalar() or 0
    if held_us > now_us:
        seconds = (held_us - now_us) / US_PER_SECOND
        raise BackupError(
            f"a service is serving with the database {shown}: stop it first (one that was killed holds its lease for "
            f"another {seconds:.0f} s)"
        )


def _is_empty(connection: Connection) -> bool:
    there = (table for table in tables_there(connection) if table.name not in _OF_PROCESSES)
    return all(connection.execute(select(text("1")).select_from(table).limit(1)).first() is None for table in there)


def _drop_tables(connection: Connection) -> None:
    names = {table.name for table in tables_there(connection)}
    for table in reversed(metadata.sorted_tables):
        if table.name in names:
            connection.execute(text(f'DROP TABLE "{table.name}"'))
    if revision_of(connection) is not None:
        connection.execute(text(f"DROP TABLE {_VERSIONS}"))


def _give_up_follow_ups(connection: Connection, now_us: int) -> int:
    # Those that were on their way may have been delivered since; `dropoff follow-ups --retry` sends them all the same.
    pending = (follow_ups.c.delivered_us.is_(None), follow_ups.c.given_up_us.is_(None))
    given_up = update(follow_ups).where(*pending).values(given_up_us=now_us, said="restored from a backup")
    return connection.execute(given_up).rowcount
