"""The links that the events of a log make, found by the same rules as those of the live service."""

from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial

import duckdb
import pyarrow as pa

from features.claims import Claim, Limits, hear
from features.engine import Engine
from features.identity import Kind, Link, Links
from features.staging import Staged, Staging, read_files
from features.survey import Survey, homes_file, losers_file

_ROWS_AT_ONCE = 50_000
_CLAIMS = pa.schema(
    [
        *((name, pa.string()) for name in ("visitor", "user_id", "event_id", "session_id")),
        *((name, pa.int64()) for name in ("at_us", "received_us")),
        ("previous_id", pa.string()),
        ("position", pa.int64()),
    ]
)


def read_links(
    connection: duckdb.DuckDBPyConnection,
    job: Staging,
    staged: Staged,
    survey: Survey,
    engine: Engine,
    undoings: Sequence[Link] = (),
    limits: Limits | None = None,
) -> Links:
    """Return the links of a staged log that can matter to a history, in the order in which events were received.

    An event without a time of receipt counts as received when it occurred. ``undoings`` are rows that no event made,
    the oldest first. A user of one visitor only, who has no other user, is left out: no history is another for it.
    """
    book = Links()
    if not survey.names_users:
        return book
    parts = engine.map(partial(_claims_in, job, staged, survey.aliased), staged.buckets)
    claims = pa.concat_tables([part.cast(_CLAIMS) for part in parts])
    named = sorted(survey.aliased.union(*((row.visitor_id, row.user_id, row.previous_id or "") for row in undoings)))
    connection.register("claims", claims)
    connection.register("named", pa.table({"id": pa.array(named, pa.string())}))
    found = connection.execute(
        """WITH others AS (SELECT id FROM named UNION SELECT user_id FROM claims WHERE previous_id IS NOT NULL
                UNION SELECT visitor FROM claims WHERE previous_id IS NOT NULL),
            users AS (SELECT user_id FROM claims GROUP BY user_id HAVING min(visitor) <> max(visitor)),
            visitors AS (SELECT visitor FROM claims GROUP BY visitor HAVING min(user_id) <> max(user_id))
        SELECT visitor, user_id, event_id, coalesce(session_id, chr(0)), at_us, received_us, previous_id FROM claims
        WHERE user_id IN (FROM users) OR visitor IN (FROM visitors)
            OR user_id IN (FROM others) OR visitor IN (FROM others)
        ORDER BY received_us, position"""
    )
    allowed, waiting = limits or Limits(), deque(undoings)
    while rows := found.fetchmany(_ROWS_AT_ONCE):
        for visitor_id, user_id, event_id, session_id, at_us, received_us, previous_id in rows:
            while waiting and waiting[0].received_us < received_us:
                book.add(waiting.popleft())
            hear(book, Claim(visitor_id, user_id, event_id, session_id, at_us, received_us, previous_id), allowed)
    for link in waiting:
        book.add(link)
    connection.unregister("claims")
    connection.unregister("named")
    return book


def _claims_in(job: Staging, staged: Staged, aliased: Iterable[str], bucket: int) -> pa.Table:
    # What a visitor says again right after it said so makes no row: left out here, where a log has millions of it.
    # Of visitors that an alias names all is read, as theirs are not the only rows that make turns of them; and of those
    # at whom sessions of other buckets are at home, as not all of their rows are here.
    with job.connect() as connection:
        connection.register("aliased", pa.table({"id": pa.array(sorted(aliased), pa.string())}))
        return connection.sql(
            f"""WITH homes AS (FROM {read_files([homes_file(job)])}), claims AS (
                SELECT coalesce(home, visitor_id) AS visitor, user_id, event_id, session_id, occurred_at_us AS at_us,
                    coalesce(received_at_us, occurred_at_us) AS received_us, previous_id, position
                FROM {staged.rows_of(bucket)} LEFT JOIN homes USING (session_id)
                WHERE user_id IS NOT NULL AND position NOT IN (FROM {read_files([losers_file(job)])}))
            FROM claims WINDOW before AS (PARTITION BY visitor ORDER BY received_us, position)
            QUALIFY NOT coalesce(previous_id IS NULL AND visitor NOT IN (FROM aliased)
                AND visitor NOT IN (SELECT home FROM homes)
                AND lag(user_id) OVER before = user_id AND lag(at_us) OVER before <= at_us
                AND lag(at_us) OVER before = max(at_us) OVER (PARTITION BY visitor ORDER BY received_us, position
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), false)"""
        ).to_arrow_table()


def number_persons(links: Links) -> dict[str, str]:
    """Return, for every visitor that links ever joined to another, the smallest of the ids of all that they joined."""
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(one: tuple[str, str]) -> tuple[str, str]:
        while (above := parent.setdefault(one, one)) != one:
            parent[one] = parent[above]
            one = above
        return one

    visitors = set()
    for row in links.rows:
        if row.previous_id is None and row.is_turn:
            visitors.add(row.visitor_id)
            if row.kind is Kind.LINK:
                parent[root(("user", row.user_id))] = root(("visitor", row.visitor_id))
        elif row.previous_id is not None and row.kind is Kind.LINK:
            parent[root(("user", row.user_id))] = root(("user", row.previous_id))
    members: dict[tuple[str, str], list[str]] = {}
    for visitor_id in sorted(visitors):
        members.setdefault(root(("visitor", visitor_id)), []).append(visitor_id)
    return {one: together[0] for together in members.values() if len(together) > 1 for one in together}
