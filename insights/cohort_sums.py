"""Sums over people of what their sessions came to: for each cohort, and for all who are not in it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from insights.intervals import Estimate, estimate_count, median_ranks
from insights.sums import Sums

Value = str | None
"""What a cohort has in common; None for the sessions of which it is not known."""
Key = tuple[str, str]
"""Which figure: its kind (conversion, abandonment, revenue, exit, stage, device, ...), and which stage or value."""

MIXED = ("stage", "blocker", "device", "visitor_kind")
"""What abandoned sessions are told apart by, where cohorts are about how a session ended."""

_OF_ALL = """
    SELECT 'conversion' AS kind, '' AS label, cohort, visitor, count(*) AS n,
        count(*) FILTER (WHERE outcome = 'goal') AS y
    FROM compared WHERE outcome <> 'open' GROUP BY ALL
    UNION ALL
    SELECT 'abandonment', '', cohort, visitor, count(*), count(*) FILTER (WHERE outcome = 'abandoned')
    FROM compared WHERE outcome <> 'open' GROUP BY ALL
    UNION ALL
    SELECT 'revenue', '', cohort, visitor, count(*), sum(coalesce(value, 0))
    FROM compared WHERE outcome <> 'open' GROUP BY ALL
    UNION ALL
    SELECT 'exit', CAST(stages.stage_index AS VARCHAR), cohort, visitor, count(*), count(*) FILTER (WHERE exited)
    FROM stages JOIN compared USING (session)
    WHERE stages.stage_index >= 0 AND (advanced OR outcome <> 'open') GROUP BY ALL"""


@dataclass(frozen=True, slots=True)
class Pair:
    """The sums of a cohort, and of all sessions that are not in it; ``hit`` of its visitors were so at least once."""

    own: Sums
    rest: Sums
    hit: int


@dataclass(frozen=True, slots=True)
class TopBlocker:
    """The blocker that most of a cohort are expected to have left for: how many, and which share of its exits."""

    friction: str
    expected: Estimate
    share_of_exits: float


@dataclass(frozen=True, slots=True)
class Size:
    """How many sessions and visitors a cohort has, and the sums whose mean is its share of all sessions."""

    sessions: int
    visitors: int
    share: Sums


def set_cohorts(connection: duckdb.DuckDBPyConnection, expression: str, condition: str = "true") -> None:
    """Make the table ``compared`` of the sessions that fulfil a condition, each with its cohort, an expression."""
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE compared AS
        SELECT session, visitor_id AS visitor, {expression} AS cohort, outcome, value, stage_index,
            epoch(last_at - started_at) AS seconds, {", ".join(MIXED)}
        FROM sessions WHERE {condition}"""
    )


def count_cohorts(connection: duckdb.DuckDBPyConnection) -> tuple[dict[Value, Size], int]:
    """Return how large each cohort of ``compared`` is, the largest first, and how many visitors there are in all."""
    rows = connection.execute(
        """WITH own AS (SELECT cohort, visitor, count(*) AS n FROM compared GROUP BY ALL),
        whole AS (SELECT visitor, sum(n) AS all_n FROM own GROUP BY ALL),
        everything AS (SELECT count(*) AS people, sum(all_n) AS sessions, sum(all_n * all_n) AS squares FROM whole)
        SELECT cohort, count(*), sum(n), sum(n * n), sum(n * all_n),
            any_value(people), any_value(sessions), any_value(squares)
        FROM own JOIN whole USING (visitor) CROSS JOIN everything GROUP BY cohort ORDER BY 3 DESC, cohort"""
    ).fetchall()
    found = {
        cohort: Size(
            int(n), visitors, Sums(people, int(sessions), float(n), float(squares), float(nn), float(products))
        )
        for cohort, visitors, n, nn, products, people, sessions, squares in rows
    }
    return found, int(rows[0][5]) if rows else 0


