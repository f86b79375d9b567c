"""Logs as touches: which persons came by which channel, source or campaign, and when they reached the goal.

A **person** is the user of an event where it names one; else the one user that the visitor was ever known as; else the
visitor. Placeholders such as ``null`` are no users. All that the logs know counts, also what came later: credit is
given afterwards, while a person as of a moment (``features.identity``) decides what may be known live.

A **touch** is an unbroken run of a person's events that name one channel (source, campaign): it begins where the name
differs from that of the event before, where another session begins, and after a silence; its time is that of the first
event. So an e-mail that is opened and clicked is one touch, an on-site visit is one touch, and coming back to the site
after a call is another. Events without a name, and those that are the goal, are none.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.canonical_view import create_canonical, refusal_sql
from features.claims import placeholder_sql
from features.encode_sql import number_sql
from features.events import US_PER_SECOND
from features.import_log import keep_refused
from features.log_files import LogError, first_line
from features.raw_log import REJECTED, open_raw, require_closed_quotes
from features.read_log import ReadSummary
from features.source import CANONICAL, Source
from features.staging import Progress
from insights.channels.paths import NONE, Conversions, Touches

DIMENSIONS = ("channel", "source", "campaign")
"""What touches can be told apart by."""
SILENCE_SECONDS = 1_800.0
"""After a longer silence the same channel is another touch."""


@dataclass(frozen=True, slots=True)
class TouchLog:
    """Logs that have been read, as the tables ``seen`` (a row for each event), ``known`` and ``persons``."""

    connection: duckdb.DuckDBPyConnection
    summaries: tuple[ReadSummary, ...]
    goals: tuple[str, ...]
    silence_seconds: float

    def touches(self, by: str) -> Touches:
        """Return the touches, told apart by one of :data:`DIMENSIONS`."""
        query = self.touches_sql(by)
        names = tuple(name for (name,) in self.connection.execute(f"SELECT DISTINCT name FROM ({query})").fetchall())
        names = tuple(sorted(names))
        rows: pa.Table = self.connection.sql(
            f"SELECT code, at_us, name FROM ({query}) JOIN persons USING (person) ORDER BY code, at_us, event_id"
        ).to_arrow_table()
        places = pc.index_in(rows["name"], value_set=pa.array(names, pa.string()))
        return Touches(names, *(np.asarray(one).astype(np.int64) for one in (rows["code"], rows["at_us"], places)))

    def touches_sql(self, by: str) -> str:
        """Return the query of the touches: person, at_us, event_id, name."""
        goals = ", ".join(_text(goal) for goal in self.goals)
        silence_us = round(self.silence_seconds * US_PER_SECOND)
        return f"""SELECT person, at_us, event_id, name FROM (
            SELECT person, at_us, event_id, session_id, {by} AS name,
                lag(at_us) OVER before AS last_us, lag({by}) OVER before AS last_name,
                lag(session_id) OVER before AS last_session
            FROM seen WHERE {by} IS NOT NULL AND event NOT IN ({goals})
            WINDOW before AS (PARTITION BY person ORDER BY at_us, event_id))
            WHERE last_us IS NULL OR name <> last_name OR session_id IS DISTINCT FROM last_session
                OR at_us - last_us > {silence_us}"""

    def goals_reached(self) -> Conversions:
        """Return every event that is the goal, with its value; an event without one is worth 0."""
        goals = ", ".join(_text(goal) for goal in self.goals)
        return self._conversions(
            f"SELECT code, at_us, value FROM seen JOIN persons USING (person) WHERE event IN ({goals}) "
            "ORDER BY code, at_us, event_id"
        )

    def reached(self, rows: pa.Table) -> Conversions:
        """Return moments that were found elsewhere: rows of visitor_id, user_id, at_us; persons as in the log."""
        self.connection.register("reached_rows", rows)
        try:
            return self._conversions(
                f"SELECT coalesce(code, -1) AS code, at_us, 0.0 AS value FROM (SELECT at_us, "
                f"{person_sql()} AS person FROM reached_rows LEFT JOIN known USING (visitor_id)) "
                "LEFT JOIN persons USING (person) ORDER BY ALL"
            )
        finally:
            self.connection.unregister("reached_rows")

    def event_names(self) -> tuple[str, ...]:
        """Return the names of events that there are, the commonest first."""
        query = "SELECT event FROM seen GROUP BY event ORDER BY count(*) DESC, event"
        return tuple(name for (name,) in self.connection.execute(query).fetchall())

    def _conversions(self, query: str) -> Conversions:
        rows: pa.Table = self.connection.sql(query).to_arrow_table()
        code, at_us = (np.asarray(rows[name]).astype(np.int64) for name in ("code", "at_us"))
        return Conversions(code, at_us, np.asarray(rows["value"]).astype(np.float64))


def person_sql() -> str:
    """Return the SQL for the key of a row's person, where the row is joined with ``known`` by the visitor."""
    user_id = f"CASE WHEN NOT {placeholder_sql('user_id')} THEN user_id END"
    return f"coalesce('u' || {user_id}, 'u' || known_user, 'v' || visitor_id)"


