"""The truth about sessions: which blocker stood in the way of each, and whether it made the visitor leave."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from decisions.diagnosis import NOTHING
from features.events import IntArray, TextArray
from features.friction import Friction
from features.log_files import FORMATS, first_line
from features.table import nearest
from features.text_file import TextFileError, read_header

COLUMNS = ("session_id", "blocker", "caused_exit")
_GLOB = re.compile(r"([*?\[])")
_YES, _NO = ("true", "t", "yes", "1", "1.0"), ("false", "f", "no", "0", "0.0")


class TruthError(ValueError):
    """A truth file cannot be used; one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of T sessions: the place of each one's blocker among ``frictions``, -1 for none, (T,)."""

    path: Path
    frictions: tuple[Friction, ...]
    session_ids: TextArray
    blockers: IntArray
    caused_exit: NDArray[np.bool_]
    repeated: int
    """How many rows said again what an earlier one had said."""

    @property
    def planted(self) -> IntArray:
        """Places of the frictions that are some session's blocker, ascending."""
        found: IntArray = np.unique(self.blockers[self.blockers != NOTHING])
        return found

    def places(self, session_ids: Sequence[str] | TextArray) -> IntArray:
        """Return where each session (S,) stands in the truth, -1 for one that it does not know."""
        place = {session_id: number for number, session_id in enumerate(self.session_ids)}
        return np.array([place.get(session_id, -1) for session_id in session_ids], np.int64)


def read_truth(path: Path, frictions: tuple[Friction, ...], journey: str) -> Truth:
    """Return the truth in a Parquet, CSV or JSON Lines file; raises :class:`TruthError`.

    Its columns are ``session_id``, ``blocker`` (the name of a friction in any case; null, empty or ``none`` where there
    was none) and ``caused_exit`` (true or false); others are ignored.
    """
    rows = _read(path)
    places = {friction.name.casefold(): place for place, friction in enumerate(frictions)}
    unknown = Counter(blocker for _, blocker, _ in rows if blocker and blocker.casefold() not in places)
    if unknown:
        [(name, count)] = unknown.most_common(1)
        rows_of_it = f"{count:,} {'row' if count == 1 else 'rows'}"
        close = nearest(name.casefold(), list(places))
        raise TruthError(
            f"{path} names the blocker {name!r} ({rows_of_it}), of which no feature of {journey} gives evidence; "
            f"did you mean one of {', '.join(close)}? Rename it, or leave these sessions out"
        )
    known: dict[str, tuple[int, bool]] = {}
    for session_id, blocker, caused in rows:
        said = (places[blocker.casefold()] if blocker else NOTHING, caused)
        if known.setdefault(session_id, said) != said:
            raise TruthError(f"{path} says two different things about the session {session_id!r}; keep one row of it")
    told = list(known.values())
    return Truth(
        path,
        frictions,
        np.array(list(known), object),
        np.array([blocker for blocker, _ in told], np.int64),
        np.array([caused for _, caused in told], np.bool_),
        len(rows) - len(known),
    )


def _read(path: Path) -> list[tuple[str, str | None, bool]]:
    """Return session, blocker or None, and whether it caused the exit, row by row as the file has them."""
    reader, names = _reader(path)
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise TruthError(
            f"{path} lacks the column {missing[0]!r}; a truth file has the columns {', '.join(COLUMNS)}, "
            f"and this one has {', '.join(names) or 'none'}"
        )
    text = {name: f"trim(CAST({name} AS VARCHAR))" for name in COLUMNS}
    blocker = f"CASE WHEN lower({text['blocker']}) NOT IN ('', 'none') THEN {text['blocker']} END"
    try:
        with duckdb.connect() as connection:
            rows = connection.execute(
                f"SELECT {text['session_id']}, {blocker}, lower({text['caused_exit']}) FROM {reader}"
            ).fetchall()
    except duckdb.Error as error:
        raise TruthError(f"{path} cannot be read: {first_line(error)}") from error
    if not rows:
        raise TruthError(f"{path} holds no session; give the truth about at least one")
    return [_checked(path, *row) for row in rows]


def _checked(
    path: Path, session_id: str | None, blocker: str | None, caused: str | None
) -> tuple[str, str | None, bool]:
    if not session_id:
        raise TruthError(f"{path} has a row without a session_id; name the session or remove the row")
    if caused in _YES:
        if blocker is None:
            raise TruthError(f"{path} says that a blocker ended {session_id!r}, but not which one; name it")
        return session_id, blocker, True
    if caused in _NO or (not caused and blocker is None):
        return session_id, blocker, False
    raise TruthError(f"{path}: caused_exit of {session_id!r} is {caused or 'missing'!r}; write true or false")


def _reader(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the SQL that reads a file, and the names of its columns."""
    if not path.is_file():
        raise TruthError(f"there is no truth file at {path}; give a Parquet, CSV or JSON Lines file")
    suffix = next(
        (suffix for suffix in sorted(FORMATS, key=len, reverse=True) if path.name.lower().endswith(suffix)), ""
    )
    if not suffix:
        raise TruthError(f"{path} is in no format that can be read; its name should end in {', '.join(FORMATS)}")
    file = "'" + _GLOB.sub(r"[\1]", str(path)).replace("'", "''") + "'"
    match FORMATS[suffix]:
        case "parquet":
            reader = f"read_parquet({file})"
            return reader, _columns(path, reader)
        case "csv":
            try:
                header = read_header(path)
            except TextFileError as error:
                raise TruthError(f"{path} cannot be read as CSV: {error}") from error
            columns = ", ".join("'" + name.replace("'", "''") + "': 'VARCHAR'" for name in header.names)
            reader = (
                f"read_csv({file}, columns={{{columns}}}, header=true, delim='{header.delimiter}', quote='\"', "
                f"escape='\"', skip={header.skipped}, auto_detect=false)"
            )
            return reader, header.names
        case _:
            # As text, so that a session called 007 stays what it is called.
            wanted = ", ".join(f"'{name}': 'VARCHAR'" for name in COLUMNS)
            reader = f"read_json({file}, format='newline_delimited', columns={{{wanted}}})"
            return reader, _columns(path, f"read_json({file}, format='newline_delimited')")


def _columns(path: Path, reader: str) -> tuple[str, ...]:
    try:
        with duckdb.connect() as connection:
            return tuple(str(row[0]) for row in connection.execute(f"DESCRIBE SELECT * FROM {reader}").fetchall())
    except duckdb.Error as error:
        raise TruthError(f"{path} cannot be read: {first_line(error)}") from error
