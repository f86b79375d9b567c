"""Paths in object stores, such as ``s3://bucket/log``: fsspec reads and writes them, also for DuckDB."""

import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PosixPath
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb
    from fsspec import AbstractFileSystem

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://.")
_SQUEEZED = re.compile(r"^([a-z][a-z0-9+.-]+):/(?!/)")
_PASSWORD = re.compile(r"(://[^/@:]*):[^/@]*@")
_EXTRAS = {"s3": "s3", "s3a": "s3", "memory": "cluster"}
# What is read at once: fsspec's own 50 MB would fetch most of a file to look at its first line.
_BLOCK_BYTES = 1 << 20
# These have no folders that could be made, and making one would make the bucket where a name is mistyped.
_FLAT = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "r2", "http", "https"})


class StoreError(OSError):
    """An object store cannot be reached, or refuses; one sentence that says why."""


class StorePath(PosixPath):
    """A path that fsspec knows; its text is its address, and files are read and written as those of any path."""

    __slots__ = ("_size",)
    _size: int

    def __str__(self) -> str:
        return _SQUEEZED.sub(r"\1://", super().__str__())

    def __fspath__(self) -> str:
        return str(self)

    @property
    def scheme(self) -> str:
        """What stands before ``://``."""
        return self.parts[0].rstrip(":")

    def filesystem(self) -> "AbstractFileSystem":
        """Return fsspec's file system; raises :class:`StoreError` where a package for it is missing."""
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise StoreError(f"{self} needs a package more: {_installing(self.scheme)}") from error
        try:
            found: AbstractFileSystem = url_to_fs(str(self))[0]
        except (ImportError, ValueError) as error:
            raise StoreError(f"{self} cannot be opened ({error}): {_installing(self.scheme)}") from error
        return found

    def exists(self, *, follow_symlinks: bool = True) -> bool:  # noqa: ARG002 (a store has no links)
        """Whether there is a file or a folder; raises :class:`StoreError` where nobody can tell."""
        return self._info() is not None

    def is_file(self, *, follow_symlinks: bool = True) -> bool:  # noqa: ARG002
        """Whether it is a file; raises :class:`StoreError` where nobody can tell."""
        return (self._info() or {}).get("type") == "file"

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:  # noqa: ARG002
        """Whether files lie below it; raises :class:`StoreError` where nobody can tell."""
        return (self._info() or {}).get("type") == "directory"

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:  # noqa: ARG002
        """Return the size, and nothing else of interest; raises FileNotFoundError and :class:`StoreError`."""
        size = getattr(self, "_size", None)
        if size is None:
            info = self._info()
            if info is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self))
            size = int(info.get("size") or 0)
        return os.stat_result((stat.S_IFREG, 0, 0, 0, 0, 0, size, 0, 0, 0))

    def files(self) -> Iterator["StorePath"]:
        """Yield all files below, ordered by their names."""
        with asking(self):
            store = self.filesystem()
            store.invalidate_cache()
            listed = store.find(str(self), detail=True)
        for name, info in sorted(listed.items()):
            found = StorePath(store.unstrip_protocol(name))
            found._size = int(info.get("size") or 0)
            yield found

    def iterdir(self) -> Iterator["StorePath"]:  # type: ignore[override]
        """Yield what lies right below."""
        return self.glob("*")

    def glob(self, pattern: str, **_options: Any) -> Iterator["StorePath"]:  # type: ignore[override]
        """Yield what matches below."""
        with asking(self):
            store = self.filesystem()
            store.invalidate_cache()
            found = store.glob(f"{self}/{pattern}")
        yield from (StorePath(store.unstrip_protocol(name)) for name in sorted(found))

    def open(  # type: ignore[override]
        self,
        mode: str = "r",
        buffering: int = -1,  # noqa: ARG002 (fsspec chooses)
        encoding: str | None = None,
        **options: Any,
    ) -> IO[Any]:
        """Open the file; raises FileNotFoundError and :class:`StoreError`."""
        texts = {} if "b" in mode else {"encoding": encoding, **options}
        with asking(self):
            # Stores take parts of 5 MB or more, so what is written goes in fsspec's own blocks.
            sizes = {"block_size": _BLOCK_BYTES} if "r" in mode else {}
            opened: IO[Any] = self.filesystem().open(str(self), mode, **sizes, **texts)
        return opened

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:  # noqa: ARG002
        """Make the folder where the store has any."""
        if self.scheme not in _FLAT:
            with asking(self):
                self.filesystem().makedirs(str(self), exist_ok=True)

    def replace(self, target: "str | os.PathLike[str]") -> "StorePath":
        """Give a file, or a folder with all in it, another name in the same store; object stores copy to do so."""
        new = StorePath(target)
        # A folder of an object store is nothing but the beginning of its files' names.
        files = list(self.files()) if self.is_dir() else [self]
        with asking(self):
            for file in files:
                self.filesystem().mv(str(file), str(new if file is self else new / file.relative_to(self)))
        return new

    def rename(self, target: "str | os.PathLike[str]") -> "StorePath":
        """Do as :meth:`replace` does."""
        return self.replace(target)

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the file."""
        if missing_ok and not self.exists():
            return
        with asking(self):
            self.filesystem().rm_file(str(self))

    def resolve(self, strict: bool = False) -> "StorePath":  # noqa: ARG002
        """Return the path itself, which is absolute."""
        return self

    def absolute(self) -> "StorePath":
        """Return the path itself, which is absolute."""
        return self

    def _info(self) -> Mapping[str, Any] | None:
        with asking(self):
            store = self.filesystem()
            store.invalidate_cache()
            # fsspec's own questions answer "no" whatever went wrong.
            try:
                found: Mapping[str, Any] = store.info(str(self))
            except FileNotFoundError:
                return None
        return found


def to_path(text: str) -> Path:
    """Return the path that somebody has written: an address such as ``s3://bucket/log``, or one of this machine."""
    if text.startswith("file://"):
        return Path(text.removeprefix("file://"))
    return StorePath(text) if _ADDRESS.match(text) else Path(text)


