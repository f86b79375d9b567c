"""Check before long work that its result can be written, and that it will not replace what is read."""

import tempfile
from collections.abc import Collection
from pathlib import Path
from uuid import uuid4

from features.log_files import FORMATS, is_part
from features.store_path import StorePath, was_address

_PARTS_OF_A_FILE = 3
"""The scheme, the bucket or host, and a name."""


class OutputError(ValueError):
    """A result cannot be written there; one sentence that says why."""


def require_writable(out: Path, *, log: Path | None = None, suffixes: Collection[str] = ()) -> None:
    """Make the folder of a file that will be written; raises :class:`OutputError` where it cannot be.

    The file must not be the log, nor lie in the log's folder under a name that the log would be read from.
    """
    if suffixes and not out.name.lower().endswith(tuple(suffixes)):
        raise OutputError(f"{out} should end in {' or '.join(suffixes)}")
    _require_inside(out)
    if out.is_dir():
        raise OutputError(f"{out} is a folder; give the path of a file")
    if log is not None:
        _keep_apart(out, log)
    require_folder(out.parent)


def require_new_folder(out: Path, *, log: Path) -> None:
    """Make the parent of a folder that will be written; raises :class:`OutputError` where there is something already.

    The folder must not lie in the log's, from which its files would be read, nor be called as a file is.
    """
    if out.name.lower().endswith(tuple(FORMATS)):
        raise OutputError(
            f"{out} is no name of a folder; name one without such an ending, or a file that ends in .parquet"
        )
    _require_inside(out)
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise OutputError(f"{out} is there already; name a new folder, or a file that ends in .parquet")
    _keep_apart(out / "part.parquet", log)
    require_folder(out.parent)


def require_folder(folder: Path) -> None:
    """Make a folder; raises :class:`OutputError` where it cannot be made or nothing can be written into it."""
    if was_address(folder):
        raise OutputError(
            f"{folder} is in an object store, into which this is not written; give a path of this machine"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(folder, StorePath):
            probe = folder / f".dropoff-{uuid4().hex}"
            probe.write_bytes(b"")
            probe.unlink()
        else:
            with tempfile.TemporaryFile(dir=folder):
                pass
    except OSError as error:
        raise OutputError(f"nothing can be written into {folder}: {error.strerror or error}") from error


def _require_inside(out: Path) -> None:
    if isinstance(out, StorePath) and len(out.parts) < _PARTS_OF_A_FILE:
        raise OutputError(f"{out} is all of a store; name something in it, such as {out}/results")


def _keep_apart(out: Path, log: Path) -> None:
    written, read = out.resolve(), log.resolve()
    if written == read:
        raise OutputError(f"{out} is the log itself; choose another file to write")
    if read.is_dir() and written.is_relative_to(read) and is_part(written, read):
        raise OutputError(
            f"{out} lies in {log} and would be read as a part of the log next time; choose another folder"
        )
