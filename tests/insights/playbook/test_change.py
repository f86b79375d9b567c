"""What people add and change, and what is refused."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from made_facts import SHOP
from made_tactics import evidence

from insights.playbook.change import keep_tactic
from insights.playbook.status import TacticError
from storage.database import database_url, open_database, writing
from storage.playbook_store import PlaybookStore
from storage.record_store import load_records

NAME = "payment.payment.other_payment"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_database(database_url(tmp_path))
    yield opened
    opened.dispose()


def test_a_tactic_is_added_with_the_interventions_owner_unless_another_is_named(engine: Engine) -> None:
    added = keep_tactic(engine, SHOP, NAME, add=True, learning=" They  ask for it. ", author="Ann")
    declared = next(one for one in SHOP.interventions if one.name == "other_payment")
    assert (added.owner, added.status, added.source) == (declared.owner, "proposed", "by hand")
    assert added.learning == "They ask for it."
    other = keep_tactic(engine, SHOP, "any_stage.payment.other_payment", add=True, owner="Bo", author="Ann")
    assert (other.owner, other.stage) == ("Bo", "")
    with pytest.raises(TacticError, match=r"has 'payment\.payment\.other_payment' already"):
        keep_tactic(engine, SHOP, NAME, add=True, author="Ann")


def test_status_owner_and_learning_change_each_by_itself_and_the_audit_has_the_reason(engine: Engine) -> None:
    keep_tactic(engine, SHOP, NAME, add=True, author="Ann")
    keep_tactic(engine, SHOP, NAME, owner="Tills", author="Ann")
    keep_tactic(engine, SHOP, NAME, learning="Nobody asks.", author="Ann")
    kept = keep_tactic(engine, SHOP, NAME, status="retired", reason="dear", author="Bo")
    assert (kept.owner, kept.learning, kept.status) == ("Tills", "Nobody asks.", "retired")
    entries = load_records(engine, SHOP.name).audit
    assert [(one.actor, one.action) for one in entries] == [
        ("Ann", "open tactic"),
        ("Ann", "revise tactic"),
        ("Ann", "revise tactic"),
        ("Bo", "set tactic status"),
    ]
    assert entries[-1].after == {"status": "retired", "reason": "dear"}


def test_with_evidence_people_may_call_it_proven(engine: Engine) -> None:
    added = keep_tactic(engine, SHOP, NAME, add=True, author="Ann")
    with pytest.raises(TacticError, match="is not proven"):
        keep_tactic(engine, SHOP, NAME, status="proven", author="Ann")
    with writing(engine) as connection:
        PlaybookStore(engine, SHOP.name).keep_evidence(connection, added.id, evidence(0), actor="x", now_us=1)
    assert keep_tactic(engine, SHOP, NAME, status="proven", author="Ann").status == "proven"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": "done"}, "'done' is no status"),
        ({"status": "retired"}, "needs a reason"),
        ({"learning": "x" * 501}, "at most 500 characters"),
        ({"status": "testing", "given": "any_stage.payment.other_payment"}, "add it first"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(engine: Engine, changes: dict[str, Any], said: str) -> None:
    added = keep_tactic(engine, SHOP, NAME, add=True, author="Ann")
    with pytest.raises(TacticError, match=said):
        keep_tactic(engine, SHOP, author="Ann", **{"given": NAME} | changes)
    assert PlaybookStore(engine, SHOP.name).tactics() == (added,)


def test_a_refused_status_of_a_new_tactic_leaves_none(engine: Engine) -> None:
    with pytest.raises(TacticError):
        keep_tactic(engine, SHOP, NAME, add=True, status="proven", author="Ann")
    assert PlaybookStore(engine, SHOP.name).tactics() == ()
    ownerless = replace(SHOP, owner="")
    assert keep_tactic(engine, ownerless, NAME, add=True, status="testing", author="Ann").status == "testing"