@contextmanager
def read_touch_log(
    paths: Sequence[Path],
    *,
    goals: Sequence[str],
    value: str | None = None,
    silence_seconds: float = SILENCE_SECONDS,
    source: Source = CANONICAL,
    quarantine: Path | None = None,
    memory_gb: float = 2.0,
    threads: int = 2,
    progress: Progress = lambda _phase, _fraction: None,
) -> Iterator[TouchLog]:
    """Read one log or several, such as events and touchpoints; ``value`` is the property that says what a goal brings.

    Refused rows go to the JSON Lines file ``quarantine``. Raises ``LogError``.
    """
    with tempfile.TemporaryDirectory(prefix="dropoff-") as temporary:
        folder = Path(temporary)
        config: dict[str, str | int | float | list[str]] = {
            "threads": threads,
            "memory_limit": f"{memory_gb}GB",
            "temp_directory": str(folder / "spill"),
        }
        summaries = []
        for number, path in enumerate(paths):
            progress("reading touches", number / len(paths))
            with duckdb.connect(config=config) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                summaries.append(_stage(connection, path, folder, number, value, source, quarantine))
        with duckdb.connect(config=config) as connection:
            progress("telling persons apart", 0.0)
            _tell_persons_apart(connection, folder)
            yield TouchLog(connection, tuple(summaries), tuple(goals), silence_seconds)


def _stage(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    folder: Path,
    number: int,
    value: str | None,
    source: Source,
    quarantine: Path | None,
) -> ReadSummary:
    """Write the rows of one log into the folder, the refused ones with a reason, and which of them are duplicates."""
    raw = open_raw(connection, path, source)
    staged = folder / f"staged-{number}.parquet"
    key = "'$.\"" + (value or "").replace("'", "''") + "\"'"
    worth = number_sql(f"json_extract_string(properties, {key})") if value else "NULL::DOUBLE"
    named = ", ".join(f"CASE WHEN lower({name}) NOT IN ('', '{NONE}') THEN {name} END AS {name}" for name in DIMENSIONS)
    try:
        create_canonical(connection, raw, source)
        connection.execute(
            f"""COPY (SELECT {number} AS log, position, reason,
                CASE WHEN reason IS NOT NULL THEN left(raw_row, 100000) END AS content, event_id,
                nullif(session_id, '') AS session_id, nullif(user_id, '') AS user_id,
                coalesce(nullif(visitor_id, ''), nullif(user_id, '')) AS visitor_id, name AS event,
                occurred_at_us AS at_us, received_at_us, {named}, coalesce({worth}, 0.0) AS value
            FROM (SELECT *, {refusal_sql(datetime.now(UTC))} AS reason FROM canonical))
            TO {_text(str(staged))} (FORMAT parquet)"""
        )
        rows = _text(str(staged))
        connection.execute(f"CREATE VIEW good AS FROM {rows} WHERE reason IS NULL")
        connection.execute(
            f"CREATE TABLE refused AS SELECT reason, position AS row, content FROM {rows} WHERE reason IS NOT NULL"
        )
        if raw.is_text:
            require_closed_quotes(connection)
            connection.execute(f"INSERT INTO refused {REJECTED}")
        connection.execute(
            """CREATE TABLE losers AS SELECT log, position FROM good
            WHERE hash(event_id) IN (SELECT hash(event_id) AS hashed FROM good GROUP BY hashed HAVING count(*) > 1)
            QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY received_at_us NULLS LAST, position) > 1"""
        )
        connection.execute(f"COPY losers TO {_text(str(folder / f'losers-{number}.parquet'))} (FORMAT parquet)")
        if quarantine is not None:
            keep_refused(connection, quarantine)
        return _summarise(connection, path)
    except duckdb.Error as error:
        raise LogError(f"{path} cannot be read: {first_line(error)}") from error


def _summarise(connection: duckdb.DuckDBPyConnection, path: Path) -> ReadSummary:
    query = "SELECT reason, count(*) AS n FROM refused GROUP BY reason ORDER BY n DESC, reason"
    reasons = dict(connection.execute(query).fetchall())
    [(losers,)] = connection.execute("SELECT count(*) FROM losers").fetchall()
    [(kept, visitors, first_us, last_us)] = connection.execute(
        "SELECT count(*), count(DISTINCT visitor_id), min(at_us), max(at_us) FROM good"
    ).fetchall()
    refused = sum(reasons.values())
    if not kept:
        told = "; ".join(f"{reason} ({count:,} rows)" for reason, count in reasons.items()) or "it has no rows"
        raise LogError(f"{path} holds no usable event: {told}")
    return ReadSummary(
        read=kept + refused,
        used=kept - losers,
        deduplicated=losers,
        quarantined=refused,
        reasons=reasons,
        unknown_events={},
        visitors=visitors,
        first_at_us=first_us,
        last_at_us=last_us,
    )


def _tell_persons_apart(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    staged, losers = (_text(str(folder / f"{name}-*.parquet")) for name in ("staged", "losers"))
    connection.execute(f"CREATE TABLE losers AS FROM {losers}")
    connection.execute(
        f"CREATE VIEW rows AS SELECT * FROM {staged} AS row WHERE reason IS NULL AND NOT EXISTS "
        "(FROM losers WHERE losers.log = row.log AND losers.position = row.position)"
    )
    connection.execute(
        "CREATE TABLE known AS SELECT visitor_id, min(user_id) AS known_user FROM rows "
        f"WHERE NOT {placeholder_sql('user_id')} GROUP BY visitor_id HAVING min(user_id) = max(user_id)"
    )
    connection.execute(
        f"CREATE VIEW seen AS SELECT *, {person_sql()} AS person FROM rows LEFT JOIN known USING (visitor_id)"
    )
    connection.execute(
        "CREATE TABLE persons AS SELECT person, row_number() OVER (ORDER BY person) - 1 AS code "
        "FROM (SELECT DISTINCT person FROM seen)"
    )


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
