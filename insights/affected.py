"""How many people each blocker stops at each stage: everybody, or one cohort after the other.

A session that was left has for each friction a calibrated probability that it was left for it, so their sums are
expected numbers. Of a visitor with several such sessions, the probability that one of them was left for it counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import duckdb

from features.table import CONTEXT_COLUMNS
from insights.days import day_of
from insights.facts import Facts
from insights.filters import Filters
from insights.intervals import Estimate, estimate_count
from insights.named import Named, count_named
from journeys.journey import Journey

Cohort = tuple[str, str]
"""A dimension and one of its values, such as ``("device", "phone")``."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Sessions that reached a stage and whose end is known, and how they went on.

    ``revenue`` is the mean of what a goal brought among them, None where the journey has none.
    """

    sessions: int
    advanced: int
    goals: int
    revenue: float | None


@dataclass(frozen=True, slots=True)
class Affected:
    """A blocker at a stage, among everybody (``cohort`` None) or in one cohort, and the sessions that reached it.

    ``sessions`` are expected to have been left for it, ``people`` are the visitors behind them.
    """

    stage_index: int
    friction: str
    cohort: Cohort | None
    sessions: Estimate
    people: Estimate
    reached: Reached
    named: Named
    """Those in whom it was named at the end of the stage, also of those who went on."""


@dataclass(frozen=True, slots=True)
class Period:
    """The days that figures are about, both included, in the journey's time zone."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days there are."""
        return (self.last - self.first).days + 1

    @property
    def weeks(self) -> float:
        """The same in weeks."""
        return self.days / 7


def period_of(facts: Facts, filters: Filters) -> Period:
    """Return the days of the log that the filters let through; at least one."""
    first, last = (day_of(at_us, facts.timezone) for at_us in (facts.first_at_us, facts.last_at_us))
    first = max(first, filters.since or first)
    return Period(first, max(first, min(last, filters.until or last)))


def dimensions_of(journey: Journey) -> tuple[str, ...]:
    """Return what sessions are told apart by, the blocker itself left out."""
    return ("visitor_kind", *CONTEXT_COLUMNS, *journey.cohorts)


def count_reached(
    connection: duckdb.DuckDBPyConnection, by: str | None = None
) -> dict[tuple[int, str | None], Reached]:
    """Return for each stage, and each value of the dimension ``by``, the sessions that reached it and have ended."""
    rows = connection.execute(
        f"""SELECT stages.stage_index, {_value(by)} AS part, count(*), count(*) FILTER (advanced),
            count(*) FILTER (outcome = 'goal'), round(avg(value) FILTER (outcome = 'goal'), 6)
        FROM stages JOIN sessions USING (session)
        WHERE stages.stage_index >= 0 AND outcome <> 'open' AND ({_known(by)})
        GROUP BY ALL"""
    ).fetchall()
    return {(stage, part): Reached(*counts) for stage, part, *counts in rows}


def count_affected(
    connection: duckdb.DuckDBPyConnection, by: str | None = None, *, least_people: float = 0.0, with_named: bool = True
) -> Iterator[Affected]:
    """Yield each blocker at each stage that it was left at; where ``by`` names a dimension, for each of its values.

    Those of fewer people than ``least_people`` are left out. ``with_named=False`` saves counting in whom it is named.
    """
    reached = count_reached(connection, by)
    named = count_named(connection, _value(by), _known(by)) if with_named else {}
    rows = connection.execute(
        f"""WITH visitors AS (
            SELECT blockers.stage_index, friction, {_value(by)} AS part, sum(blockers.confidence) AS sessions,
                sum(blockers.confidence * (1 - blockers.confidence)) AS variance,
                1 - product(1 - blockers.confidence) AS left_once
            FROM blockers JOIN sessions USING (session)
            WHERE blockers.stage_index >= 0 AND ({_known(by)})
            GROUP BY blockers.stage_index, friction, part, visitor_id)
        SELECT stage_index, friction, part, round(sum(sessions), 9), round(sum(variance), 9),
            round(sum(left_once), 9), round(sum(left_once * (1 - left_once)), 9)
        FROM visitors GROUP BY stage_index, friction, part HAVING sum(left_once) >= ?
        ORDER BY stage_index, friction, part""",
        [least_people],
    ).fetchall()
    for stage, friction, part, sessions, variance, people, variance_of_people in rows:
        yield Affected(
            stage_index=stage,
            friction=friction,
            cohort=None if by is None else (by, part),
            sessions=estimate_count(sessions, min(variance, sessions)),
            people=estimate_count(people, min(variance_of_people, people)),
            reached=reached[stage, part],
            named=named.get((stage, friction, part), Named(())),
        )


def _value(by: str | None) -> str:
    return "CAST(NULL AS VARCHAR)" if by is None else f'sessions."{by}"'


def _known(by: str | None) -> str:
    return "true" if by is None else f'sessions."{by}" IS NOT NULL'
