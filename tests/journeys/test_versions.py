"""A journey's past: what came, what went, what only got another name, and what is refused."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.scan import DeclarationError
from journeys.versions import JourneyVersion, Life, friction_lives, stage_lives

SPRING, SUMMER, AUTUMN = date(2026, 3, 1), date(2026, 6, 1), date(2026, 9, 1)
VERSIONS = (
    JourneyVersion(SPRING, "a page of its own for the data", stages_added=("data",), stages_retired=("survey",)),
    JourneyVersion(SUMMER, "the data page is called form", renamed={"data": "form"}, frictions_added=("form",)),
    JourneyVersion(AUTUMN, "reading was two pages", stages_added=("read",), stages_retired=("home", "list")),
)


def version(**changes: Any) -> JourneyVersion:
    return JourneyVersion(**{"since": SPRING, "note": "a change", **changes})


def test_every_stage_has_the_days_on_which_it_was_part_of_the_journey() -> None:
    assert stage_lives(("read", "form", "check"), VERSIONS) == (
        Life("read", since=AUTUMN),
        Life("form", since=SPRING, former_names=("data",)),
        Life("check"),
        Life("home", until=AUTUMN),
        Life("list", until=AUTUMN),
        Life("survey", until=SPRING),
    )


def test_frictions_have_a_past_of_their_own() -> None:
    assert friction_lives(("form", "speed"), VERSIONS) == (Life("form", since=SUMMER), Life("speed"))


def test_a_stage_that_was_renamed_and_then_retired_keeps_its_names() -> None:
    versions = (
        version(renamed={"data": "form"}),
        version(since=SUMMER, stages_retired=("form",)),
    )
    assert stage_lives(("read",), versions) == (Life("read"), Life("form", until=SUMMER, former_names=("data",)))


def test_a_stage_may_come_back() -> None:
    versions = (version(stages_retired=("form",)), version(since=SUMMER, stages_added=("form",)))
    assert stage_lives(("form",), versions) == (Life("form", since=SUMMER), Life("form", until=SPRING))


def test_a_stage_covers_a_period_from_its_first_day_to_the_day_before_it_went() -> None:
    life, day = Life("form", since=SPRING, until=SUMMER), timedelta(days=1)
    assert life.covers(SPRING, SUMMER - day)
    assert not life.covers(SPRING - day, SPRING)
    assert not life.covers(SPRING, SUMMER)
    assert life.overlaps(SPRING - day, SPRING)
    assert not life.overlaps(SPRING - 2 * day, SPRING - day)
    assert not life.overlaps(SUMMER, SUMMER + day)


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ((version(stages_added=("from",)),), "'from', which was none after it; did you mean 'form'"),
        ((version(stages_retired=("form",)),), "still there after it"),
        ((version(renamed={"data": "from"}),), "'from', which was none after it"),
        ((version(renamed={"read": "form"}),), "takes the stage 'read' away"),
        ((version(stages_added=("form",), renamed={"data": "form"}),), "speaks of the stage 'form' twice"),
        ((version(stages_retired=("data",), renamed={"data": "form"}),), "speaks of the stage 'data' twice"),
        ((version(frictions_added=("frm",)),), "the friction 'frm'"),
        ((version(stages_added="form"),), "stages_added=('form',)"),
        ((version(stages_added=("form",), note=" "),), "has no note"),
        ((version(),), "changes nothing"),
        (
            (version(since=SUMMER, stages_added=("form",)), version(frictions_added=("form",))),
            "stands after that of 2026-06-01",
        ),
    ],
)
def test_a_version_that_does_not_lead_to_the_journey_of_today_is_refused(
    declare: Any, versions: tuple[JourneyVersion, ...], said: str
) -> None:
    with pytest.raises(DeclarationError) as caught:
        declare(versions=versions)
    assert said in str(caught.value)
    assert str(caught.value).startswith("journey 'signup': ")
    assert "\n" not in str(caught.value)


def test_a_journey_with_a_past_is_accepted(declare: Any) -> None:
    past = (version(stages_added=("form",), stages_retired=("survey",), frictions_added=("form",)),)
    assert declare(versions=past).versions == past


@given(st.lists(st.sampled_from("abcdef"), min_size=1, unique=True), st.data())
def test_walking_a_past_forward_leads_to_the_stages_of_today(first: list[str], data: st.DataObject) -> None:
    there, versions, since = list(first), [], SPRING
    born: dict[str, date | None] = dict.fromkeys(first)
    for step in range(data.draw(st.integers(0, 4))):
        since += timedelta(days=1)
        added = (f"new{step}",)
        retired = tuple(data.draw(st.lists(st.sampled_from(sorted(there)), unique=True, max_size=2)))
        there = [name for name in there if name not in retired] + list(added)
        born |= dict.fromkeys(added, since)
        versions.append(JourneyVersion(since, "a change", stages_added=added, stages_retired=retired))
    today = {life.name: life.since for life in stage_lives(there, versions) if life.until is None}
    assert today == {name: born[name] for name in there}
