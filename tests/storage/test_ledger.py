"""The ledger: decisions with their propensities, and what came of them."""

from dataclasses import replace

from sqlalchemy import Engine

from storage.follow_ups import FollowUp, FollowUps
from storage.ledger import Ledger, LedgerEntry, Outcome, RecordedOutcome
from storage.writer import Writer

ENTRY = LedgerEntry(
    decision_id="d1",
    session_id="s1",
    visitor_id="v1",
    at_us=1_000,
    decided_at_us=1_100,
    stage="cart",
    events_seen=4,
    risk=0.81,
    blockers=[{"friction": "shipping", "share": 0.7}],
    narrative="Shipping is 20 % of the basket.",
    eligible=["free_shipping", "live_chat"],
    excluded={"size_guide": "not meant for this stage"},
    propensities={"free_shipping": 0.96, "live_chat": 0.02, "nothing": 0.02},
    chosen="free_shipping",
    propensity=0.96,
    expected_uplift=0.03,
    reason="best",
    holdout=False,
    experiment=None,
    drawn=0.25,
    policy_version="priors-1",
    model_version="3",
)


def _append(writer: Writer, ledger: Ledger, *entries: LedgerEntry) -> None:
    for entry in entries:
        writer.submit(lambda connection, entry=entry: ledger.append(connection, entry)).result(5)


def _report(writer: Writer, ledger: Ledger, outcome: RecordedOutcome) -> bool:
    return writer.submit(lambda connection: ledger.record_outcome(connection, outcome)).result(5)


def test_a_decision_comes_out_as_it_went_in(engine: Engine, writer: Writer) -> None:
    ledger = Ledger(engine, "shop")
    _append(writer, ledger, ENTRY)
    assert ledger.session_decisions("s1") == [ENTRY]
    assert ledger.visitor_decisions("v1") == [ENTRY]
    assert Ledger(engine, "loans").visitor_decisions("v1") == []


def test_recommendations_are_the_decisions_that_chose_something(engine: Engine, writer: Writer) -> None:
    ledger = Ledger(engine, "shop")
    later = replace(ENTRY, decision_id="d2", session_id="s2", at_us=9_000, chosen="live_chat")
    _append(writer, ledger, later, ENTRY, replace(ENTRY, decision_id="d3", chosen=None))
    found = [("s1", 1_000, "free_shipping", False, None), ("s2", 9_000, "live_chat", False, None)]
    assert ledger.recommendations(["v1"]) == found
    assert ledger.recommendations(["v9"]) == []


def test_a_message_is_on_its_way_until_it_is_delivered_or_given_up(engine: Engine, writer: Writer) -> None:
    ledger, outbox = Ledger(engine, "shop"), FollowUps(engine, "shop")
    _append(writer, ledger, ENTRY, replace(ENTRY, decision_id="d2", at_us=2_000))
    for number in (1, 2):
        message = FollowUp(f"f{number}", "s1", "v1", f"d{number}", "email", "{}", 3_000, 3_000)
        writer.submit(lambda connection, one=message: outbox.add(connection, one)).result(5)

    def states() -> list[tuple[bool, int | None]]:
        return [one[3:] for one in ledger.recommendations(["v1"])]

    assert states() == [(True, None), (True, None)]
    writer.submit(lambda connection: outbox.record_delivery(connection, "f1", 4_000)).result(5)
    writer.submit(lambda connection: outbox.give_up(connection, "f2", 5_000, "gone")).result(5)
    assert states() == [(False, 4_000), (False, None)]


def test_an_outcome_needs_its_decision_and_counts_once(engine: Engine, writer: Writer) -> None:
    ledger = Ledger(engine, "shop")
    _append(writer, ledger, ENTRY)
    shown = RecordedOutcome("d1", Outcome.SHOWN, 2_000, None)
    assert _report(writer, ledger, shown)
    assert _report(writer, ledger, replace(shown, at_us=3_000, value=9.0))
    assert not _report(writer, ledger, replace(shown, decision_id="unknown"))
    assert not _report(writer, Ledger(engine, "loans"), shown)
    assert ledger.session_outcomes("s1") == [shown]


def test_a_goal_converts_the_decisions_before_it_and_no_later_one(engine: Engine, writer: Writer) -> None:
    ledger = Ledger(engine, "shop")
    later = replace(ENTRY, decision_id="d2", at_us=5_000)
    elsewhere = replace(ENTRY, decision_id="d3", session_id="s2")
    _append(writer, ledger, ENTRY, later, elsewhere)
    converted = writer.submit(lambda connection: ledger.record_conversion(connection, "s1", 4_000, 59.9)).result(5)
    assert converted == 1
    assert ledger.visitor_outcomes("v1") == [RecordedOutcome("d1", Outcome.CONVERTED, 4_000, 59.9)]


def test_erasing_a_visitor_takes_decisions_and_outcomes(engine: Engine, writer: Writer) -> None:
    ledger = Ledger(engine, "shop")
    _append(writer, ledger, ENTRY, replace(ENTRY, decision_id="d9", visitor_id="v9", session_id="s9"))
    _report(writer, ledger, RecordedOutcome("d1", Outcome.SHOWN, 1, None))
    _report(writer, ledger, RecordedOutcome("d9", Outcome.SHOWN, 1, None))
    erased = writer.submit(lambda connection: ledger.erase_visitor(connection, "v1")).result(5)
    assert erased == {"outcomes": 1, "decisions": 1}
    assert ledger.visitor_decisions("v1") == []
    assert len(ledger.visitor_outcomes("v9")) == 1
