"""Sums over people of what their sessions came to: for each cohort, and for all who are not in it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from insights.intervals import Estimate, estimate_count, median_ranks
from insights.sums import Sums

Value = str | None
"""What a cohort has in common; None for the sessions of which it is not known."""
Key = tuple[str, str]
"""Which figure: its kind (conversion, abandonment, revenue, exit, stage, device, ...), and which stage or value."""

MIXED = ("stage", "blocker", "device", "visitor_kind")
"""What abandoned sessions are told apart by, where cohorts are about how a session ended."""

_ENDED = {
    ("conversion", ""): "count(*) FILTER (WHERE outcome = 'goal')",
    ("abandonment", ""): "count(*) FILTER (WHERE outcome = 'abandoned')",
    ("revenue", ""): "sum(coalesce(value, 0))",
}

VISITORS = "SELECT visitor_id, min(session) AS visitor FROM sessions GROUP BY visitor_id"
"""A number for each visitor."""


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
    """Make the table ``compared`` of the sessions that fulfil a condition, each with its cohort, an expression.

    A visitor is the first session's key, as numbers are compared faster than names.
    """
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE compared AS
        SELECT session, visitor, {expression} AS cohort, outcome, value, epoch(last_at - started_at) AS seconds,
            {", ".join(MIXED)}
        FROM sessions JOIN ({VISITORS}) USING (visitor_id) WHERE {condition}"""
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
    if mixed:
        columns = _mixes_of(connection, mixed)
        set_own(connection, "SELECT 0 AS kind, -1 AS scope, cohort, visitor, {} FROM compared", columns)
        return {key: pairs for (_, _, key), pairs in pair_up(connection, list(columns)).items()}
    set_own(
        connection, "SELECT 0 AS kind, -1 AS scope, cohort, visitor, {} FROM compared WHERE outcome <> 'open'", _ENDED
    )
    found = {key: pairs for (_, _, key), pairs in pair_up(connection, list(_ENDED)).items()}
    set_own(
        connection,
        """SELECT 0 AS kind, stages.stage_index AS scope, cohort, visitor, {} FROM stages JOIN compared USING (session)
        WHERE stages.stage_index >= 0 AND (advanced OR outcome <> 'open')""",
        {("exit", ""): "count(*) FILTER (WHERE exited)"},
    )
    exits = pair_up(connection, [("exit", "")])
    return found | {("exit", str(stage)): pairs for (_, stage, _), pairs in exits.items()}


def set_own(connection: duckdb.DuckDBPyConnection, rows: str, outcomes: Mapping[Key, str]) -> None:
    """Make the tables ``own`` and ``whole`` that :func:`pair_up` reads.

    ``rows`` selects kind, scope, cohort and visitor, with a place for the sums: how many sessions, n, and for each
    outcome what they came to, y0, y1, and so on.
    """
    sums = [f"CAST({sql} AS DOUBLE) AS y{place}" for place, sql in enumerate(outcomes.values())]
    chosen = rows.format(", ".join(["CAST(count(*) AS DOUBLE) AS n", *sums]))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE own AS {chosen} GROUP BY ALL")
    all_y = [f"sum(y{place}) AS all_y{place}" for place in range(len(outcomes))]
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE whole AS
        SELECT scope, visitor, {", ".join(["sum(n) AS all_n", *all_y])} FROM own GROUP BY scope, visitor"""
    )


def pair_up(
    connection: duckdb.DuckDBPyConnection, outcomes: Sequence[Key]
) -> dict[tuple[int, int, Key], dict[Value, Pair]]:
    """Return the sums of ``own`` by kind, scope, outcome and cohort, and those of whatever else ``whole`` has.

    ``own`` has for each kind, scope, cohort and visitor the sessions n and what they came to, y0, y1, and so on;
    ``whole`` those of all sessions of a scope and visitor, all_n, all_y0, and so on.
    """
    totals = _sum(connection, "scope", _totals("all_n", "all_y{}", len(outcomes)), "whole")
    # Whoever has sessions elsewhere, too, stays among the rest with those: what goes is the difference.
    numbers = _totals("n", "y{}", len(outcomes))
    gone = ["count(*) FILTER (WHERE n = all_n)", "sum(n)", "sum(all_n * all_n - (all_n - n) * (all_n - n))"]
    for place in range(len(outcomes)):
        y, all_y = f"y{place}", f"all_y{place}"
        gone += [
            f"sum({y})",
            f"sum({all_y} * {all_y} - ({all_y} - {y}) * ({all_y} - {y}))",
            f"sum(all_n * {all_y} - (all_n - n) * ({all_y} - {y}))",
        ]
    hits = [f"count(*) FILTER (WHERE y{place} > 0)" for place in range(len(outcomes))]
    found: dict[tuple[int, int, Key], dict[Value, Pair]] = defaultdict(dict)
    rows = _sum(connection, "kind, scope, cohort", [*numbers, *gone, *hits], "own JOIN whole USING (scope, visitor)")
    for (kind, scope, cohort), values in rows.items():
        own, less, hit = values[: len(numbers)], values[len(numbers) : 2 * len(numbers)], values[2 * len(numbers) :]
        rest = [total - part for total, part in zip(totals[scope,], less, strict=True)]
        for place, key in enumerate(outcomes):
            found[kind, scope, key][cohort] = Pair(_sums(own, place), _sums(rest, place), round(hit[place]))
    return found


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
            SELECT cohort, friction, round(sum(confidence), 9) AS expected,
                round(sum(confidence * (1 - confidence)), 9) AS variance
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


def _mixes_of(connection: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> dict[Key, str]:
    """Return how to count each value of some columns."""
    found: dict[Key, str] = {}
    for column in columns:
        values = connection.execute(
            f"SELECT DISTINCT {column} FROM compared WHERE {column} IS NOT NULL ORDER BY 1"
        ).fetchall()
        for (value,) in values:
            quoted = value.replace("'", "''")
            found[column, value] = f"count(*) FILTER (WHERE {column} = '{quoted}')"
    return found


def _totals(n: str, y: str, outcomes: int) -> list[str]:
    """Return the sums over visitors that :class:`Sums` is made of: those of n, and three for each outcome."""
    found = ["count(*)", f"sum({n})", f"sum({n} * {n})"]
    for place in range(outcomes):
        of = y.format(place)
        found += [f"sum({of})", f"sum({of} * {of})", f"sum({n} * {of})"]
    return found


def _sum(
    connection: duckdb.DuckDBPyConnection, groups: str, sums: Sequence[str], table: str
) -> dict[tuple[Any, ...], list[float]]:
    width = len(groups.split(","))
    rows = connection.execute(f"SELECT {groups}, {', '.join(sums)} FROM {table} GROUP BY {groups}").fetchall()
    return {row[:width]: list(row[width:]) for row in rows}


def _sums(numbers: Sequence[float], outcome: int) -> Sums:
    people, count, count_squares = numbers[:3]
    total, total_squares, products = numbers[3 + 3 * outcome : 6 + 3 * outcome]
    return Sums(round(people), round(count), total, count_squares, total_squares, products)
