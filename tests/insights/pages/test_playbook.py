"""The page of the playbook shows what the functions say, of the tactics that were chosen."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "playbook"))

from made_facts import BEGIN, SHOP, MadeSession, write_facts
from made_tactics import DAY_US, evidence, tactic

from insights.facts import Facts
from insights.filters import FilterError
from insights.pages import blockers, opportunities, overview
from insights.pages.figure import Bars, Figure, Page, View
from insights.pages.playbook import page
from insights.playbook.look import look_up
from insights.playbook.related import tactic_for, tactics_against
from storage.audit import AuditEntry
from storage.experiment_store import KeptExperiment, Status
from storage.playbook import Tactic, TacticEvidence, TacticStatus
from storage.records import Records

BUILT_US = round(BEGIN.timestamp() * 1e6)


def found(age_days: float, **changes: Any) -> TacticEvidence:
    to_us = BUILT_US - round(age_days * DAY_US)
    return evidence(0, experiment=f"t{age_days:g}", **{"to_us": to_us, "from_us": to_us - 28 * DAY_US} | changes)


PROVEN = tactic(found(10), id=1, status=TacticStatus.PROVEN, learning="It works.")
DUE = tactic(found(900), id=2, status=TacticStatus.PROVEN, audience="device=mobile")
VALUE = tactic(
    found(10, metric="net_value", baseline=None, effect=1.5, low=1.0, high=2.0, verdict="stop"),
    id=3,
    status=TacticStatus.RETIRED,
    blocker="trust",
    stage="cart",
    intervention="trust_panel",
)
OPEN = tactic(id=4, blocker="trust", stage="product", intervention="trust_panel", source="opportunity product.trust")
AUDIT = (AuditEntry(1, 5_000_000, "Ann", "set tactic status", "tactic 1", {"status": "testing"}, {"status": "proven"}),)
RECORDS = Records(tactics=(PROVEN, DUE, VALUE, OPEN), audit=AUDIT)


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    made = [MadeSession(5, confidences={"payment": 0.5}), MadeSession(1, confidences={"trust": 0.6})]
    made += [MadeSession(5, "goal", value=50.0)] * 2
    return write_facts(tmp_path_factory.mktemp("facts"), made * 30)


def shown(facts: Facts, *query: tuple[str, str], records: Records = RECORDS) -> Page:
    return page(View(SHOP, facts, records=records, query=query))


def figure(made: Page, name: str) -> Figure:
    [one] = [one for one in made.figures if one.name == name]
    return one


def test_the_figures_are_those_of_the_functions(facts: Facts) -> None:
    made, entries = shown(facts), look_up(SHOP, RECORDS.tactics, facts.built_at_us)
    assert figure(made, "tactics").table.column("tactic") == tuple(one.name for one in entries)
    rises = figure(made, "shares")
    known = [one.standing for one in entries if one.standing and one.standing.is_share]
    assert rises.table.column("now") == tuple(one.now.effect.value for one in known)
    assert rises.table.column("low") == tuple(one.now.effect.low for one in known)
    assert rises.table.column("weight") == tuple(one.weight for one in known)
    assert isinstance(rises.chart, Bars)
    assert figure(made, "values").table.column("tactic") == ("cart.trust.trust_panel",)
    numbers = [figure(made, name).table.rows[0][0] for name in ("proven", "due", "testing", "proposed")]
    assert numbers == [2, 1, 0, 1]
    assert made.lede.endswith("Today: 2 proven, 1 proposed, 1 retired; 1 due for a re-test.")


def test_what_is_due_is_said_with_its_test(facts: Facts) -> None:
    table = figure(shown(facts), "retests").table
    [(said, owner, where)] = table.rows
    assert "no longer excludes that it does nothing" in str(said)
    assert "visitors in" in str(said)
    assert (owner, where) == ("Payments", "playbook?tactic=payment.payment.other_payment.device=mobile")


@pytest.mark.parametrize(
    ("query", "tactics"),
    [
        (("status", "due"), ("payment.payment.other_payment.device=mobile",)),
        (("status", "retired"), ("cart.trust.trust_panel",)),
        (("blocker", "trust"), ("product.trust.trust_panel", "cart.trust.trust_panel")),
    ],
)
def test_it_is_narrowed_by_status_and_blocker(facts: Facts, query: tuple[str, str], tactics: tuple[str, ...]) -> None:
    made = shown(facts, query)
    assert figure(made, "tactics").table.column("tactic") == tactics
    assert made.choices[2].value == tactics[0]
    assert figure(made, "detail").title.startswith(tactics[0])


def test_what_was_learnt_is_said_in_sentences_that_lead_to_the_tactic(facts: Facts) -> None:
    assert figure(shown(facts), "learnt").table.rows == (
        (
            "“Pay another way” against payment at payment, for everybody, proven: It works.",
            "proven",
            "playbook?tactic=payment.payment.other_payment",
        ),
    )
    assert figure(shown(facts, ("status", "proposed")), "learnt").note.startswith("Nothing was learnt")


def test_experiments_that_differ_by_more_than_chance_are_said_to(facts: Facts) -> None:
    # Q = .06^2 / (2 x .0051^2) = 69, tau^2 = (69 - 1) x .0051^2 = .0018, its root 4.2 points.
    apart = tactic(found(0, effect=0.05, low=0.04, high=0.06), found(0, effect=-0.01, low=-0.02, high=0.0))
    told = dict(figure(shown(facts, records=Records(tactics=(apart,))), "detail").table.rows)
    assert told["How the experiments differ"] == (
        "by more than chance: what they measure has a standard deviation of 4.2 points"
    )


def test_a_status_that_there_is_not_is_refused(facts: Facts) -> None:
    with pytest.raises(FilterError, match="status='done' is none of due, proposed"):
        shown(facts, ("status", "done"))


def test_one_tactic_is_told_with_its_evidence_and_its_history(facts: Facts) -> None:
    made = shown(facts, ("tactic", "payment.payment.other_payment"))
    told = dict(figure(made, "detail").table.rows)
    assert told["What is known"] == "It works."
    assert told["Measured"] == (
        "the share that reaches the goal +2.0 points (95% interval +1.0 to +3.0), in 1 randomised experiment"
    )
    rows = figure(made, "evidence").table
    assert rows.column("verdict") == ("ship",)
    assert rows.columns[0].link == "experiments"
    assert (rows.column("effect"), rows.column("counts")) == ((0.02,), ("yes",))
    assert figure(made, "history").table.column("change") == ("status: testing -> proven",)
    assert [form.name for form in made.forms] == ["status", "learn", "add"]
    assert made.forms[0].fields[0].value == "payment.payment.other_payment"


def test_evidence_leads_to_its_experiment(facts: Facts) -> None:
    kept = KeptExperiment("t10", {"name": "t10"}, Status.STOPPED, 1, "default", result={"analysis": {}})
    made = shown(facts, ("tactic", "payment.payment.other_payment"), records=replace(RECORDS, experiments=(kept,)))
    assert figure(made, "evidence").table.columns[0].link == "experiments?experiment={}"


def test_an_empty_playbook_shows_what_the_figures_would_open(facts: Facts) -> None:
    made = shown(facts, records=Records())
    assert set(figure(made, "tactics").table.column("status")) == {"proposed"}
    assert all(str(one).startswith("the opportunity ") for one in figure(made, "tactics").table.column("source"))
    assert "hypothesis" in str(figure(made, "test").table.rows[0][0]).lower()


def test_other_pages_lead_to_the_tactics(facts: Facts) -> None:
    view = View(SHOP, facts, records=RECORDS)
    ranking = next(one for one in opportunities.page(view).figures if one.name == "ranking").table
    named = dict(zip(ranking.column("opportunity"), ranking.column("tactic"), strict=True))
    assert named["product.trust"] == "product.trust.trust_panel"
    assert named["payment.payment"] == "payment.payment.other_payment"
    against = next(one for one in blockers.page(view).figures if one.name == "tactics").table
    assert set(against.column("tactic")) <= {
        "payment.payment.other_payment",
        "payment.payment.other_payment.device=mobile",
        "cart.trust.trust_panel",
        "product.trust.trust_panel",
    }
    steps = next(one for one in overview.page(view).figures if one.name == "next").table
    assert ("playbook?status=due") in steps.column("page")


def test_of_several_tactics_the_one_that_has_come_furthest_is_named() -> None:
    tried: tuple[Tactic, ...] = (OPEN, tactic(id=9, blocker="trust", stage="", status=TacticStatus.PROVEN))
    there = {"stage": "product", "audience": "", "blocker": "trust"}
    assert tactic_for(SHOP, tried, source="x", **there) == "any_stage.trust.other_payment"
    assert tactic_for(SHOP, tried, source="opportunity product.trust", **there) == "product.trust.trust_panel"
    assert tactic_for(SHOP, tried, source="x", stage="product", audience="device=mobile") is None
    assert [one.id for one in tactics_against(tried, "trust")] == [9, 4]
