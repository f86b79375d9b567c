"""Bring rows to the bucket of their session's visitor, or of its person, so that a bucket holds whole persons."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import duckdb
import pyarrow as pa

from features.engine import Engine
from features.identity import Links
from features.staging import Staged, Staging, copy_parts, join_staged, quote, read_files
from features.survey import homes_file, losers_file


@dataclass(frozen=True, slots=True)
class Gathered:
    """A staged log whose buckets can be read as whole persons, by whoever sees the files.

    ``displaced`` are the files of rows that were staged elsewhere than where they belong, by where they belong.
    """

    job: Staging
    staged: Staged
    displaced: Mapping[int, tuple[str, ...]]
    links: Links
    timeout_us: int

    @property
    def buckets(self) -> tuple[int, ...]:
        """The buckets that may hold any rows."""
        return tuple(sorted({*self.staged.buckets, *self.displaced}))

    def rows_for(self, bucket: int) -> str:
        """Return the SQL relation of the rows of a bucket's persons, without duplicates; a visitor is its session's."""
        files = (*self.staged.rows.get(bucket, ()), *self.displaced.get(bucket, ()))
        home = "coalesce(home, row.visitor_id)"
        return (
            f"(SELECT row.* REPLACE ({home} AS visitor_id), coalesce(person, {home}) AS person "
            f"FROM {read_files(files)} AS row LEFT JOIN {read_files([homes_file(self.job)])} USING (session_id) "
            f"LEFT JOIN {read_files([_persons_file(self.job)])} AS persons ON persons.visitor_id = {home} "
            f"WHERE hash(coalesce(person, {home})) % {self.job.bucket_count} = {bucket} "
            f"AND position NOT IN (FROM {read_files([losers_file(self.job)])}))"
        )


def keep_persons_of(connection: duckdb.DuckDBPyConnection, job: Staging, person_of: Mapping[str, str]) -> None:
    """Create the file of the visitors that belong together, each with the one by whose id their bucket is found."""
    persons = pa.table(
        {
            "visitor_id": pa.array(list(person_of), pa.string()),
            "person": pa.array(list(person_of.values()), pa.string()),
        }
    )
    connection.register("named_persons", persons)
    connection.execute(f"COPY (FROM named_persons) TO {quote(_persons_file(job))} (FORMAT parquet)")
    connection.unregister("named_persons")


def find_displaced(job: Staging, staged: Staged, engine: Engine) -> Mapping[int, tuple[str, ...]]:
    """Write rows that do not lie in the bucket where they belong once more, and return the files by where they do."""
    if job.bucket_count == 1:
        return {}
    parts = engine.map(partial(_displaced_in, job, staged), staged.buckets)
    return join_staged([Staged(rows=part) for part in parts]).rows


def _displaced_in(job: Staging, staged: Staged, bucket: int) -> dict[int, tuple[str, ...]]:
    home = "coalesce(home, row.visitor_id)"
    with job.connect() as connection:
        # Few rows are displaced, and the columns of the others need not be read to find them.
        connection.execute(
            f"""CREATE TABLE targets AS SELECT position,
                CAST(hash(coalesce(person, {home})) % {job.bucket_count} AS INTEGER) AS target
            FROM {staged.rows_of(bucket)} AS row LEFT JOIN {read_files([homes_file(job)])} USING (session_id)
            LEFT JOIN {read_files([_persons_file(job)])} AS persons ON persons.visitor_id = {home}
            WHERE target <> {bucket}"""
        )
        if connection.execute("SELECT count(*) FROM targets").fetchall() == [(0,)]:
            return {}
        rows = f"SELECT row.*, target FROM {staged.rows_of(bucket)} AS row JOIN targets USING (position)"
        return copy_parts(connection, rows, job.folder / f"displaced-{bucket}-{uuid.uuid4().hex}", "target")


def _persons_file(job: Staging) -> str:
    return str(job.folder / "persons.parquet")
