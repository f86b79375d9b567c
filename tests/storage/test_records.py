"""Annotations, alarms, statuses and milestones, each with its line in the audit."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from storage.audit import AuditEntry, names_visitor, visitor_subject, with_promotions
from storage.database import database_url, migrate, open_database, writing
from storage.event_log import EventLog
from storage.history import Action, History, Promotion
from storage.record_store import RecordStore, load_records
from storage.records import Alarm, AlarmStatus, AnnotationKind, Milestone, RecordError, Records, RefusedRows

ALARM = Alarm(
    id="checkout~device=phone~1000",
    stage="checkout",
    cohort="device=phone",
    direction="up",
    since_us=1_000,
    detected_us=5_000,
    rate_before=0.25,
    rate_after=0.5,
    ratio=2.0,
    ratio_low=1.5,
    ratio_high=2.75,
    details={"moved": [["payment_failed", 1.5]]},
)


@pytest.fixture
def store(engine: Engine) -> RecordStore:
    return RecordStore(engine, "shop")


def _write(engine: Engine, write: Callable[[Connection], Any]) -> Any:
    with writing(engine) as connection:
        return write(connection)


def _audit(engine: Engine) -> list[tuple[str, str, str, Any, Any]]:
    entries = load_records(engine, "shop").audit
    return [(entry.actor, entry.action, entry.subject, entry.before, entry.after) for entry in entries]


def test_a_journey_without_records_has_none(engine: Engine) -> None:
    assert load_records(engine, "shop") == Records()


def test_an_annotation_is_kept_and_the_audit_says_by_whom(engine: Engine, store: RecordStore) -> None:
    written = _write(
        engine,
        lambda c: store.annotate(
            c, at_us=7_000, kind=AnnotationKind.RELEASE, text="New checkout", actor="ann", now_us=9_000
        ),
    )
    assert load_records(engine, "shop").annotations == (written,)
    assert (written.at_us, written.kind, written.author, written.created_us) == (7_000, "release", "ann", 9_000)
    after = {"at_us": 7_000, "kind": "release", "text": "New checkout", "author": "ann", "created_us": 9_000}
    assert _audit(engine) == [("ann", "annotate", f"annotation {written.id}", None, after)]
    assert load_records(engine, "loans") == Records()


def test_a_removed_annotation_stays_in_the_audit_and_its_number_is_not_given_again(
    engine: Engine, store: RecordStore
) -> None:
    def annotate(connection: Connection) -> Any:
        return store.annotate(connection, at_us=1, kind=AnnotationKind.OTHER, text="A mistake", actor="ann", now_us=2)

    first = _write(engine, annotate)
    assert _write(engine, lambda c: store.remove_annotation(c, first.id, actor="bob", now_us=3)) == first
    assert store.annotations() == ()
    actor, action, subject, before, after = _audit(engine)[-1]
    assert (actor, action, subject, after) == ("bob", "remove annotation", f"annotation {first.id}", None)
    assert before["text"] == "A mistake"
    assert _write(engine, annotate).id != first.id
    with pytest.raises(RecordError, match=f"shop has no annotation {first.id}"):
        _write(engine, lambda c: store.remove_annotation(c, first.id, actor="bob", now_us=4))


def test_an_alarm_that_is_found_again_is_kept_once(engine: Engine, store: RecordStore) -> None:
    assert _write(engine, lambda c: store.open_alarm(c, ALARM, actor="watch", now_us=5_000))
    again = replace(ALARM, detected_us=6_000)
    assert not _write(engine, lambda c: store.open_alarm(c, again, actor="watch", now_us=6_000))
    assert store.alarms() == (ALARM,)
    assert [entry[1] for entry in _audit(engine)] == ["open alarm"]


def test_two_journeys_may_have_alarms_of_the_same_id(engine: Engine, store: RecordStore) -> None:
    other = RecordStore(engine, "loans")
    assert _write(engine, lambda c: store.open_alarm(c, ALARM, actor="watch", now_us=1))
    assert _write(engine, lambda c: other.open_alarm(c, ALARM, actor="watch", now_us=1))
    _write(engine, lambda c: other.close_alarm(c, ALARM.id, actor="ann", now_us=2))
    assert [alarm.status for alarm in (*store.alarms(), *other.alarms())] == [AlarmStatus.OPEN, AlarmStatus.CLOSED]


def test_an_alarm_is_acknowledged_sent_and_closed_with_a_line_for_each(engine: Engine, store: RecordStore) -> None:
    def all_of_it(connection: Connection) -> None:
        store.open_alarm(connection, ALARM, actor="watch", now_us=10)
        store.mark_notified(connection, ALARM.id, actor="watch", now_us=20)
        store.acknowledge_alarm(connection, ALARM.id, actor="ann", now_us=30)
        store.close_alarm(connection, ALARM.id, actor="watch", now_us=40, closed_us=35)
        store.close_alarm(connection, ALARM.id, actor="watch", now_us=50)

    _write(engine, all_of_it)
    assert store.alarms() == (replace(ALARM, notified_us=20, status=AlarmStatus.CLOSED, closed_us=35),)
    subject = f"alarm {ALARM.id}"
    assert _audit(engine)[1:] == [
        ("watch", "revise alarm", subject, {"notified_us": None}, {"notified_us": 20}),
        ("ann", "acknowledge alarm", subject, {"status": "open"}, {"status": "acknowledged"}),
        (
            "watch",
            "close alarm",
            subject,
            {"status": "acknowledged", "closed_us": None},
            {"status": "closed", "closed_us": 35},
        ),
    ]
    with pytest.raises(RecordError, match="is closed already"):
        _write(engine, lambda c: store.acknowledge_alarm(c, ALARM.id, actor="ann", now_us=60))


def test_revising_an_alarm_with_the_same_figures_leaves_no_line(engine: Engine, store: RecordStore) -> None:
    # A tuple becomes a list in JSON; that is no change.
    alarm = replace(ALARM, details={"moved": (("payment_failed", 1.5),)})
    _write(engine, lambda c: store.open_alarm(c, alarm, actor="watch", now_us=1))
    assert not _write(engine, lambda c: store.revise_alarm(c, alarm, actor="watch", now_us=2))
    assert _write(engine, lambda c: store.revise_alarm(c, replace(alarm, ratio=2.5), actor="watch", now_us=3))
    assert _audit(engine)[1:] == [("watch", "revise alarm", f"alarm {ALARM.id}", {"ratio": 2.0}, {"ratio": 2.5})]
    with pytest.raises(RecordError, match="shop has no alarm 'x'"):
        _write(engine, lambda c: store.revise_alarm(c, replace(alarm, id="x"), actor="watch", now_us=4))


def test_every_status_of_an_opportunity_is_kept(engine: Engine, store: RecordStore) -> None:
    for now_us, status in enumerate(("new", "accepted", "rejected"), start=1):
        _write(
            engine,
            lambda c, status=status, now_us=now_us: store.set_opportunity_status(
                c, opportunity_id="shipping@cart", status=status, reason="as agreed", actor="ann", now_us=now_us
            ),
        )
    kept = load_records(engine, "shop").opportunity_statuses
    assert [(one.status, one.at_us) for one in kept] == [("new", 1), ("accepted", 2), ("rejected", 3)]
    assert [(entry[3], entry[4]["status"]) for entry in _audit(engine)] == [
        (None, "new"),
        ({"status": "new"}, "accepted"),
        ({"status": "accepted"}, "rejected"),
    ]


def test_a_milestone_is_added_moved_and_done_once(engine: Engine, store: RecordStore) -> None:
    def all_of_it(connection: Connection) -> Milestone:
        one = store.add_milestone(
            connection, due=date(2026, 4, 1), title="Free returns", owner="logistics", actor="ann", now_us=1
        )
        store.move_milestone(connection, one.id, date(2026, 5, 1), actor="bob", now_us=2)
        store.move_milestone(connection, one.id, date(2026, 5, 1), actor="bob", now_us=3)
        store.complete_milestone(connection, one.id, actor="bob", now_us=4)
        return store.complete_milestone(connection, one.id, actor="ann", now_us=5)

    one = _write(engine, all_of_it)
    assert store.milestones() == (one,) == (Milestone(one.id, date(2026, 5, 1), "Free returns", "logistics", 4),)
    assert [(entry[0], entry[1]) for entry in _audit(engine)] == [
        ("ann", "add milestone"),
        ("bob", "move milestone"),
        ("bob", "complete milestone"),
    ]
    assert _audit(engine)[1][3]["due"] == "2026-04-01"
    for write in (store.complete_milestone, lambda c, n, **by: store.move_milestone(c, n, date(2026, 1, 1), **by)):
        with pytest.raises(RecordError, match="shop has no milestone 99"):
            _write(engine, lambda c, write=write: write(c, 99, actor="ann", now_us=1))


def test_what_says_nothing_is_refused_and_leaves_neither_row_nor_line(engine: Engine, store: RecordStore) -> None:
    with pytest.raises(RecordError, match="the text is empty"):
        _write(engine, lambda c: store.annotate(c, at_us=1, kind=AnnotationKind.OTHER, text=" ", actor="ann", now_us=1))
    with pytest.raises(RecordError, match="the owner is empty"):
        _write(
            engine,
            lambda c: store.add_milestone(c, due=date(2026, 1, 1), title="x", owner="", actor="ann", now_us=1),
        )
    assert load_records(engine, "shop") == Records()


def test_a_change_that_fails_leaves_no_line_in_the_audit(engine: Engine, store: RecordStore) -> None:
    def fails(connection: Connection) -> None:
        store.open_alarm(connection, ALARM, actor="watch", now_us=1)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        _write(engine, fails)
    assert load_records(engine, "shop") == Records()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(visitor=st.text(min_size=1), other=st.text(min_size=1))
def test_an_audited_visitor_is_recognised_by_the_id_alone(visitor: str, other: str) -> None:
    subject = visitor_subject(visitor)
    assert names_visitor(subject, visitor)
    assert names_visitor(subject, other) == (other == visitor)
    assert subject != visitor_subject(visitor)
    assert not names_visitor("milestone 3", visitor)


def test_promotions_stand_in_the_audit_in_the_order_of_time() -> None:
    noon_us = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000
    earlier, later = (
        AuditEntry(number, noon_us + shift, "ann", "annotate", f"annotation {number}", None, {})
        for number, shift in ((1, -1), (2, 1))
    )
    first = Promotion("2026-03-01T12:00:00.000000Z", "bob", Action.TRAIN, "1", None, "the first one")
    back = Promotion("2026-03-01T12:00:00.000002Z", "bob", Action.ROLLBACK, "1", "2", "too many alarms")
    told = with_promotions((earlier, later), History((first, back)), "champion")
    assert [(entry.action, entry.at_us - noon_us) for entry in told] == [
        ("annotate", -1),
        ("train", 0),
        ("annotate", 1),
        ("rollback", 2),
    ]
    assert (told[1].before, told[1].after) == (None, {"version": "1", "reason": "the first one"})
    assert told[3].before == {"version": "2"}


def test_refused_rows_are_counted_by_the_hour_and_the_reason(engine: Engine) -> None:
    log, hour = EventLog(engine, "shop"), 3_600_000_000

    def refuse(connection: Connection) -> None:
        for at_us, reason in ((hour - 1, "a"), (hour, "a"), (2 * hour - 1, "a"), (2 * hour - 1, "b")):
            log.refuse(connection, at_us, "v", reason, "{}")

    _write(engine, refuse)
    expected = (RefusedRows(0, "a", 1), RefusedRows(hour, "a", 2), RefusedRows(hour, "b", 1))
    assert load_records(engine, "shop").refused == expected


def test_a_database_of_before_the_records_keeps_its_rows_and_gets_the_tables(tmp_path: Path) -> None:
    from sqlalchemy import create_engine

    plain = create_engine(database_url(tmp_path))
    migrate(plain, "0001")
    with plain.begin() as connection:
        connection.execute(
            text("INSERT INTO quarantine (journey, received_at_us, reason, payload) VALUES ('shop', 1, 'r', 'p')")
        )
    plain.dispose()
    engine = open_database(database_url(tmp_path))
    assert load_records(engine, "shop") == Records(refused=(RefusedRows(0, "r", 1),))
    engine.dispose()
