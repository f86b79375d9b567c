"""Keeping all that an installation holds, and putting it back."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import JsonOption

if TYPE_CHECKING:
    from storage.backup.restore import Restored

app = typer.Typer()


@app.command(epilog="Example: dropoff backup --out /var/backups/dropoff/ --keep 14")
def backup(
    out: Annotated[
        str,
        typer.Option("--out", metavar="PLACE", help="A file, a folder, an address as s3://bucket/name, or - (a pipe)."),
    ],
    keep: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Of those in the folder, delete all but the latest N.")
    ] = None,
    with_database: Annotated[
        bool, typer.Option("--database/--no-database", help="Leave the rows to the database's own backups.")
    ] = True,
    with_secrets: Annotated[
        bool, typer.Option("--secrets/--no-secrets", help="Leave out the secrets that were made in the home folder.")
    ] = True,
    json_path: JsonOption = None,
) -> None:
    """Keep all that an installation holds in one file.

    Database, models, policies and secrets. The service goes on meanwhile; the rows are those of one moment. A backup of
    SQLite can be restored into PostgreSQL, and the other way round. It holds personal data and secrets: only its owner
    may read it, and it is not encrypted.
    """
    from console.terminal import progress, say, write_json
    from features.output import require_folder, require_writable
    from features.store_path import StorePath, to_path
    from serving.configuration import Configuration
    from storage.backup.make import make_backup
    from storage.backup.place import PIPE, drop_older, file_in, writing_to

    configuration = Configuration.from_environment()
    path = to_path(out)
    elsewhere = out == PIPE or isinstance(path, StorePath)
    folder = None if elsewhere or not (out.endswith("/") or path.is_dir()) else path
    if keep is not None and folder is None:
        raise typer.BadParameter("--keep needs a folder: give --out FOLDER/")
    if json_path is not None:
        require_writable(json_path)
    if folder is not None:
        require_folder(folder)
    if folder is not None or (isinstance(path, StorePath) and out.endswith("/")):
        out = str(file_in(path))
    elif not elsewhere:
        require_writable(path)
    with progress() as report, writing_to(out) as file:
        made = make_backup(
            configuration.address,
            configuration.home,
            file,
            with_database=with_database,
            with_secrets=with_secrets,
            progress=report,
        )
    dropped = drop_older(folder, keep) if folder is not None and keep is not None else []
    kept = len([name for name in made.contents.files if name.startswith("home/")])
    if out != PIPE:
        say(f"Wrote {out}: {made.rows:,} rows of {len(made.contents.rows)} tables, and {_counted(kept, 'file')}.")
    for path in dropped:
        say(f"Deleted {path}.")
    content = {"backup": out, "rows": made.contents.rows, "files": kept, "deleted": [str(path) for path in dropped]}
    write_json(json_path, content)


@app.command(epilog="Example: dropoff restore /var/backups/dropoff/monday.backup --check")
def restore(
    backup: Annotated[
        str, typer.Argument(metavar="BACKUP", help="A file, an address as s3://bucket/name, or - (a pipe).")
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Compare every file with its digest, say what is in it, change nothing.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the database's rows, and models, policies and secrets.")
    ] = False,
    json_path: JsonOption = None,
) -> None:
    """Put a backup in place: all of it, or nothing.

    Stop the service first. DROPOFF_HOME and DROPOFF_DATABASE_URL say where to; the database may be of another kind than
    the one that was kept. Who was erased since, as far as the replaced database knows, is erased again.
    """
    from console.terminal import progress, say, write_json
    from features.output import require_writable
    from serving.configuration import Configuration
    from serving.redis_clearing import clear_redis
    from serving.redis_visitors import check_redis_address
    from serving.times import show_time
    from storage.backup.archive import open_archive
    from storage.backup.place import reading_from
    from storage.backup.restore import restore as run
    from storage.history import account

    configuration = Configuration.from_environment()
    if json_path is not None:
        require_writable(json_path)
    if configuration.redis_url:
        check_redis_address(configuration.redis_url)
    with progress() as report, reading_from(backup) as file:
        report("comparing with the digests", 0.0)
        with open_archive(file, backup) as archive:
            restored = None
            if not check:
                address, home = configuration.address, configuration.home
                restored = run(archive, address, home, replace=replace, actor=account(), progress=report)
    rows, tables = sum(archive.contents.rows.values()), len(archive.contents.rows)
    files = len(archive.names("home"))
    made_at = show_time(archive.header.made_us)
    say(f"Made at {made_at} by dropoff {archive.header.dropoff}; every file is as it was made.")
    told = f"{rows:,} rows of {tables} tables{_kind(archive.header.database)}, and {_counted(files, 'file')}"
    say(f"It holds {told}." if restored is None else f"Restored {told}.")
    content: dict[str, object] = {"made_at": made_at, "dropoff": archive.header.dropoff, "files": files}
    content["rows"] = archive.contents.rows
    if restored is not None:
        for line in _describe(restored):
            say(line)
        if configuration.redis_url:
            say(f"Emptied {_counted(clear_redis(configuration.redis_url), 'visitor')} out of Redis.")
        content |= {"erased": restored.erased, "keys": restored.keys, "given_up": restored.given_up}
    write_json(json_path, content)


def _describe(restored: "Restored") -> Iterator[str]:
    if restored.erased is not None and restored.keys is not None:
        erased, keys = _counted(restored.erased, "visitor"), _counted(restored.keys, "key")
        yield f"Erased again: {erased}. Left as it was before: {keys}."
    elif restored.rows:
        yield "Who was erased since then is not known here, nor which keys were revoked: do both again."
    if restored.given_up:
        yield f"Given up: {_counted(restored.given_up, 'follow-up')} that may have been sent since then."
        yield "`dropoff follow-ups JOURNEY --retry` sends them all the same."


def _kind(database: str) -> str:
    return f" of {database}" if database else ""


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + "s" * (count != 1)