def sum_cohorts(
    connection: duckdb.DuckDBPyConnection, mixed: tuple[str, ...] = ()
) -> Mapping[Key, Mapping[Value, Pair]]:
    """Return the sums of each figure by cohort of ``compared``.

    Without ``mixed`` the figures are how sessions went: conversion, abandonment and revenue of those that have ended,
    and exits among those that reached a stage and whose stay there is over. Else they are how often each value of the
    columns ``mixed`` occurs.
    """
    units = "\nUNION ALL\n".join(map(_mix_of, mixed)) if mixed else _OF_ALL
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE own AS
        SELECT kind, label, cohort, visitor, CAST(n AS DOUBLE) AS n, CAST(y AS DOUBLE) AS y FROM ({units})"""
    )
    connection.execute(
        """CREATE OR REPLACE TEMP TABLE whole AS
        SELECT kind, label, visitor, sum(n) AS all_n, sum(y) AS all_y FROM own GROUP BY ALL"""
    )
    return pair_up(connection)


def pair_up(connection: duckdb.DuckDBPyConnection) -> Mapping[Key, Mapping[Value, Pair]]:
    """Return the sums of the table ``own`` by kind, label and cohort, and of those of ``whole`` that are not in it.

    ``own`` has for each kind, label, cohort and visitor the sessions n and what they came to, y; ``whole`` for each
    kind, label and visitor those of all sessions, all_n and all_y.
    """
    sums = "count(*), sum({n}), sum({y}), sum({n} * {n}), sum({y} * {y}), sum({n} * {y})"
    totals = {
        (kind, label): numbers
        for kind, label, *numbers in connection.execute(
            f"SELECT kind, label, {sums.format(n='all_n', y='all_y')} FROM whole GROUP BY kind, label"
        ).fetchall()
    }
    # Whoever has sessions elsewhere, too, stays among the rest with those: what goes is the difference.
    found: dict[Key, dict[Value, Pair]] = defaultdict(dict)
    for kind, label, cohort, hit, *numbers in connection.execute(
        f"""SELECT kind, label, cohort, count(*) FILTER (WHERE y > 0), {sums.format(n="n", y="y")},
            count(*) FILTER (WHERE n = all_n), sum(n), sum(y),
            sum(all_n * all_n - (all_n - n) * (all_n - n)), sum(all_y * all_y - (all_y - y) * (all_y - y)),
            sum(all_n * all_y - (all_n - n) * (all_y - y))
        FROM own JOIN whole USING (kind, label, visitor) GROUP BY kind, label, cohort"""
    ).fetchall():
        own, gone = numbers[:6], numbers[6:]
        rest = [total - part for total, part in zip(totals[kind, label], gone, strict=True)]
        found[kind, label][cohort] = Pair(_sums(own), _sums(rest), int(hit))
    return found


def count_at_stages(connection: duckdb.DuckDBPyConnection) -> dict[tuple[int, Value], int]:
    """Return how many visitors of each cohort of ``compared`` reached each stage, and their stay there is over."""
    return {
        (int(label), cohort): visitors
        for label, cohort, visitors in connection.execute(
            "SELECT label, cohort, count(*) FROM own WHERE kind = 'exit' GROUP BY ALL"
        ).fetchall()
    }


def find_medians(connection: duckdb.DuckDBPyConnection) -> dict[tuple[int, Value], Estimate]:
    """Return the median seconds of each cohort in each stage it stood in, and of whole sessions as stage -1.

    The interval takes sessions as independent; there is none, and no entry, with fewer than six.
    """
    connection.execute(
        """CREATE OR REPLACE TEMP TABLE lasted AS
        SELECT -1 AS stage_index, cohort, seconds FROM compared WHERE outcome <> 'open'
        UNION ALL
        SELECT stages.stage_index, cohort, dwell_seconds FROM stages JOIN compared USING (session)
        WHERE stages.stage_index >= 0 AND stages.events > 0 AND (advanced OR outcome <> 'open')"""
    )
    medians = connection.execute(
        "SELECT stage_index, cohort, count(*), median(seconds) FROM lasted GROUP BY stage_index, cohort"
    ).fetchall()
    ranks = {(stage, cohort): median_ranks(count) for stage, cohort, count, _ in medians}
    wanted = [(*key, *ends) for key, ends in ranks.items() if ends]
    if not wanted:
        return {}
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE ranks AS "
        "SELECT unnest(?) AS stage_index, unnest(?) AS cohort, unnest(?) AS low, unnest(?) AS high",
        [list(column) for column in zip(*wanted, strict=True)],
    )
    ends = {
        (stage, cohort): (low, high)
        for stage, cohort, low, high in connection.execute(
            """SELECT ranked.stage_index, ranked.cohort, min(seconds) FILTER (rank = low),
                min(seconds) FILTER (rank = high)
            FROM (SELECT *, row_number() OVER (PARTITION BY stage_index, cohort ORDER BY seconds) AS rank FROM lasted)
                AS ranked
            JOIN ranks ON ranked.stage_index = ranks.stage_index AND ranked.cohort IS NOT DISTINCT FROM ranks.cohort
            WHERE rank IN (low, high) GROUP BY ALL"""
        ).fetchall()
    }
    return {
        (stage, cohort): Estimate(median, *ends[stage, cohort])
        for stage, cohort, _, median in medians
        if (stage, cohort) in ends
    }


def find_top_blockers(connection: duckdb.DuckDBPyConnection) -> dict[Value, TopBlocker]:
    """Return the blocker of each cohort of ``compared`` whose confidences sum to most; none without a model."""
    rows = connection.execute(
        """WITH exits AS (SELECT cohort, count(*) AS exits FROM compared WHERE outcome = 'abandoned' GROUP BY cohort),
        expected AS (
            SELECT cohort, friction, sum(confidence) AS expected, sum(confidence * (1 - confidence)) AS variance
            FROM blockers JOIN compared USING (session) GROUP BY cohort, friction
        )
        SELECT expected.cohort, friction, expected, variance, exits FROM expected
        JOIN exits ON expected.cohort IS NOT DISTINCT FROM exits.cohort
        QUALIFY row_number() OVER (PARTITION BY expected.cohort ORDER BY expected DESC, friction) = 1"""
    ).fetchall()
    return {
        cohort: TopBlocker(friction, estimate_count(expected, variance), expected / exits)
        for cohort, friction, expected, variance, exits in rows
    }


def _mix_of(column: str) -> str:
    return f"""
    SELECT '{column}' AS kind, label, cohort, visitor, count(*) AS n, count(*) FILTER (WHERE {column} = label) AS y
    FROM compared CROSS JOIN (SELECT DISTINCT {column} AS label FROM compared WHERE {column} IS NOT NULL)
    GROUP BY ALL"""


def _sums(numbers: list[float]) -> Sums:
    people, count, *others = numbers
    return Sums(round(people), round(count), *others)
