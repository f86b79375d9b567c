"""The page of alerts shows what is on record, and the rates that alarms are about."""

import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from changed_shop import CHANGE, CHANGED, USUAL, changed_shop
from made_facts import SHOP, MadeSession, write_facts

from insights.facts import Facts
from insights.filters import Filters
from insights.find_alarms import find_alarms
from insights.pages.alerts import alarm_of, page
from insights.pages.figure import Figure, Lines, Page, View
from storage.records import Alarm, AlarmStatus, Annotation, AnnotationKind, Records

# Making the facts takes half a minute: one process makes them.
pytestmark = pytest.mark.xdist_group("alerts")

NOTED_US = int(CHANGE.timestamp()) * 1_000_000 - 3_600_000_000


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return changed_shop(tmp_path_factory.mktemp("changed"))


@pytest.fixture(scope="module")
def alarm(facts: Facts) -> Alarm:
    [found] = find_alarms(facts, SHOP)
    return found


def figure(shown: Page, name: str) -> Figure:
    [found] = [one for one in shown.figures if one.name == name]
    return found


def test_an_open_alarm_stands_first_in_words_and_figures(facts: Facts, alarm: Alarm) -> None:
    noted = Annotation(1, NOTED_US, AnnotationKind.POLICY, "Delivery costs 6.90", "ann", NOTED_US)
    shown = page(View(SHOP, facts, records=Records(annotations=(noted,), alarms=(alarm,))))
    assert shown.lede.startswith("At cart more sessions are abandoned since 2026-06-19")
    table = figure(shown, "open").table
    assert table.column("stage") == ("cart",)
    assert table.column("cohort") == ("everybody",)
    assert table.column("ratio") == (alarm.ratio,)
    assert table.column("noted") == ("2026-06-19 11:00 policy: Delivery costs 6.90",)
    assert set(figure(shown, "moved").table.column("name")) == {"view_shipping", "SHIPPING"}
    assert figure(shown, "annotations").table.column("text") == ("Delivery costs 6.90",)
    assert figure(shown, "past").table.rows == ()


def test_a_stages_days_are_those_of_the_facts_and_marked(facts: Facts, alarm: Alarm) -> None:
    noted = Annotation(1, NOTED_US, AnnotationKind.POLICY, "Delivery costs 6.90", "ann", NOTED_US)
    shown = page(View(SHOP, facts, records=Records(annotations=(noted,), alarms=(alarm,))))
    cart = figure(shown, "rate_cart")
    rows = {row[0]: dict(zip([one.name for one in cart.table.columns], row, strict=True)) for row in cart.table.rows}
    with facts.connect() as connection:
        counted = connection.execute(
            "SELECT count(*), sum(exited::INT) FROM stages WHERE stage = 'cart' "
            "AND (entered_at AT TIME ZONE 'Europe/Berlin')::DATE = '2026-06-20'"
        ).fetchone()
    day = rows["2026-06-20"]
    assert (day["reached"], day["exits"]) == counted
    assert day["observed"] == pytest.approx(day["exits"] / day["reached"])
    assert day["observed"] == pytest.approx(CHANGED, abs=0.1)
    assert day["expected"] == pytest.approx(USUAL, abs=0.04)
    assert day["low"] < USUAL < day["high"] < day["observed"]
    assert rows["2026-06-18"]["low"] < rows["2026-06-18"]["observed"] < rows["2026-06-18"]["high"]
    assert isinstance(cart.chart, Lines)
    assert [(mark.x, mark.text.split(" ")[0]) for mark in cart.chart.marks] == [
        ("2026-06-19", "more"), ("2026-06-19", "policy:"),
    ]  # fmt: skip
    product = figure(shown, "rate_product").chart
    assert isinstance(product, Lines)
    assert [mark.text for mark in product.marks] == ["policy: Delivery costs 6.90"]


def test_without_a_database_alarms_are_found_in_the_facts(facts: Facts, alarm: Alarm) -> None:
    assert figure(page(View(SHOP, facts)), "open").table.column("ratio") == (alarm.ratio,)


def test_a_period_chooses_the_days_and_not_what_is_learnt_from(facts: Facts, alarm: Alarm) -> None:
    records = Records(alarms=(alarm,))
    whole = figure(page(View(SHOP, facts, records=records)), "rate_cart").table
    chosen = View(SHOP, facts, Filters(date(2026, 6, 18), date(2026, 6, 19)), records)
    assert figure(page(chosen), "rate_cart").table.rows == tuple(
        row for row in whole.rows if row[0] in ("2026-06-18", "2026-06-19")
    )


def test_alarms_that_are_over_and_forms_for_those_that_are_not(facts: Facts, alarm: Alarm) -> None:
    closed = replace(alarm, status=AlarmStatus.CLOSED, closed_us=alarm.detected_us)
    shown = page(View(SHOP, facts, records=Records(alarms=(closed,))))
    assert shown.lede.startswith("No alarm is open")
    assert figure(shown, "past").table.column("state") == ("closed by hand",)
    assert [form.name for form in shown.forms] == ["annotate"]
    shown = page(View(SHOP, facts, records=Records(alarms=(alarm,))))
    assert [form.name for form in shown.forms] == ["annotate", "acknowledge", "close"]
    [choices] = [one.options for one in shown.forms[1].fields if one.name == "alarm"]
    assert [alarm_of(choice) for choice in choices] == [alarm.id]


def test_a_log_of_a_few_days_says_what_is_missing(tmp_path: Path) -> None:
    shown = page(View(SHOP, write_facts(tmp_path, [MadeSession(stage=1) for _ in range(40)])))
    assert figure(shown, "rate_product").chart is None
    assert figure(shown, "rate_product").note.startswith("Two weeks of history")
