"""The file of a backup: a tar that tells at its front what it is and at its end what it must hold.

Layout: ``backup.json`` (:class:`Header`), then ``database/TABLE/NUMBER.parquet`` and ``home/AREA/...``, then
``contents.json`` (:class:`Contents`) with the SHA-256 of every other file. One that was cut short lacks its end.
"""

import hashlib
import io
import shutil
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, cast

import msgspec

FORMAT = 1
HEADER, CONTENTS = "backup.json", "contents.json"
DATABASE, HOME = "database", "home"
_CHUNK_BYTES = 1 << 20


class BackupError(ValueError):
    """A backup cannot be written or used; one sentence that says why, and what to do."""


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup is: the ``revision`` of its tables, and the last number that each numbered table has given."""

    format: int
    dropoff: str
    made_us: int
    database: str
    revision: str | None = None
    sequences: dict[str, int] = {}


class Contents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup holds: the SHA-256 of each file, and the rows of each table."""

    files: dict[str, str]
    rows: dict[str, int]


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a backup: its name, its permissions and its content."""

    name: str
    mode: int
    content: IO[bytes]

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the folders that it lies in, and its own."""
        return PurePosixPath(self.name).parts


class _Forward:
    """A file that is written front to back; what tarfile has for that writes once more where writing has failed."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._written = 0

    def write(self, content: bytes) -> int:
        """Append to it."""
        self._out.write(content)
        self._written += len(content)
        return len(content)

    def tell(self) -> int:
        """Return how much has been written."""
        return self._written


class ArchiveWriter:
    """Writes a backup front to back, so that ``out`` may be a pipe; :meth:`close` makes it whole."""

    def __init__(self, out: IO[bytes], header: Header) -> None:
        self._tar = tarfile.open(fileobj=cast("IO[bytes]", _Forward(out)), mode="w:", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._made_seconds = header.made_us // 1_000_000
        self._files: dict[str, str] = {}
        self._rows, self._parts = Counter[str](), Counter[str]()
        self.add(HEADER, msgspec.json.encode(header))

    def add(self, name: str, content: bytes, mode: int = 0o600) -> None:
        """Append a file."""
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = len(content), mode & 0o777, self._made_seconds
        self._tar.addfile(member, io.BytesIO(content))
        self._files[name] = hashlib.sha256(content).hexdigest()

    def add_rows(self, table: str, content: bytes, rows: int) -> None:
        """Append the next part of a table's rows, a Parquet file."""
        self.add(f"{DATABASE}/{table}/{self._parts[table]:06}.parquet", content)
        self._parts[table] += 1
        self._rows[table] += rows

    def close(self) -> Contents:
        """Append what the backup must hold, and return it."""
        contents = Contents(self._files, dict(self._rows))
        self.add(CONTENTS, msgspec.json.encode(contents))
        self._tar.close()
        return contents


@dataclass(frozen=True, slots=True)
class Archive:
    """A backup whose every file has been compared with its digest."""

    header: Header
    contents: Contents
    _file: IO[bytes]

    def members(self, folder: str) -> Iterator[Member]:
        """Yield the files of ``database`` or ``home`` in their order; each can be read until the next is asked for."""
        yield from (member for member in _members(self._file) if member.parts[0] == folder)

    def names(self, *parts: str) -> list[str]:
        """Return the names of all files in a folder."""
        return [name for name in self.contents.files if PurePosixPath(name).parts[: len(parts)] == parts]


@contextmanager
def open_archive(file: IO[bytes], shown: str) -> Iterator[Archive]:
    """Yield the backup that a file is, compared with its digests; what comes through a pipe is kept aside for it.

    Raises :class:`BackupError` for one that is none, was cut short, or was changed.
    """
    with tempfile.TemporaryFile() as kept:
        if not file.seekable():
            shutil.copyfileobj(file, kept, _CHUNK_BYTES)
            file = kept
        yield _checked(file, shown)


def _checked(file: IO[bytes], shown: str) -> Archive:
    files: dict[str, str] = {}
    header = contents = None
    try:
        for member in _members(file):
            if member.name == HEADER:
                header = _header(member.content.read(), shown)
                member.content.seek(0)
            if member.name == CONTENTS:
                contents = msgspec.json.decode(member.content.read(), type=Contents)
                continue
            if contents is not None or member.name in files:
                raise BackupError(f"{shown} was changed after it was made ({member.name}): take another backup")
            if header is None:
                break
            files[member.name] = hashlib.file_digest(member.content, "sha256").hexdigest()  # type: ignore[arg-type]
    except (tarfile.TarError, EOFError, msgspec.DecodeError) as error:
        raise BackupError(f"{shown} is damaged, or no backup ({error}): take another one") from error
    if header is None:
        raise BackupError(f"{shown} is no backup of dropoff: give a file that `dropoff backup` wrote")
    if contents is None:
        raise BackupError(f"{shown} was cut short: take another backup")
    changed = sorted(name for name in {*files, *contents.files} if files.get(name) != contents.files.get(name))
    if changed:
        raise BackupError(f"{shown} was changed after it was made ({', '.join(changed[:3])}): take another backup")
    return Archive(header, contents, file)


def _header(content: bytes, shown: str) -> Header:
    told = msgspec.json.decode(content)
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise BackupError(f"{shown} was made by another version of dropoff: restore it with that one, or a newer one")
    return msgspec.convert(told, Header)


def _members(file: IO[bytes]) -> Iterator[Member]:
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for found in tar:
            content = tar.extractfile(found) if found.isreg() else None
            path = PurePosixPath(found.name)
            if content is None or path.is_absolute() or ".." in path.parts:
                raise tarfile.TarError(f"it holds {found.name!r}, which no backup does")
            yield Member(found.name, found.mode & 0o777, content)
