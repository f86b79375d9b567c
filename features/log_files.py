"""The files of a log: a file or a folder, in formats that their names tell."""

import re
from collections.abc import Mapping
from pathlib import Path

from features.store_path import files_below

FORMATS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".jsonl.gz": "json",
    ".ndjson.gz": "json",
    ".json.gz": "json",
}
EVENTS_FOLDER, TOUCHPOINTS_FOLDER = "events", "touchpoints"
"""A folder that holds both is a log of sessions beside touchpoints outside of them, as ``dropoff simulate`` writes."""


_RAISED = re.compile(r"[A-Za-z_.]+(Error|Exception)?: ")


class LogError(ValueError):
    """A log cannot be read at all; one sentence that says what to do."""


def find_files(path: Path, endings: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Return the log's files in the order of their names; raises :class:`LogError`.

    ``endings`` are endings of names by format, besides :data:`FORMATS`.

    Of a folder with touchpoints beside its events, these are the files of the events: a touchpoint is no session.
    """
    if not path.exists():
        raise LogError(f"there is no log at {path}; give a Parquet, CSV or JSON Lines file, or a folder of them")
    if path.is_file():
        format_of(path, endings)
        return (path,)
    path = path if touchpoints_beside(path) is None else path / EVENTS_FOLDER
    files = tuple(sorted(file for file in files_below(path) if is_part(file, path, endings)))
    if not files:
        raise LogError(f"the folder {path} holds no log; its files should end in {', '.join(_known(endings))}")
    return files


def touchpoints_beside(path: Path) -> Path | None:
    """Return the folder of touchpoints that stands beside the events in a log's folder; None where there is none."""
    both = (path / EVENTS_FOLDER).is_dir() and (path / TOUCHPOINTS_FOLDER).is_dir()
    return path / TOUCHPOINTS_FOLDER if both else None


def is_part(file: Path, folder: Path, endings: Mapping[str, str] | None = None) -> bool:
    """Whether a log in a folder is read from this file of it; what begins with a dot or an underscore is left out."""
    hidden = any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
    return not hidden and bool(_suffix(file, endings))


def _known(endings: Mapping[str, str] | None) -> Mapping[str, str]:
    return {**FORMATS, **(endings or {})}


def _suffix(path: Path, endings: Mapping[str, str] | None) -> str:
    name = path.name.lower()
    return next((suffix for suffix in sorted(_known(endings), key=len, reverse=True) if name.endswith(suffix)), "")


def format_of(path: Path, endings: Mapping[str, str] | None = None) -> str:
    """Return the format that a file's name tells; raises :class:`LogError`."""
    suffix, known = _suffix(path, endings), _known(endings)
    if not suffix:
        raise LogError(f"{path} is in no format that can be read; its name should end in {', '.join(known)}")
    return known[suffix]


def first_line(error: Exception) -> str:
    """Return what an error of DuckDB's says, in one line."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    # What a store's library raised arrives as its whole traceback, and after it the query.
    raised = [line for line in lines if _RAISED.match(line)] if lines[0].startswith("Traceback") else []
    return (raised or lines)[0][:300]
