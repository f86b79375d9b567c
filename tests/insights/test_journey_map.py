"""The map: who comes how, who goes on, what stops the others, and what changed on the way."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from made_facts import BEGIN, SHOP, MadeSession, write_facts

from insights.facts import Facts
from insights.filters import Filters
from insights.journey_map import Stop, Touchpoint, map_journey, measured_since
from insights.pages.figure import View
from insights.pages.map import page
from insights.pages.stops import show_stops
from journeys.journey import Journey
from journeys.versions import JourneyVersion, Life
from storage.records import OpportunityStatus, Records

CART, PAYMENT = 2, 5
WEEK = timedelta(days=7)
VERSIONS = (
    JourneyVersion(date(2026, 5, 1), "clearer words", renamed={"basket": "cart"}, stages_retired=("wishlist",)),
    JourneyVersion(date(2026, 6, 8), "a page for the address", stages_added=("address",)),
)


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """Two weeks of 10 sessions each: 4 left at the cart, 2 at the payment, 4 reach the goal."""
    week = [
        *[MadeSession(CART, channel="email", confidences={"shipping": 0.5})] * 4,
        *[MadeSession(PAYMENT, channel="on_site", confidences={"payment": 0.8})] * 2,
        *[MadeSession(PAYMENT, "goal", channel="on_site", value=50.0)] * 4,
    ]
    made = [
        replace(one, started_at=BEGIN + n * WEEK, visitor=f"{n}-{at}") for n in (0, 1) for at, one in enumerate(week)
    ]
    return write_facts(tmp_path_factory.mktemp("facts"), made)


@pytest.fixture
def changed() -> Journey:
    return replace(SHOP, versions=VERSIONS)


def stop_of(stops: tuple[Stop, ...], name: str) -> Stop:
    [stop] = [one for one in stops if one.name == name]
    return stop


def test_stages_tell_who_reached_them_who_left_and_what_stopped_them(facts: Facts) -> None:
    found = map_journey(SHOP, facts)
    assert [stop.name for stop in found.stops] == [stage.name for stage in SHOP.stages]
    cart = stop_of(found.stops, "cart")
    assert cart.exits is not None
    assert (cart.exits.sessions, cart.exits.exits, cart.share) == (20, 8, 1.0)
    payment = stop_of(found.stops, "payment")
    assert payment.share == 12 / 20
    assert [(one.friction, one.sessions.value) for one in cart.blockers] == [("shipping", 4.0)]
    assert [one.name for one in payment.interventions] == ["other_payment"]
    assert (found.goals, found.goal_share) == (8, 0.4)
    assert cart.owner == SHOP.stages[CART].owner


def test_touchpoints_are_the_channels_of_the_week_before_a_stage_was_reached(facts: Facts) -> None:
    found = map_journey(SHOP, facts)
    assert stop_of(found.stops, "browse").touchpoints == (Touchpoint("on_site", 12), Touchpoint("email", 8))
    assert stop_of(found.stops, "payment").touchpoints == (Touchpoint("on_site", 12),)


@pytest.mark.parametrize(("days", "counts"), [(7, True), (8, False)])
def test_a_touch_of_an_earlier_session_counts_for_a_week(tmp_path: Path, days: int, counts: bool) -> None:
    first = MadeSession(0, channel="email", visitor="a")
    later = MadeSession(CART, channel="on_site", visitor="a", started_at=BEGIN + timedelta(days=days), dwell=(0, 0))
    cart = stop_of(map_journey(SHOP, write_facts(tmp_path, [first, later])).stops, "cart")
    assert {one.channel for one in cart.touchpoints} == ({"email", "on_site"} if counts else {"on_site"})


def test_a_running_test_stands_at_its_stage(facts: Facts) -> None:
    records = Records(opportunity_statuses=(OpportunityStatus(1, "payment.payment", "testing", "", "Ada", 1),))
    found = map_journey(SHOP, facts, records=records)
    [test] = stop_of(found.stops, "payment").tests
    assert (test.opportunity, test.intervention, test.author) == ("payment.payment", "Pay another way", "Ada")
    assert stop_of(found.stops, "cart").tests == ()


def test_a_stage_that_came_within_the_period_is_measured_from_then_on(facts: Facts, changed: Journey) -> None:
    found = map_journey(changed, facts)
    address, payment = stop_of(found.stops, "address"), stop_of(found.stops, "payment")
    assert address.exits is not None
    assert payment.exits is not None
    # Six sessions of the second week, of ten that began in it; the payment has both weeks.
    assert (address.exits.sessions, address.share) == (6, 0.6)
    assert payment.exits.sessions == 12
    assert measured_since(address, found.period) == date(2026, 6, 8)
    assert measured_since(payment, found.period) is None
    assert [version.note for version in found.versions] == ["a page for the address"]


def test_before_a_stage_came_it_is_not_measured_rather_than_nought(facts: Facts, changed: Journey) -> None:
    found = map_journey(changed, facts, Filters(until=date(2026, 6, 7)))
    address = stop_of(found.stops, "address")
    assert (address.exits, address.share, address.blockers, address.touchpoints) == (None, None, (), ())


def test_names_of_before_and_retired_stages_are_kept(facts: Facts, changed: Journey) -> None:
    found = map_journey(changed, facts)
    assert stop_of(found.stops, "cart").life.former_names == ("basket",)
    assert found.retired == (Life("wishlist", until=date(2026, 5, 1)),)


def test_the_page_writes_the_map_and_its_past(facts: Facts, changed: Journey) -> None:
    made = page(View(changed, facts, Filters(until=date(2026, 6, 7))))
    figures = {one.name: one for one in made.figures}
    table = figures["map"].table
    assert table.column("stage") == (*(stage.name for stage in SHOP.stages), "goal")
    measured = dict(zip(table.column("stage"), table.column("measured"), strict=True))
    assert (measured["address"], measured["cart"]) == ("not measured", "formerly basket")
    sessions = dict(zip(table.column("stage"), table.column("sessions"), strict=True))
    assert (sessions["address"], sessions["payment"], sessions["goal"]) == (None, 6, 4)
    assert figures["versions"].table.column("since") == ("2026-05-01", "2026-06-08")
    assert figures["retired"].table.column("stage") == ("wishlist",)
    shown = {stop.title: stop for stop in show_stops(figures["map"], "UTC")}
    assert [row.label for row in shown["address"].rows] == ["Measured", "Owner"]
    rows = {row.label: list(row.entries) for row in shown["cart"].rows}
    assert rows["Touchpoints"] == ["on site 6", "email 4"]
    assert rows["Exit rate"][0].startswith("40.0% (")


def test_a_band_is_as_high_at_its_ends_as_the_shares(facts: Facts) -> None:
    figure = page(View(SHOP, facts)).figures[0]
    stops = show_stops(figure, "UTC")
    # Of a half height of 27 about the middle of 30: all at the first stage, .4 at the goal.
    assert stops[0].points == "0,3.0 100,3.0 100,57.0 0,57.0"
    assert stops[-1].points == "0,19.2 100,19.2 100,40.8 0,40.8"


def test_a_journey_without_a_past_shows_no_versions(facts: Facts, tmp_path: Path) -> None:
    assert [one.name for one in page(View(SHOP, facts)).figures] == ["map"]
    empty = write_facts(tmp_path, [])
    assert page(View(SHOP, empty)).figures[0].table.column("sessions")[0] == 0
