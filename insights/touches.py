"""Touches among the facts: which channels people came by, kept so that pages can credit them without the log.

``write_touches`` adds two tables to a folder:

* ``touches``: ``dimension`` (channel, source or campaign), ``person`` (a number), ``occurred_at, name``; a row for each
  touch, as ``insights.channels.touch_log`` defines it, those before sessions of others included.
* ``persons``: ``session, person``; a session of somebody without any touch has one, too.
"""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.log_files import touchpoints_beside
from features.source import CANONICAL, Source
from features.staging import Progress
from insights.channels.paths import Conversions, Touches
from insights.channels.touch_log import DIMENSIONS, person_sql, read_touch_log
from journeys.journey import Journey


def write_touches(
    path: Path,
    journey: Journey,
    folder: Path,
    *,
    source: Source = CANONICAL,
    memory_gb: float = 1.5,
    progress: Progress = lambda _phase, _fraction: None,
) -> None:
    """Write the tables of the log at ``path``, and of touchpoints beside it, next to ``folder/sessions.parquet``.

    Raises ``LogError``.
    """
    beside = touchpoints_beside(path)
    paths = (path,) if beside is None else (path, beside)
    with read_touch_log(paths, goals=journey.ends.goal, source=source, memory_gb=memory_gb, progress=progress) as log:
        every = " UNION ALL ".join(f"SELECT '{by}' AS dimension, * FROM ({log.touches_sql(by)})" for by in DIMENSIONS)
        log.connection.execute(
            f"COPY (SELECT dimension, code AS person, make_timestamptz(at_us) AS occurred_at, name FROM ({every}) "
            f"JOIN persons USING (person) ORDER BY dimension, code, at_us, event_id) "
            f"TO {_text(folder / 'touches.parquet')} (FORMAT parquet, COMPRESSION zstd)"
        )
        log.connection.execute(
            f"COPY (SELECT session, code AS person FROM (SELECT session, {person_sql()} AS person "
            f"FROM {_text(folder / 'sessions.parquet')} LEFT JOIN known USING (visitor_id)) "
            f"JOIN persons USING (person) ORDER BY session) TO {_text(folder / 'persons.parquet')} "
            "(FORMAT parquet, COMPRESSION zstd)"
        )


def load_touches(connection: duckdb.DuckDBPyConnection, by: str) -> Touches:
    """Return the touches of facts, told apart by one dimension."""
    rows: pa.Table = connection.sql(
        f"SELECT person, epoch_us(occurred_at) AS at_us, name FROM touches WHERE dimension = '{by}'"
    ).to_arrow_table()
    names = pc.unique(rows["name"]).sort()
    channel = pc.index_in(rows["name"], value_set=names)
    person, at_us, channel = (np.asarray(one).astype(np.int64) for one in (rows["person"], rows["at_us"], channel))
    return Touches(tuple(names.to_pylist()), person, at_us, channel)


def load_stage(connection: duckdb.DuckDBPyConnection, stage_index: int) -> Conversions:
    """Return when each session of facts got to a stage, or past it."""
    return _conversions(
        connection,
        f"SELECT person, epoch_us(entered_at) AS at_us, 0.0 AS value FROM stages JOIN persons USING (session) "
        f"WHERE stage_index = {stage_index}",
    )


def load_goals(connection: duckdb.DuckDBPyConnection, journey: Journey) -> Conversions:
    """Return every event of facts that is the journey's goal, with its session's value at the first of a session."""
    goals = ", ".join("'" + name.replace("'", "''") + "'" for name in journey.ends.goal)
    return _conversions(
        connection,
        "SELECT person, epoch_us(occurred_at) AS at_us, CASE WHEN nth = 1 THEN coalesce(value, 0.0) ELSE 0.0 END "
        "AS value FROM (SELECT session, occurred_at, place, row_number() OVER (PARTITION BY session ORDER BY place) "
        f"AS nth FROM events WHERE name IN ({goals})) JOIN sessions USING (session) JOIN persons USING (session)",
    )


def _conversions(connection: duckdb.DuckDBPyConnection, query: str) -> Conversions:
    rows: pa.Table = connection.sql(f"{query} ORDER BY ALL").to_arrow_table()
    person, at_us = (np.asarray(rows[name]).astype(np.int64) for name in ("person", "at_us"))
    return Conversions(person, at_us, np.asarray(rows["value"]).astype(np.float64))


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
