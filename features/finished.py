"""Results that appear under their names only when they are whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from features.store_path import remove_folder


@contextmanager
def finished(out: Path) -> Iterator[Path]:
    """Yield where to write a file or a folder; it is ``out`` once the block has ended, and gone where that raises.

    The parent folder is made. What is left of an earlier attempt goes.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.unfinished")
    _remove(unfinished)
    try:
        yield unfinished
        unfinished.replace(out)
    finally:
        _remove(unfinished)


def _remove(path: Path) -> None:
    if path.is_dir():
        remove_folder(path)
    else:
        path.unlink(missing_ok=True)
