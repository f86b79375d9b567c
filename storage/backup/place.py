"""Where backups lie: a file, a folder that keeps the latest, an object store, or a pipe."""

import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, cast

from features.store_path import StoreError, StorePath, asking, to_path
from storage.backup.archive import BackupError

PIPE = "-"
_NAME = "dropoff-%Y%m%dT%H%M%SZ.backup"
_NAMED = re.compile(r"dropoff-\d{8}T\d{6}Z\.backup")
_LEFT_BEHIND = re.compile(rf"\.{_NAMED.pattern}-\w+")
_ABANDONED_SECONDS = 86_400.0


def file_in(folder: Path, now: datetime | None = None) -> Path:
    """Return the path of the backup that is made now in a folder."""
    return folder / (now or datetime.now(UTC)).strftime(_NAME)


@contextmanager
def writing_to(where: str) -> Iterator[IO[bytes]]:
    """Yield the file to write a backup to; where the block raises, nothing is left, and what was there stays.

    It can be read by its owner only. What is no file but takes bytes, such as a named pipe, gets them as they come.
    Raises :class:`BackupError`, and ``features.store_path.StoreError``.
    """
    if where == PIPE:
        if sys.stdout.isatty():
            raise BackupError("a backup is no text for a terminal: write it to a file, or into a pipe")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = to_path(where)
    if isinstance(path, StorePath):
        with _storing(path) as stored:
            yield stored
        return
    if path.exists() and not path.is_file():
        # Another file in its place would take it away from whoever reads there.
        with path.open("wb") as taking:
            yield taking
        return
    path = path.resolve()
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
    """Yield the file of a backup; raises :class:`BackupError` where there is none, and ``StoreError``."""
    if where == PIPE:
        yield sys.stdin.buffer
        return
    path = to_path(where)
    if not path.exists() or path.is_dir():
        raise BackupError(f"there is no backup at {where}: give the file that `dropoff backup` wrote")
    with path.open("rb") as file:
        yield file


def drop_older(folder: Path, keep: int) -> list[Path]:
    """Delete all but the latest backups that were named by their time in a folder, and return which.

    What one left behind that was ended by force goes too, once it is a day old.
    """
    named = sorted(path for path in folder.iterdir() if _NAMED.fullmatch(path.name))
    older = named[:-keep]
    left = (path for path in folder.iterdir() if _LEFT_BEHIND.fullmatch(path.name))
    older += (path for path in left if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS)
    for path in older:
        path.unlink(missing_ok=True)
    return older


class _Stored:
    """What is being written into an object store, whose library's mistakes become one sentence."""

    def __init__(self, path: StorePath, file: IO[bytes]) -> None:
        self._path = path
        self._file = file

    def write(self, content: bytes) -> int:
        """Append to it."""
        with _writing_at(self._path):
            return self._file.write(content)


@contextmanager
def _storing(path: StorePath) -> Iterator[IO[bytes]]:
    files = path.filesystem()
    with ExitStack() as opened:
        with _writing_at(path):
            # Committed at its end: a block that raises leaves what was there.
            opened.enter_context(files.transaction)
            file = opened.enter_context(files.open(str(path), "wb"))
        yield cast("IO[bytes]", _Stored(path, file))
        with _writing_at(path):
            opened.close()


@contextmanager
def _writing_at(path: StorePath) -> Iterator[None]:
    try:
        with asking(path):
            yield
    except FileNotFoundError as error:
        raise StoreError(f"{path} cannot be written: {error}") from error
