"""The links that the events of a log make, found by the same rules as those of the live service."""

from collections import deque
from collections.abc import Sequence

import duckdb

from features.claims import Claim, Limits, hear
from features.identity import Kind, Link, Links
from features.staging import Staged, has_rows, rows_of

_ROWS_AT_ONCE = 50_000


def read_links(
    connection: duckdb.DuckDBPyConnection, staged: Staged, undoings: Sequence[Link] = (), limits: Limits | None = None
) -> Links:
    """Return the links of a staged log, in the order in which its events were received.

    An event without a time of receipt counts as received when it occurred. ``undoings`` are rows that no event made,
    the oldest first. Needs the tables ``losers`` and ``homes``.
    """
    book = Links()
    if not has_rows(staged):
        return book
    # What a visitor says again right after it said so makes no row: left out here, where a log has millions of it.
    # Of visitors that an alias names all is read, as theirs are not the only rows that make turns of them.
    found = connection.execute(
        f"""WITH claims AS (
            SELECT coalesce(home, visitor_id) AS visitor, user_id, event_id, session_id, occurred_at_us AS at_us,
                coalesce(received_at_us, occurred_at_us) AS received_us, previous_id, position
            FROM {rows_of(staged)} LEFT JOIN homes USING (session_id)
            WHERE user_id IS NOT NULL AND position NOT IN (SELECT position FROM losers))
        SELECT visitor, user_id, event_id, coalesce(session_id, chr(0)), at_us, received_us, previous_id FROM claims
        WINDOW before AS (PARTITION BY visitor ORDER BY received_us, position)
        QUALIFY NOT coalesce(previous_id IS NULL AND visitor NOT IN
                (SELECT previous_id FROM claims WHERE previous_id IS NOT NULL)
            AND lag(user_id) OVER before = user_id AND lag(at_us) OVER before <= at_us
            AND lag(at_us) OVER before = max(at_us) OVER (
                PARTITION BY visitor ORDER BY received_us, position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
            false)
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
    return book


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
