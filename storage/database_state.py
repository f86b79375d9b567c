"""What kind of database an address leads to, how large it is, and whether its tables are those of this version."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from storage.database import ADDRESS_ADVICE
from storage.failures import advise
from storage.integrity import check_integrity


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """A database as it was found, without changing it.

    ``problem`` says in a sentence why it cannot be used, ``advice`` what to do about that; ``damage`` has what its
    integrity check found.
    """

    kind: str
    exists: bool
    version: str = ""
    size_bytes: int = 0
    revision: str | None = None
    newest: str | None = None
    problem: str = ""
    advice: str = ""
    damage: tuple[str, ...] = ()


def look_at_database(url: str, *, check: bool = True) -> DatabaseState:
    """Return the state of a database; ``check`` has it looked over for damage."""
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        return DatabaseState("", exists=True, problem="the database's address is none", advice=ADDRESS_ADVICE)
    kind = address.get_backend_name()
    file = Path(address.database or "") if kind == "sqlite" else None
    if file is not None and not file.exists():
        return DatabaseState(kind, exists=False)
    try:
        engine = create_engine(address, hide_parameters=True)
        try:
            newest, is_file = _newest(), file is not None
            # A file is gone through before anything else is asked of it; tables of another version may lack some.
            damage = tuple(check_integrity(engine)) if check and is_file else ()
            if damage:
                return DatabaseState(kind, exists=True, damage=damage)
            with engine.connect() as connection:
                version = "select sqlite_version()" if is_file else "show server_version"
                size = (
                    "select page_count * page_size from pragma_page_count(), pragma_page_size()"
                    if is_file
                    else "select pg_database_size(current_database())"
                )
                state = DatabaseState(
                    kind,
                    exists=True,
                    version=str(connection.execute(text(version)).scalar()),
                    size_bytes=int(connection.execute(text(size)).scalar() or 0),
                    revision=revision_of(connection),
                    newest=newest,
                )
            if check and not is_file and state.revision == newest:
                return replace(state, damage=tuple(check_integrity(engine)))
            return state
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError, OSError) as error:
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        return DatabaseState(kind, exists=True, problem=said[:300], advice=advise(error) or "")


def revision_of(connection: Connection) -> str | None:
    """Return the revision that a database's tables are of, None where it holds nothing of dropoff."""
    return MigrationContext.configure(connection).get_current_revision()


def is_known_revision(revision: str | None) -> bool:
    """Whether this version of dropoff can bring tables of that revision up to date."""
    with _scripts() as scripts:
        return revision in {script.revision for script in scripts.walk_revisions()}


@contextmanager
def _scripts() -> Iterator[ScriptDirectory]:
    with as_file(files("storage") / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        yield ScriptDirectory.from_config(config)


def _newest() -> str | None:
    with _scripts() as scripts:
        return scripts.get_current_head()
