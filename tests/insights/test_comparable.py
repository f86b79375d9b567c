"""Across a change of the journey, only what was there on both sides is compared."""

from dataclasses import replace
from datetime import date

import pytest

from insights.comparable import (
    comparable_frictions,
    comparable_stages,
    frictions_of,
    is_measured,
    stages_of,
    versions_between,
)
from journeys.journey import Journey
from journeys.load import load_journey
from journeys.versions import JourneyVersion, Life

BEFORE, CHANGE, LATER, RENAMED, AFTER = (date(2026, 3, day) for day in (1, 10, 12, 20, 31))


@pytest.fixture
def journey() -> Journey:
    """The newsletter's sign-up (reading, form, confirmation): its form is new, and its reading had another name."""
    versions = (
        JourneyVersion(CHANGE, "a form", stages_added=("form",), stages_retired=("survey",), frictions_added=("form",)),
        JourneyVersion(RENAMED, "a name", renamed={"home": "reading"}),
    )
    return replace(load_journey("examples/newsletter_signup.py"), versions=versions)


def test_a_journey_without_versions_can_be_compared_wholly() -> None:
    journey = load_journey("ecommerce")
    assert comparable_stages(journey, BEFORE, AFTER) == tuple(stage.name for stage in journey.stages)
    assert comparable_frictions(journey, BEFORE, AFTER) == tuple(friction.name for friction in journey.frictions)


def test_a_stage_that_came_between_is_left_out_and_a_renamed_one_is_not(journey: Journey) -> None:
    assert [stage.name for stage in journey.stages] == ["reading", "form", "confirmation"]
    assert comparable_stages(journey, BEFORE, AFTER) == ("reading", "confirmation")
    assert comparable_stages(journey, CHANGE, AFTER) == ("reading", "form", "confirmation")


def test_a_friction_that_came_between_is_left_out(journey: Journey) -> None:
    assert "form" not in comparable_frictions(journey, BEFORE, AFTER)
    assert "form" in comparable_frictions(journey, CHANGE, AFTER)
    assert set(comparable_frictions(journey, BEFORE, AFTER)) == {f.name for f in journey.frictions} - {"form"}


def test_the_first_day_of_a_version_is_measured_and_the_day_before_is_not(journey: Journey) -> None:
    assert not is_measured(journey, "form", date(2026, 3, 9))
    assert is_measured(journey, "form", CHANGE)
    assert is_measured(journey, "survey", date(2026, 3, 9))
    assert not is_measured(journey, "survey", CHANGE)
    assert is_measured(journey, "reading", BEFORE)
    assert is_measured(journey, "home", AFTER)


def test_lives_are_those_of_the_journeys_own_stages_and_frictions(journey: Journey) -> None:
    assert stages_of(journey)[0] == Life("reading", former_names=("home",))
    assert stages_of(journey)[-1] == Life("survey", until=CHANGE)
    assert Life("form", since=CHANGE) in frictions_of(journey)


def test_versions_between_two_days_are_those_in_force_on_the_last_and_not_yet_on_the_first(journey: Journey) -> None:
    assert [version.since for version in versions_between(journey, BEFORE, AFTER)] == [CHANGE, RENAMED]
    assert versions_between(journey, CHANGE, LATER) == ()
    assert [version.since for version in versions_between(journey, BEFORE, CHANGE)] == [CHANGE]
