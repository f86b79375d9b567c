"""The page of opportunities shows what the analysis says, of the issue that was chosen."""

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from made_facts import BEGIN, SHOP, MadeSession, write_facts

from insights.facts import Facts
from insights.opportunities import find_opportunities
from insights.pages.figure import Figure, Page, View
from insights.pages.opportunities import page
from storage.records import OpportunityStatus, Records

PAYMENT = 5
_MIDDLE_US = round((BEGIN + timedelta(days=10)).timestamp() * 1e6)


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    made = [
        MadeSession(PAYMENT, confidences={"payment": 0.5}),
        MadeSession(PAYMENT, "goal", value=50.0),
        MadeSession(2, confidences={"trust": 0.6}),
    ]
    days = [BEGIN + timedelta(days=day) for day in range(21)]
    sessions = [replace(one, started_at=days[n % 21]) for n, one in enumerate(made * 42)]
    return write_facts(tmp_path_factory.mktemp("facts"), sessions)


def figure(made: Page, name: str) -> Figure:
    [one] = [one for one in made.figures if one.name == name]
    return one


def said(one: Figure) -> dict[object, object]:
    return dict(zip(one.table.column("what"), one.table.column("value"), strict=True))


def test_the_ranking_is_the_one_of_the_analysis(facts: Facts) -> None:
    found = find_opportunities(SHOP, facts).ranked
    table = figure(page(View(SHOP, facts)), "ranking").table
    assert table.column("opportunity") == tuple(one.id for one in found)
    assert table.column("people") == tuple(one.per_week.value for one in found)
    assert table.column("gain_low") == tuple(one.plan.gain.value.low if one.plan else None for one in found)
    assert set(table.column("evidence")) == {"prior"}
    assert set(table.column("status")) == {"proposed"}


def test_the_first_is_told_in_detail_unless_another_is_chosen(facts: Facts) -> None:
    first = find_opportunities(SHOP, facts).ranked[0].id
    made = page(View(SHOP, facts))
    assert figure(made, "detail").title.startswith(first)
    assert made.choices[0].value == first
    made = page(View(SHOP, facts, query=(("opportunity", "cart.trust"),)))
    assert figure(made, "detail").title.startswith("cart.trust")
    assert said(figure(made, "detail"))["Stage"] == f"cart, owned by {SHOP.stages[2].owner}"
    assert "rises from" in str(said(figure(made, "experiment"))["Hypothesis"])
    assert made.forms[0].fields[0].value == "cart.trust"


def test_of_a_change_the_days_before_and_after_are_compared_and_said_not_to_be_randomised(facts: Facts) -> None:
    done = OpportunityStatus(1, "cart.trust", "done", "a trust mark", "Ada", _MIDDLE_US)
    made = page(
        View(SHOP, facts, records=Records(opportunity_statuses=(done,)), query=(("opportunity", "cart.trust"),))
    )
    assert figure(made, "history").table.column("reason") == ("a trust mark",)
    shares, values = figure(made, "before_after"), figure(made, "value_before_after")
    assert shares.note.startswith("Before/after, not randomised")
    assert len(shares.table.rows) == 3
    assert shares.table.column("before")[0] is not None
    assert values.table.column("outcome") == ("value per session",)


def test_a_log_without_a_model_says_so(tmp_path: Path) -> None:
    facts = write_facts(tmp_path, [MadeSession(2)], model_version=None)
    made = page(View(SHOP, facts))
    assert figure(made, "ranking").note.startswith("No model has named blockers")
    assert figure(made, "ranking").table.rows == ()
    assert made.choices == ()
