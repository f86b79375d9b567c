"""Where backups lie: a file, a folder that keeps the latest, an object store, or a pipe."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from storage.backup.archive import BackupError

PIPE = "-"
_NAME = "dropoff-%Y%m%dT%H%M%SZ.backup"
_NAMED = re.compile(r"dropoff-\d{8}T\d{6}Z\.backup")


def is_url(where: str) -> bool:
    """Whether a place is an address in an object store, as ``s3://bucket/dropoff.backup``."""
    return "://" in where


def file_in(folder: Path, now: datetime | None = None) -> Path:
    """Return the path of the backup that is made now in a folder."""
    return folder / (now or datetime.now(UTC)).strftime(_NAME)


@contextmanager
def writing_to(where: str) -> Iterator[IO[bytes]]:
    """Yield the file to write a backup to; where the block raises, nothing is left, and what was there stays.

    It can be read by its owner only. Raises :class:`BackupError`.
    """
    if where == PIPE:
        if sys.stdout.isatty():
            raise BackupError("a backup is no text for a terminal: write it to a file, or into a pipe")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if is_url(where):
        with _storing(where) as stored:
            yield stored
        return
    path = Path(where)
    descriptor, prepared = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(prepared).rename(path)
    except BaseException:
        Path(prepared).unlink(missing_ok=True)
        raise


@contextmanager
def reading_from(where: str) -> Iterator[IO[bytes]]:
    """Yield the file of a backup; raises :class:`BackupError` where there is none."""
    if where == PIPE:
        yield sys.stdin.buffer
        return
    if is_url(where):
        files, path = _files_at(where)
        if not files.isfile(path):
            raise BackupError(f"there is no backup at {where}")
        with files.open(path, "rb") as stored:
            yield stored
        return
    if not Path(where).is_file():
        raise BackupError(f"there is no backup at {where}: give the file that `dropoff backup` wrote")
    with Path(where).open("rb") as file:
        yield file


def drop_older(folder: Path, keep: int) -> list[Path]:
    """Delete all but the latest backups that were named by their time in a folder, and return which."""
    named = sorted(path for path in folder.iterdir() if _NAMED.fullmatch(path.name))
    older = named[:-keep]
    for path in older:
        path.unlink()
    return older


@contextmanager
def _storing(where: str) -> Iterator[IO[bytes]]:
    files, path = _files_at(where)
    # Committed at its end: a block that raises leaves what was there.
    with files.transaction, files.open(path, "wb") as stored:
        yield stored


def _files_at(where: str) -> tuple[Any, str]:
    try:
        import fsspec

        files, path = fsspec.core.url_to_fs(where)
    except ImportError as error:
        raise BackupError(f"{where} needs what `pip install 'dropoff[s3]'` installs ({error})") from error
    except ValueError as error:
        raise BackupError(f"{where} is no address of a place for files: {error}") from error
    return files, path