def without_password(path: Path) -> str:
    """Return the text of a path for what others read: an address such as ``sftp://name:word@host`` has a password."""
    return _PASSWORD.sub(r"\1@", str(path)) if isinstance(path, StorePath) else str(path)


def was_address(path: Path) -> bool:
    """Whether a path of this machine can only be meant as an address: a first folder such as ``s3:`` that is absent."""
    return not isinstance(path, StorePath) and bool(_SQUEEZED.match(str(path))) and not Path(path.parts[0]).exists()


def files_below(folder: Path) -> Iterator[Path]:
    """Yield all files of a folder and of those in it."""
    if isinstance(folder, StorePath):
        yield from folder.files()
    else:
        yield from (file for file in folder.rglob("*") if file.is_file())


def remove_folder(folder: Path) -> None:
    """Remove a folder and all that lies in it."""
    if isinstance(folder, StorePath):
        if folder.exists():
            with asking(folder):
                folder.filesystem().rm(str(folder), recursive=True)
    else:
        shutil.rmtree(folder)


def register_store(connection: "duckdb.DuckDBPyConnection", *paths: Path) -> None:
    """Let a connection read and write where paths in object stores lie; raises :class:`StoreError`."""
    for path in paths:
        if isinstance(path, StorePath):
            store = path.filesystem()
            name = store.protocol if isinstance(store.protocol, str) else store.protocol[0]
            if name not in connection.list_filesystems():
                connection.register_filesystem(store)


@contextmanager
def asking(path: StorePath) -> Iterator[None]:
    """Turn what the library of a store raises into one sentence; a file that is not there stays one."""
    try:
        yield
    except (StoreError, FileNotFoundError):
        raise
    # Each store's library has errors of its own.
    except Exception as error:
        said = str(error).strip().splitlines()
        raise StoreError(f"{path} cannot be reached: {said[0] if said else type(error).__name__}") from error


def _installing(scheme: str) -> str:
    return (
        f"pip install 'dropoff[{_EXTRAS[scheme]}]'" if scheme in _EXTRAS else f"install fsspec's package for {scheme}"
    )
