"""Look through staged buckets for what spans them: duplicates, and sessions that name several visitors."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features.engine import Engine
from features.staging import Staged, Staging, create_losers, quote, read_files

HashArray = NDArray[np.uint64]
_NAMES_TOLD = 1_000


@dataclass(frozen=True, slots=True)
class Survey:
    """What good rows are like, of one bucket or of all; times in microseconds.

    ``doubtful`` are the rows whose event id may be there twice. ``sessions`` has a hash for each visitor of a session:
    one that is there twice may be of a session with several visitors. ``aliased`` are the ids that aliases name.
    """

    rows: int
    visitors: int
    first_at_us: int
    last_at_us: int
    unknown_events: Counter[str]
    names_users: bool
    sessions: HashArray
    aliased: frozenset[str]
    doubtful: pa.Table


def find_repeated(hashes: HashArray) -> HashArray:
    """Return the hashes that are there more than once; sorts them in place."""
    hashes.sort()
    return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])


def find_suspects(job: Staging, staged: Staged, engine: Engine) -> HashArray:
    """Return the hashes of event ids that may be there twice."""
    parts = engine.map(partial(_repeated_in, job), [files for _, files in sorted(staged.hashes.items())])
    return np.concatenate([np.array([], np.uint64), *parts])


def survey_bucket(job: Staging, staged: Staged, suspects: HashArray, bucket: int) -> Survey:
    """Return what the rows of a bucket are like."""
    with job.connect() as connection:
        connection.execute(f"CREATE VIEW good AS FROM {staged.rows_of(bucket)}")
        rows, visitors, first, last, users = connection.execute(
            "SELECT count(*), count(DISTINCT visitor_id), min(occurred_at_us), max(occurred_at_us), count(user_id) "
            "FROM good"
        ).fetchall()[0]
        unknown = connection.execute(
            "SELECT unknown_name, count(*) FROM good WHERE unknown_name IS NOT NULL GROUP BY 1"
        ).fetchall()
        sessions = connection.sql(
            "SELECT hash(session_id) AS hashed FROM good WHERE session_id IS NOT NULL GROUP BY session_id, visitor_id"
        ).fetchnumpy()["hashed"]
        aliased = connection.execute("SELECT DISTINCT previous_id FROM good WHERE previous_id IS NOT NULL").fetchall()
        connection.register("suspects", pa.table({"hashed": pa.array(suspects, pa.uint64())}))
        doubtful = connection.sql(
            "SELECT event_id, received_at_us, position FROM good WHERE hash(event_id) IN (SELECT hashed FROM suspects)"
        ).to_arrow_table()
    return Survey(
        rows=rows,
        visitors=visitors,
        first_at_us=first,
        last_at_us=last,
        unknown_events=Counter(dict(unknown)),
        names_users=users > 0,
        sessions=np.asarray(sessions, np.uint64),
        aliased=frozenset(one for (one,) in aliased),
        doubtful=doubtful,
    )


def join_surveys(parts: Iterable[Survey]) -> Survey:
    """Return what all rows are like, of the surveys of their buckets; there must be one."""
    every = list(parts)
    return Survey(
        rows=sum(part.rows for part in every),
        # A visitor's rows stand in one bucket.
        visitors=sum(part.visitors for part in every),
        first_at_us=min(part.first_at_us for part in every),
        last_at_us=max(part.last_at_us for part in every),
        unknown_events=sum((part.unknown_events for part in every), Counter()),
        names_users=any(part.names_users for part in every),
        sessions=np.concatenate([part.sessions for part in every]),
        aliased=frozenset().union(*(part.aliased for part in every)),
        doubtful=pa.concat_tables([part.doubtful for part in every]),
    )


def name_unknown(survey: Survey) -> dict[str, int]:
    """Return the undeclared names with their counts, the commonest first."""
    ordered = sorted(survey.unknown_events.items(), key=lambda pair: (-pair[1], pair[0]))
    return dict(ordered[:_NAMES_TOLD])


def keep_losers(connection: duckdb.DuckDBPyConnection, job: Staging, survey: Survey) -> int:
    """Create the table ``losers``, positions of rows whose event id came earlier, and its file; return how many."""
    connection.register("doubtful", survey.doubtful)
    count = create_losers(connection, "doubtful", "SELECT hash(event_id) FROM doubtful")
    connection.unregister("doubtful")
    connection.execute(f"COPY losers TO {quote(losers_file(job))} (FORMAT parquet)")
    return count


def keep_homes(
    connection: duckdb.DuckDBPyConnection, job: Staging, staged: Staged, survey: Survey, engine: Engine
) -> int:
    """Create the table ``homes``: sessions that name several visitors, with that of their first event; and its file."""
    suspects = find_repeated(survey.sessions.copy())
    found = pa.table(
        {
            "session_id": pa.array([], pa.string()),
            "visitor_id": pa.array([], pa.string()),
            "first_us": pa.array([], pa.int64()),
            "event_id": pa.array([], pa.string()),
        }
    )
    if len(suspects):
        parts = engine.map(partial(_visitors_in, job, staged, suspects), staged.buckets)
        found = pa.concat_tables([found, *(part.cast(found.schema) for part in parts)])
    connection.register("found", found)
    connection.execute(
        "CREATE TABLE homes AS SELECT session_id, arg_min(visitor_id, (first_us, event_id)) AS home "
        "FROM found GROUP BY session_id HAVING min(visitor_id) <> max(visitor_id)"
    )
    connection.unregister("found")
    connection.execute(f"COPY homes TO {quote(homes_file(job))} (FORMAT parquet)")
    [(count,)] = connection.execute("SELECT count(*) FROM homes").fetchall()
    return int(count)


def losers_file(job: Staging) -> str:
    """Return where the positions of duplicates are kept, for all workers."""
    return str(job.folder / "losers.parquet")


def homes_file(job: Staging) -> str:
    """Return where the visitors of sessions that name several are kept, for all workers."""
    return str(job.folder / "homes.parquet")


def _repeated_in(job: Staging, files: Sequence[str]) -> HashArray:
    with job.connect() as connection:
        hashed = connection.sql(f"SELECT hashed FROM {read_files(files)}").fetchnumpy()["hashed"]
    return find_repeated(np.array(hashed, np.uint64))


def _visitors_in(job: Staging, staged: Staged, suspects: HashArray, bucket: int) -> pa.Table:
    with job.connect() as connection:
        connection.register("suspects", pa.table({"hashed": pa.array(suspects, pa.uint64())}))
        return connection.sql(
            f"""SELECT session_id, visitor_id, min(occurred_at_us) AS first_us,
                arg_min(event_id, (occurred_at_us, event_id)) AS event_id
            FROM {staged.rows_of(bucket)} WHERE hash(session_id) IN (SELECT hashed FROM suspects)
                AND position NOT IN (FROM {read_files([losers_file(job)])})
            GROUP BY session_id, visitor_id"""
        ).to_arrow_table()
