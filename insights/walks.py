"""Sessions as walks over events: arrays of event names, read once for everything that looks at their order."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features.events import CodeArray, FloatArray, IntArray

OUTCOMES = ("goal", "abandoned", "competing", "open")
DAY_ZERO = date(1970, 1, 1)
_LARGEST = 1 << 63


@dataclass(frozen=True)
class Walks:
    """``S`` sessions and their ``N`` events, session ``s`` owning ``starts[s]:starts[s + 1]`` in their order.

    ``codes`` (N,) are places in ``names``, ``thing_codes`` (N,) in ``things``, which are names with the elements that
    the events were about; ``gap_seconds`` (N,) since the event before, NaN for the first;
    ``outcomes`` (S,) places in :data:`OUTCOMES`, ``furthest`` (S,) the furthest stage, ``days`` (S,) the local day of
    the start, counted from 1970.
    """

    names: tuple[str, ...]
    things: tuple[tuple[str, str | None], ...]
    starts: IntArray
    codes: CodeArray
    thing_codes: CodeArray
    gap_seconds: FloatArray
    outcomes: IntArray
    furthest: IntArray
    days: IntArray

    @cached_property
    def owners(self) -> IntArray:
        """(N,) the session of each event."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    @property
    def abandoned(self) -> NDArray[np.bool_]:
        """(S,) whether a session was abandoned."""
        abandoned: NDArray[np.bool_] = self.outcomes == OUTCOMES.index("abandoned")
        return abandoned


def tell_apart(rows: IntArray, count: int) -> tuple[IntArray, IntArray, IntArray]:
    """Return the kinds of rows (K, width) of codes from -1 to ``count``, which kind each row is, and how many it has.

    Kinds ascend. Rows become one number each, which sorts much faster than rows do.
    """
    if (count + 1) ** rows.shape[1] >= _LARGEST:
        kinds, which, times = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
        return kinds, which.ravel(), times
    keys = np.zeros(len(rows), np.int64)
    for column in rows.T:
        keys = keys * (count + 1) + column + 1
    _, first, which, times = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    return rows[first], which.ravel(), times


def read_walks(connection: duckdb.DuckDBPyConnection) -> Walks:
    """Return the walks of the views of ``insights.facts``; sessions without an event are left out."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE things AS SELECT name, element, "
        "CAST(row_number() OVER (ORDER BY name, element) - 1 AS INTEGER) AS code "
        "FROM (SELECT DISTINCT name, element FROM events)"
    )
    things = connection.execute("SELECT name, element FROM things ORDER BY code").fetchall()
    names = tuple(dict.fromkeys(str(name) for name, _ in things))
    name_of = np.array([names.index(name) for name, _ in things], np.int32)
    events: pa.Table = connection.sql(
        "SELECT session, place, code, gap_seconds FROM events JOIN things "
        "ON events.name = things.name AND events.element IS NOT DISTINCT FROM things.element"
    ).to_arrow_table()
    sessions, places = events["session"].to_numpy(), events["place"].to_numpy()
    # Facts are written in this order, and a join mostly keeps it.
    moved, follows = np.diff(sessions), np.diff(places) > 0
    order = slice(None) if ((moved > 0) | ((moved == 0) & follows)).all() else np.lexsort((places, sessions))
    sessions = sessions[order]
    begins = np.flatnonzero(np.append(True, sessions[1:] != sessions[:-1])) if len(sessions) else np.array([], int)
    thing_codes = events["code"].to_numpy()[order]
    listed = ", ".join(f"'{outcome}'" for outcome in OUTCOMES)
    about: pa.Table = connection.sql(
        f"SELECT session, CAST(list_position([{listed}], outcome) - 1 AS BIGINT) AS outcome, "
        f"CAST(stage_index AS BIGINT) AS furthest, CAST(local_day - DATE '{DAY_ZERO}' AS BIGINT) AS day FROM sessions"
    ).to_arrow_table()
    known = about["session"].to_numpy()
    by_session = np.argsort(known)
    rows = by_session[np.searchsorted(known, sessions[begins], sorter=by_session)]
    return Walks(
        names=names,
        things=tuple(things),
        starts=np.append(begins, len(sessions)).astype(np.int64),
        codes=name_of[thing_codes],
        thing_codes=thing_codes,
        gap_seconds=events["gap_seconds"].to_numpy()[order],
        outcomes=about["outcome"].to_numpy()[rows],
        furthest=about["furthest"].to_numpy()[rows],
        days=about["day"].to_numpy()[rows],
    )
