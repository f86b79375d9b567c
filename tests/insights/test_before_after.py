"""Before and after a change: as many days on both sides, and nothing where the stage was not measured."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from made_facts import BEGIN, SHOP, MadeSession, write_facts

from insights.before_after import BeforeAfter, Outcome, compare_before_after
from insights.facts import Facts
from insights.filters import Filters
from insights.intervals import estimate_difference
from journeys.versions import JourneyVersion

PAYMENT = 5
CHANGED = BEGIN + timedelta(days=10)


def day_of(number: int, paying: int, leaving: int) -> list[MadeSession]:
    at = BEGIN + timedelta(days=number)
    return [
        *[MadeSession(PAYMENT, "goal", value=40.0, started_at=at)] * paying,
        *[MadeSession(PAYMENT, device="mobile", started_at=at)] * leaving,
        *[MadeSession(2, started_at=at)] * 5,
    ]


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """Ten days with 2 of 10 that pay, the day of the change, and eight days with 5 of 10."""
    days = [day_of(n, 2, 8) for n in range(10)] + [day_of(10, 10, 0)] + [day_of(n, 5, 5) for n in range(11, 19)]
    return write_facts(tmp_path_factory.mktemp("facts"), [one for day in days for one in day])


def compared(facts: Facts, filters: Filters | None = None) -> BeforeAfter:
    found = compare_before_after(SHOP, facts, "payment", round(CHANGED.timestamp() * 1e6), filters)
    assert found is not None
    return found


def test_whole_weeks_stand_on_both_sides_without_the_day_of_the_change(facts: Facts) -> None:
    found = compared(facts)
    assert (found.before.first, found.before.last) == (date(2026, 6, 4), date(2026, 6, 10))
    assert (found.after.first, found.after.last) == (date(2026, 6, 12), date(2026, 6, 18))


def test_the_next_step_and_the_outcomes_are_compared_with_intervals(facts: Facts) -> None:
    found = {one.outcome: one for one in compared(facts).outcomes}
    for outcome in (Outcome.NEXT_STEP, Outcome.GOAL_FROM_STAGE):
        one = found[outcome]
        assert one.before is not None
        assert one.after is not None
        assert (one.before.value, one.after.value) == (0.2, 0.5)
        assert one.difference == estimate_difference(35, 70, 14, 70)
    goal, value = found[Outcome.GOAL], found[Outcome.VALUE]
    assert goal.difference == estimate_difference(35, 105, 14, 105)
    assert value.before is not None
    assert value.difference is not None
    assert value.before.value == pytest.approx(40 * 2 / 15)
    assert value.difference.value == pytest.approx(40 * 3 / 15)
    assert value.difference.low < value.difference.value < value.difference.high


def test_of_the_filters_only_cohorts_apply(facts: Facts) -> None:
    found = compared(facts, Filters(since=date(2026, 6, 17), cohort=(("device", "mobile"),)))
    assert found.before.days == 7
    [first, *_] = found.outcomes
    assert first.before is not None
    assert first.before.value == 0.0


def test_a_stage_that_came_in_between_is_not_measured(facts: Facts) -> None:
    journey = replace(SHOP, versions=(JourneyVersion(date(2026, 6, 8), "a page", stages_added=("payment",)),))
    found = compare_before_after(journey, facts, "payment", round(CHANGED.timestamp() * 1e6))
    assert found is not None
    known = {one.outcome: one.difference for one in found.outcomes}
    assert known[Outcome.NEXT_STEP] is None
    assert known[Outcome.GOAL_FROM_STAGE] is None
    assert known[Outcome.GOAL] is not None


def test_nothing_is_compared_without_a_day_on_either_side(facts: Facts, tmp_path: Path) -> None:
    for at in (BEGIN, BEGIN + timedelta(days=18), BEGIN + timedelta(days=400)):
        assert compare_before_after(SHOP, facts, "payment", round(at.timestamp() * 1e6)) is None


def test_fewer_than_seven_days_are_taken_as_they_are(tmp_path: Path) -> None:
    facts = write_facts(tmp_path, [one for n in range(9) for one in day_of(n, 1, 1)])
    at = BEGIN + timedelta(days=5)
    found = compare_before_after(SHOP, facts, "payment", round(at.timestamp() * 1e6))
    assert found is not None
    assert (found.before.days, found.after.days) == (3, 3)
