"""What must be known about a text file before DuckDB reads it: its header as CSV, and that no line is endless."""

import csv
import gzip
import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

DELIMITERS = ",;\t|"
_LONGEST_HEADER_BYTES = 1 << 20
_PEEK_BYTES = 1 << 16
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class TextFileError(ValueError):
    """A file cannot be read as lines of text; one sentence that says why."""


@dataclass(frozen=True, slots=True)
class CsvHeader:
    """The delimiter, the names of the columns, and how many empty lines stand before them."""

    delimiter: str
    names: tuple[str, ...]
    skipped: int


def read_header(file: Path) -> CsvHeader:
    """Return the header of a file, with no names where all of it is empty; raises :class:`TextFileError`."""
    skipped, line = _first_line(file)
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TextFileError("its first line is no text in UTF-8") from error
    if "\0" in text:
        raise TextFileError("its first line holds NUL bytes, so it is no text in UTF-8")
    delimiter, cells = max(
        ((delimiter, _cells(text, delimiter)) for delimiter in DELIMITERS), key=lambda pair: len(pair[1])
    )
    names = tuple(name or f"column{place}" for place, name in enumerate(cells))
    folded = [name.casefold() for name in names]
    twice = next((name for name in names if folded.count(name.casefold()) > 1), None)
    if twice is not None:
        raise TextFileError(f"its header names the column {twice!r} twice")
    return CsvHeader(delimiter, names, skipped)


def require_short_lines(file: Path, window_bytes: int) -> None:
    """Raise :class:`TextFileError` for any line of two windows or more, and for none that is shorter than a window.

    DuckDB passes over a line that is longer than its buffer without a word.
    """
    try:
        with _opened(file) as content:
            for start in itertools.count(0, window_bytes):
                content.seek(start)
                begun = content.read(min(_PEEK_BYTES, window_bytes))
                if not begun:
                    return
                if _holds_line_end(begun):
                    continue
                rest = content.read(window_bytes - len(begun))
                if not _holds_line_end(rest) and len(begun) + len(rest) == window_bytes:
                    size = f"{window_bytes >> 20} MB"
                    raise TextFileError(f"the line around byte {start:,} is longer than {size}; shorten or remove it")
    except (OSError, EOFError) as error:
        raise TextFileError(str(error)) from error


def _holds_line_end(content: bytes) -> bool:
    return b"\n" in content or b"\r" in content


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    with ExitStack() as stack:
        content: IO[bytes] = stack.enter_context(file.open("rb"))
        if file.name.lower().endswith(".gz"):
            content = cast("IO[bytes]", stack.enter_context(gzip.open(content)))
        yield content


def _first_line(file: Path) -> tuple[int, bytes]:
    try:
        with _opened(file) as content:
            begun = content.read(_LONGEST_HEADER_BYTES).removeprefix(_BYTE_ORDER_MARK)
    except (OSError, EOFError) as error:
        raise TextFileError(str(error)) from error
    lines = begun.splitlines()
    skipped = next((place for place, line in enumerate(lines) if line.strip()), len(lines))
    return skipped, lines[skipped] if skipped < len(lines) else b""


def _cells(text: str, delimiter: str) -> list[str]:
    return next(csv.reader([text], delimiter=delimiter), [])
