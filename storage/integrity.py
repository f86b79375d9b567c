"""Look over the whole database for damage."""

from sqlalchemy import Engine, select
from sqlalchemy.exc import DatabaseError

from storage.failures import explain
from storage.schema import metadata

_MOST_FINDINGS = 20


def check_integrity(engine: Engine) -> list[str]:
    """Return what is damaged, a sentence each; an empty list for a sound database.

    SQLite goes through every page, every index and every reference, some seconds a gigabyte; of PostgreSQL, which
    checks its pages itself where it was made with checksums, each table is opened. Writing goes on meanwhile.
    Raises ``sqlalchemy.exc.SQLAlchemyError`` where the database cannot be reached.
    """
    if engine.dialect.name != "sqlite":
        return _unreadable(engine)
    with engine.connect() as connection:
        try:
            found = [row[0] for row in connection.exec_driver_sql(f"PRAGMA integrity_check({_MOST_FINDINGS})")]
            orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        except DatabaseError as error:
            # So damaged that it cannot be gone through; a lock or a full disk is not damage.
            if not _is_damage(error):
                raise
            return [explain(error)]
    references = [f"a row of {row[0]} belongs to one of {row[2]} that is not there" for row in orphans]
    return [one for one in found if one != "ok"] + references[:_MOST_FINDINGS]


def _unreadable(engine: Engine) -> list[str]:
    damaged = []
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            try:
                connection.execute(select(table).limit(1)).all()
            except DatabaseError as error:
                if error.connection_invalidated:
                    raise
                connection.rollback()
                damaged.append(f"{table.name} cannot be read: {explain(error)}")
    return damaged


def _is_damage(error: DatabaseError) -> bool:
    return str(getattr(error.orig, "sqlite_errorname", "")).startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
