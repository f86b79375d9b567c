"""Data health: its figures are those of the quality that is measured, and it says whom to ask."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from made_facts import SHOP, MadeSession, write_facts

from insights.arrival_days import Measure, Part
from insights.facts import Facts
from insights.filters import Filters
from insights.measure_quality import measure_quality
from insights.pages.data import page
from insights.pages.figure import Figure, Page, View
from storage.records import Records, RefusedRows

MONDAY = datetime(2026, 6, 1, 8, tzinfo=UTC)
DAYS = 22


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """Three weeks in which 20 people a day look at three pages and buy; on the last day no purchase is heard of."""
    sessions = []
    for day in range(DAYS):
        looked = [(20.0 * place, "page_view", 0) for place in range(3)]
        events = looked if day == DAYS - 1 else [*looked, (60.0, "purchase", 0)]
        starts = [MONDAY + timedelta(days=day, minutes=30 * number) for number in range(20)]
        sessions += [MadeSession(channel="on_site", started_at=start, events=events) for start in starts]
    sessions.append(MadeSession(channel="email", started_at=MONDAY + timedelta(days=DAYS - 1, hours=13)))
    return write_facts(tmp_path_factory.mktemp("facts"), sessions)


def figure(shown: Page, name: str) -> Figure:
    (found,) = [one for one in shown.figures if one.name == name]
    return found


def test_figures_have_names_of_their_own(facts: Facts) -> None:
    names = [one.name for one in page(View(SHOP, facts)).figures]
    assert len(set(names)) == len(names)


def test_the_page_shows_what_is_measured(facts: Facts) -> None:
    shown = page(View(SHOP, facts))
    measured = measure_quality(facts.folder, SHOP, facts.last_at_us)
    events = next(one for one in measured.checks if one.measure is Measure.VOLUME and one.part == Part())
    assert figure(shown, "all_events").table.rows == ((events.value, events.yesterday, events.usual),)
    assert figure(shown, "days").table.column("events") == tuple(one.events for one in measured.days)
    assert figure(shown, "days").table.column("events")[0] == 80


def test_an_alarm_is_a_sentence_with_the_steward(facts: Facts) -> None:
    (row,) = figure(page(View(SHOP, facts)), "alarms").table.rows
    assert row[:2] == ("purchase: 0 events, usually 20 events on a Monday (Web analytics).", "Web analytics")


def test_the_end_of_the_period_is_the_day_that_is_judged(facts: Facts) -> None:
    until = (MONDAY + timedelta(DAYS - 2)).date()
    since = (MONDAY + timedelta(DAYS - 4)).date()
    shown = page(View(SHOP, facts, Filters(since=since, until=until)))
    assert figure(shown, "alarms").table.rows == ()
    assert "within their limits" in figure(shown, "alarms").note
    assert figure(shown, "days").table.column("day") == tuple(str(since + timedelta(day)) for day in range(3))


def test_what_the_service_refused_stands_among_the_refused_rows(facts: Facts) -> None:
    at_us = int((MONDAY + timedelta(DAYS - 1)).timestamp()) * 1_000_000
    records = Records(refused=(RefusedRows(at_us, "no id", 7),))
    shown = page(View(SHOP, facts, records=records))
    assert figure(shown, "refused_rows").table.rows == (("2026-06-22", "no id", 7),)


def test_a_channel_without_a_steward_is_told(facts: Facts) -> None:
    rows = figure(page(View(SHOP, facts)), "stewards").table.rows
    assert ("on_site", "Web analytics", "yes") in rows
    assert {row[0] for row in rows} == set(SHOP.stewards)
