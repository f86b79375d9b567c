"""What followed a change: the next step and the goal of as many days before as after it.

Nobody was assigned to the one or the other, so that whatever else changed at the time is in these differences too.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import duckdb

from insights.affected import Period, period_of
from insights.comparable import comparable_stages
from insights.days import day_of
from insights.facts import Facts
from insights.filters import Filters
from insights.intervals import Estimate, estimate_mean, estimate_mean_difference, estimate_share, subtract
from insights.sums import Sums
from journeys.journey import Journey

MOST_DAYS = 28
"""Longer windows would compare seasons."""


class Outcome(StrEnum):
    """What is compared: the micro-conversion at the stage, and the outcomes of the whole journey."""

    NEXT_STEP = "next step"
    GOAL_FROM_STAGE = "goal, of those at the stage"
    GOAL = "goal, of all sessions"
    VALUE = "value per session"


@dataclass(frozen=True, slots=True)
class Compared:
    """One outcome before and after: shares, or the value in the unit of what the goal brings; None where unknown."""

    outcome: Outcome
    before: Estimate | None
    after: Estimate | None
    difference: Estimate | None


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """The outcomes of the days before a change and of as many after it; the day of the change is in neither."""

    changed: date
    before: Period
    after: Period
    outcomes: tuple[Compared, ...]


def compare_before_after(
    journey: Journey, facts: Facts, stage: str, changed_us: int, filters: Filters | None = None
) -> BeforeAfter | None:
    """Return what followed a change at a stage; None where the log has no day before or none after it.

    Whole weeks are compared where there are any, so that every weekday stands on both sides as often. Of the filters
    only cohorts apply. Where the stage came with a version in between, nothing is known of its outcomes.
    """
    changed = day_of(changed_us, facts.timezone)
    cohort = Filters(cohort=(filters or Filters()).cohort)
    whole = period_of(facts, Filters())
    days = min((changed - whole.first).days, (whole.last - changed).days, MOST_DAYS)
    if days < 1:
        return None
    days -= days % 7 if days >= 7 else 0
    one = timedelta(days=1)
    before = Period(changed - days * one, changed - one)
    after = Period(changed + one, changed + days * one)
    known = stage in comparable_stages(journey, before.first, after.last)
    place = [one.name for one in journey.stages].index(stage)
    with facts.connect(cohort) as connection:
        sides = [_count(connection, place, period, journey.policy.goal_value) for period in (before, after)]
    outcomes = [
        _compare(outcome, sides[0][outcome], sides[1][outcome])
        if known or outcome in (Outcome.GOAL, Outcome.VALUE)
        else Compared(outcome, None, None, None)
        for outcome in Outcome
    ]
    return BeforeAfter(changed, before, after, tuple(outcomes))


_Side = dict[Outcome, Sums]


def _count(connection: duckdb.DuckDBPyConnection, stage: int, period: Period, goal_value: float) -> _Side:
    """Return the sums of each outcome over the people of a period; sessions still open are left out."""
    goal = "CAST(outcome = 'goal' AS INTEGER)"
    at_stage = f"stages JOIN sessions USING (session) WHERE stages.stage_index = {stage:d} AND"
    sources = {
        Outcome.NEXT_STEP: ("CAST(advanced AS INTEGER)", at_stage),
        Outcome.GOAL_FROM_STAGE: (goal, at_stage),
        Outcome.GOAL: (goal, "sessions WHERE"),
        Outcome.VALUE: (f"{goal} * coalesce(value, {goal_value!r})", "sessions WHERE"),
    }
    return {
        outcome: _sums(connection, f"{y} AS y FROM {source} outcome <> 'open' AND local_day BETWEEN ? AND ?", period)
        for outcome, (y, source) in sources.items()
    }


def _sums(connection: duckdb.DuckDBPyConnection, chosen: str, period: Period) -> Sums:
    [(people, count, total, count_squares, total_squares, products)] = connection.execute(
        f"""WITH people AS (
            SELECT count(*) AS n, coalesce(sum(y), 0) AS y FROM (SELECT visitor_id, {chosen}) GROUP BY visitor_id)
        SELECT count(*), coalesce(sum(n), 0), coalesce(sum(y), 0), coalesce(sum(n * n), 0), coalesce(sum(y * y), 0),
            coalesce(sum(n * y), 0) FROM people""",
        [period.first, period.last],
    ).fetchall()
    return Sums(people, int(count), float(total), float(count_squares), float(total_squares), float(products))


def _compare(outcome: Outcome, before: Sums, after: Sums) -> Compared:
    if outcome is Outcome.VALUE:
        return Compared(outcome, estimate_mean(before), estimate_mean(after), estimate_mean_difference(after, before))
    earlier, later = _share(before), _share(after)
    return Compared(outcome, earlier, later, subtract(later, earlier) if earlier and later else None)


def _share(sums: Sums) -> Estimate | None:
    return estimate_share(sums.hits, sums.count, design=sums.design) if sums.count else None
