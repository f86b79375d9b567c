"""The journey at a glance: how many came, how many reached the goal, where the others stopped, and what they met."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import duckdb

from insights.facts import Facts
from insights.filters import Filters
from insights.intervals import Estimate, estimate_count, estimate_share
from insights.sums import Sums
from journeys.journey import Journey

DEFAULT_DAYS = 7
"""What is compared with as many days before, where no period was chosen."""


@dataclass(frozen=True, slots=True)
class Totals:
    """The sessions of a period: their ends, and what their goals brought; ``conversion`` is among those with an end."""

    sessions: int
    ended: int
    goals: int
    abandoned: int
    revenue: float | None
    conversion: Estimate | None


@dataclass(frozen=True, slots=True)
class StageExits:
    """How many sessions reached a stage and do not stand there still, and were abandoned with it as their furthest."""

    stage: str
    sessions: int
    exits: int
    rate: Estimate | None


@dataclass(frozen=True, slots=True)
class ExpectedBlocker:
    """How many abandoned sessions were probably left for a friction, and their part of all abandoned."""

    friction: str
    problem_type: str
    people: Estimate
    share: float


@dataclass(frozen=True, slots=True)
class Overview:
    """A period at a glance, and the one before it, None where the log does not reach back as far."""

    now: Totals
    before: Totals | None
    stages: tuple[StageExits, ...]
    blockers: tuple[ExpectedBlocker, ...]


def look_over(journey: Journey, facts: Facts, filters: Filters, *, first: date, last: date) -> Overview:
    """Return the overview of the chosen sessions; ``first`` and ``last`` are the log's first and last whole days."""
    earlier = period_before(filters, first=first, last=last)
    with facts.connect(filters) as connection:
        now = total(connection)
        stages = exits_by_stage(connection, [stage.name for stage in journey.stages])
        blockers = expected_blockers(connection)
    before = None
    if earlier is not None:
        with facts.connect(earlier) as connection:
            before = total(connection)
    return Overview(now, before, stages, blockers)


def period_before(filters: Filters, *, first: date, last: date) -> Filters | None:
    """Return the same cohorts in as many days just before; None where the log does not hold all of them."""
    if filters.since is None:
        return None
    until = min(filters.until or last, last)
    days = (until - filters.since).days + 1
    since = filters.since - timedelta(days=days)
    if days < 1 or since < first:
        return None
    return replace(filters, since=since, until=filters.since - timedelta(days=1))


def total(connection: duckdb.DuckDBPyConnection) -> Totals:
    """Return the totals of the view ``sessions``."""
    people, ended, goals, squares, goal_squares, products, sessions, abandoned, revenue, values = connection.execute(
        """WITH persons AS (
            SELECT count(*) AS sessions, count(*) FILTER (outcome = 'abandoned') AS abandoned, sum(value) AS revenue,
                count(value) AS valued, count(*) FILTER (outcome <> 'open') AS n,
                count(*) FILTER (outcome = 'goal') AS y
            FROM sessions GROUP BY visitor_id)
        SELECT count(*) FILTER (n > 0), coalesce(sum(n), 0)::BIGINT, coalesce(sum(y), 0)::BIGINT,
            coalesce(sum(n * n), 0)::DOUBLE, coalesce(sum(y * y), 0)::DOUBLE, coalesce(sum(n * y), 0)::DOUBLE,
            coalesce(sum(sessions), 0)::BIGINT, coalesce(sum(abandoned), 0)::BIGINT, round(sum(revenue), 2),
            coalesce(sum(valued), 0)::BIGINT FROM persons"""
    ).fetchall()[0]
    conversion = None
    if ended:
        sums = Sums(people, ended, goals, squares, goal_squares, products)
        conversion = estimate_share(goals, ended, design=sums.design)
    return Totals(sessions, ended, goals, abandoned, float(revenue) if values else None, conversion)


def exits_by_stage(connection: duckdb.DuckDBPyConnection, stages: Sequence[str]) -> tuple[StageExits, ...]:
    """Return the exits of each stage in the journey's order, of the views ``sessions`` and ``stages``."""
    rows = connection.execute(
        """WITH persons AS (
            SELECT stages.stage_index, count(*) AS n, count(*) FILTER (exited) AS y
            FROM stages JOIN sessions USING (session)
            WHERE (advanced OR sessions.outcome <> 'open') GROUP BY stages.stage_index, visitor_id)
        SELECT stage_index, count(*), sum(n)::BIGINT, sum(y)::BIGINT, sum(n * n)::DOUBLE, sum(y * y)::DOUBLE,
            sum(n * y)::DOUBLE FROM persons WHERE stage_index >= 0 GROUP BY stage_index"""
    ).fetchall()
    found = {index: sums for index, *sums in rows}
    exits = []
    for index, stage in enumerate(stages):
        people, count, hits, squares, hit_squares, products = found.get(index, (0, 0, 0, 0.0, 0.0, 0.0))
        design = Sums(people, count, hits, squares, hit_squares, products).design if count else 1.0
        exits.append(StageExits(stage, count, hits, estimate_share(hits, count, design=design)))
    return tuple(exits)


def expected_blockers(connection: duckdb.DuckDBPyConnection) -> tuple[ExpectedBlocker, ...]:
    """Return what abandoned sessions were probably left for, the commonest first, of ``blockers`` and ``sessions``."""
    abandoned = connection.execute("SELECT count(*) FROM sessions WHERE outcome = 'abandoned'").fetchall()[0][0]
    rows = connection.execute(
        """SELECT friction, any_value(problem_type), round(sum(confidence), 9),
            round(sum(confidence * (1 - confidence)), 9) FROM blockers
        GROUP BY friction ORDER BY 3 DESC, 1"""
    ).fetchall()
    return tuple(
        ExpectedBlocker(friction, problem_type, estimate_count(expected, variance), expected / abandoned)
        for friction, problem_type, expected, variance in rows
    )
