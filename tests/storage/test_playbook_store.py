"""Tactics and their evidence, each change with its line in the audit."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from storage.database import writing
from storage.playbook import Draft, Tactic, TacticEvidence, TacticStatus
from storage.playbook_store import PlaybookStore
from storage.record_store import load_records
from storage.records import RecordError, Records

DRAFT = Draft("More pay if they may pay later.", "goal", 93, 186, 35, "", 1_000)
TACTIC = Tactic(
    id=0,
    blocker="payment",
    stage="payment",
    audience="",
    intervention="other_payment",
    owner="Payments",
    status=TacticStatus.PROPOSED,
    learning="",
    source="opportunity payment.payment",
    experiment="",
    draft=DRAFT,
    created_us=1_000,
    changed_us=1_000,
)
FOUND = TacticEvidence("pay_later", "goal", 0.02, 0.01, 0.03, 4_000, 2_000, 3_000, "ship", 0.05)


@pytest.fixture
def store(engine: Engine) -> PlaybookStore:
    return PlaybookStore(engine, "shop")


def _write(engine: Engine, write: Callable[[Connection], Any]) -> Any:
    with writing(engine) as connection:
        return write(connection)


def _audit(engine: Engine) -> list[tuple[str, str, Any, Any]]:
    return [(one.actor, one.action, one.before, one.after) for one in load_records(engine, "shop").audit]


def test_a_tactic_is_kept_once_and_the_audit_says_who_opened_it(engine: Engine, store: PlaybookStore) -> None:
    opened = _write(engine, lambda c: store.open_tactic(c, TACTIC, actor="dropoff"))
    assert opened == replace(TACTIC, id=opened.id)
    again = replace(TACTIC, source="by hand", owner="Ann", draft=None)
    assert _write(engine, lambda c: store.open_tactic(c, again, actor="ann")) is None
    assert load_records(engine, "shop").tactics == (opened,)
    [(actor, action, before, after)] = _audit(engine)
    assert (actor, action, before) == ("dropoff", "open tactic", None)
    assert (after["intervention"], after["draft"]["days"]) == ("other_payment", 35)


def test_each_part_of_the_key_makes_another_tactic_and_each_journey_has_its_own(
    engine: Engine, store: PlaybookStore
) -> None:
    others = [replace(TACTIC, **{name: "other"}) for name in ("blocker", "stage", "audience", "intervention")]
    for one in (TACTIC, *others):
        assert _write(engine, lambda c, one=one: store.open_tactic(c, one, actor="ann"))
    elsewhere = PlaybookStore(engine, "loans")
    assert _write(engine, lambda c: elsewhere.open_tactic(c, TACTIC, actor="ann"))
    assert (len(store.tactics()), len(elsewhere.tactics())) == (5, 1)
    with pytest.raises(RecordError, match=f"loans has no tactic {store.tactics()[0].id}"):
        _write(engine, lambda c: elsewhere.tactic(c, store.tactics()[0].id))


def test_what_changes_is_told_with_what_was_there_and_the_reason(engine: Engine, store: PlaybookStore) -> None:
    opened = _write(engine, lambda c: store.open_tactic(c, TACTIC, actor="ann"))
    after = replace(opened, status=TacticStatus.RETIRED, learning="Nobody wants it.", blocker="trust")
    kept = _write(
        engine,
        lambda c: store.revise_tactic(
            c, after, action="set tactic status", actor="bob", now_us=5_000, reason="asked twice"
        ),
    )
    # What makes it this tactic is not changed.
    assert kept == replace(after, blocker="payment", changed_us=5_000)
    assert _audit(engine)[1:] == [
        (
            "bob",
            "set tactic status",
            {"status": "proposed", "learning": ""},
            {"status": "retired", "learning": "Nobody wants it.", "reason": "asked twice"},
        )
    ]


def test_a_change_that_changes_nothing_is_not_written(engine: Engine, store: PlaybookStore) -> None:
    opened = _write(engine, lambda c: store.open_tactic(c, TACTIC, actor="ann"))
    kept = _write(engine, lambda c: store.revise_tactic(c, opened, action="revise", actor="bob", now_us=9))
    assert kept == opened
    assert len(_audit(engine)) == 1


def test_evidence_of_an_experiment_is_kept_once_and_replaced_by_what_is_known_later(
    engine: Engine, store: PlaybookStore
) -> None:
    number = _write(engine, lambda c: store.open_tactic(c, TACTIC, actor="ann")).id
    early = replace(FOUND, experiment="first", to_us=2_500, verdict="inconclusive", baseline=None)
    for one, expected in ((FOUND, True), (FOUND, False), (early, True), (replace(FOUND, effect=0.021), True)):
        assert (
            _write(engine, lambda c, one=one: store.keep_evidence(c, number, one, actor="dropoff", now_us=4_000))
            is expected
        )
    assert store.tactics()[0].evidence == (early, replace(FOUND, effect=0.021))
    assert [entry[1] for entry in _audit(engine)] == ["open tactic", "keep evidence", "keep evidence", "keep evidence"]
    assert _audit(engine)[-1][2]["effect"] == 0.02


@pytest.mark.parametrize("field", ["blocker", "intervention", "owner"])
def test_a_tactic_that_says_nothing_is_refused(engine: Engine, store: PlaybookStore, field: str) -> None:
    with pytest.raises(RecordError, match=f"the {field} is empty"):
        _write(engine, lambda c: store.open_tactic(c, replace(TACTIC, **{field: " "}), actor="ann"))
    assert load_records(engine, "shop") == Records()
