"""Read a bucket of a staged log as encoded sessions, wherever its files are seen."""

from dataclasses import replace

import pyarrow as pa

from features.encode_sessions import encode_sessions, spans_of
from features.events import EncodedLog
from features.gathering import Gathered
from features.person_histories import find_histories
from features.table import CONTEXT_COLUMNS

DETAILS = ("element", "shared_name")
"""What is kept of each event where ``elements`` are asked for."""


def read_bucket(gathered: Gathered, bucket: int) -> EncodedLog | None:
    """Return the sessions of a bucket's persons; None where it has none."""
    job, plan = gathered.job, gathered.job.plan
    details = () if job.elements is None else DETAILS
    columns = ["session_id", "visitor_id", "person", "occurred_at_us", "event_id", "code", "user_id"]
    columns += CONTEXT_COLUMNS
    columns += [f"v{place}" for place in range(len(plan.columns))]
    columns += [*(f"t{place}" for place in range(len(job.texts))), *details]
    # A session that names several visitors belongs to the first, and a person's visitors stand in one bucket.
    with job.connect() as connection:
        table: pa.Table = connection.sql(
            f"SELECT {', '.join(columns)} FROM {gathered.rows_for(bucket)} "
            "ORDER BY visitor_id, session_id, occurred_at_us, event_id"
        ).to_arrow_table()
    if not table.num_rows:
        return None
    log = encode_sessions(table, plan, gathered.timeout_us, job.texts, details)
    if not gathered.links.rows or not plan.uses_visitor_history:
        return log
    return replace(log, histories=find_histories(spans_of(log), gathered.links))
