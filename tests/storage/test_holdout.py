"""The randomised comparison in the ledger: who is on which side, from when on, and who reached the goal."""

from dataclasses import replace
from itertools import count

from sqlalchemy import Engine

from features.events import Event
from storage.assignments import Assignment, Assignments
from storage.holdout import count_holdout
from storage.identity_store import IdentityStore
from storage.ledger import Ledger, LedgerEntry, Outcome, RecordedOutcome
from storage.records import HoldoutCounts

_numbers = count()


def entry(visitor: str, at_us: int, reason: str = "best_value", *, holdout: bool = False) -> LedgerEntry:
    return LedgerEntry(
        decision_id=f"d{next(_numbers)}",
        session_id=f"s of {visitor}",
        visitor_id=visitor,
        at_us=at_us,
        decided_at_us=at_us,
        stage="cart",
        events_seen=3,
        risk=0.9,
        blockers=[],
        narrative="",
        eligible=[],
        excluded={},
        propensities={"nothing": 1.0},
        chosen=None,
        propensity=1.0,
        expected_uplift=None,
        reason=reason,
        holdout=holdout,
        experiment=None,
        drawn=None,
        policy_version="1",
        model_version="1",
    )


def write(engine: Engine, journey: str, *rows: tuple[LedgerEntry, bool]) -> None:
    ledger = Ledger(engine, journey)
    with engine.begin() as connection:
        for one, converted in rows:
            ledger.append(connection, one)
            if converted:
                outcome = RecordedOutcome(one.decision_id, Outcome.CONVERTED, one.at_us + 1, None)
                ledger.record_outcome(connection, outcome)


def test_visitors_are_counted_once_on_their_side_with_their_goal(engine: Engine) -> None:
    write(
        engine,
        "shop",
        (entry("a", 50), True),
        (entry("a", 60, "not_worth_it"), True),
        (entry("b", 20, "not_eligible"), False),
        (entry("c", 30, "holdout", holdout=True), True),
        (entry("d", 40, "holdout", holdout=True), False),
        (entry("e", 40, "holdout", holdout=True), False),
    )
    assert count_holdout(engine, "shop") == HoldoutCounts(20, 2, 1, 3, 1)


def test_decisions_that_did_not_come_as_far_as_the_holdout_put_nobody_on_a_side(engine: Engine) -> None:
    rows = [(entry(f"v{reason}", 10, reason, holdout=True), True) for reason in ("low_risk", "no_blocker", "ended")]
    write(engine, "shop", *rows)
    assert count_holdout(engine, "shop") is None


def test_a_goal_counts_from_the_first_decision_at_risk_on_also_by_a_later_quiet_one(engine: Engine) -> None:
    write(
        engine,
        "shop",
        (entry("early", 10, "low_risk"), True),
        (entry("early", 20), False),
        (entry("late", 10), False),
        (entry("late", 20, "low_risk"), True),
    )
    assert count_holdout(engine, "shop") == HoldoutCounts(10, 2, 1, 0, 0)


def test_another_journey_is_another_comparison(engine: Engine) -> None:
    write(engine, "shop", (entry("a", 10), True))
    write(engine, "trial", (replace(entry("a", 5, "holdout"), holdout=True), True))
    assert count_holdout(engine, "shop") == HoldoutCounts(10, 1, 1, 0, 0)
    assert count_holdout(engine, "trial") == HoldoutCounts(5, 0, 0, 1, 1)


def test_visitors_that_were_drawn_together_count_once(engine: Engine) -> None:
    drawn = Assignments(engine, "shop")
    with engine.begin() as connection:
        for visitor in ("laptop", "phone"):
            drawn.keep(connection, Assignment(visitor, "one", 5))
    write(engine, "shop", (entry("laptop", 10), False), (entry("phone", 20), True), (entry("other", 30), False))
    assert count_holdout(engine, "shop") == HoldoutCounts(10, 2, 1, 0, 0)


def test_users_with_visitors_on_both_sides_are_crossovers_while_the_links_hold(engine: Engine) -> None:
    store = IdentityStore(engine, "shop")
    write(engine, "shop", (entry("a", 10), False), (entry("b", 20, "holdout", holdout=True), False))
    with engine.begin() as connection:
        for visitor in ("a", "b"):
            store.record(connection, [Event(f"e{visitor}", "login", 30, visitor, "s", "ann", 30)])
    assert count_holdout(engine, "shop") == HoldoutCounts(10, 1, 0, 1, 0, crossovers=1)
    with engine.begin() as connection:
        store.undo(connection, store.rows_about("b")[0].number, 40)
    assert count_holdout(engine, "shop") == HoldoutCounts(10, 1, 0, 1, 0)
