"""Leases, ends of sessions and the outbox, on a real PostgreSQL as on SQLite."""

import threading
import time
from typing import Any

import pytest
from servers import PostgresServer
from sqlalchemy import Engine

from features.events import Event
from storage.database import open_database, writing
from storage.event_log import EventLog
from storage.follow_ups import FollowUp, FollowUps, FollowUpState
from storage.leases import LeaseLost, Leases, database_now_us
from storage.session_ends import SessionEnd, SessionEnds, SessionOutcome, SettledPositions

SECOND = 1_000_000
AT_US = 1_772_368_200 * SECOND


def append(engine: Engine, *events: tuple[str, str, float]) -> None:
    """Log events ``(id, session, seconds after the start)``."""
    log = EventLog(engine, "shop")
    with writing(engine) as connection:
        log.append(connection, [_event(*one) for one in events])


def _event(name: str, session: str, seconds: float) -> Event:
    at_us = AT_US + round(seconds * SECOND)
    return Event(name, "page_view", at_us, f"v-{session}", session_id=session, received_at_us=at_us)


def end(session: str) -> SessionEnd:
    return SessionEnd(session, f"v-{session}", None, SessionOutcome.ABANDONED, "cart", AT_US, AT_US + SECOND, 0.7)


def test_a_lease_is_taken_confirmed_lost_and_taken_over(engine: Engine) -> None:
    leases = Leases(engine)
    with writing(engine) as connection:
        assert leases.take(connection, "sweep", "a", 0.3)
        assert not leases.take(connection, "sweep", "b", 0.3)
        assert not leases.is_free(connection, "sweep", "b", 0.3)
    with writing(engine) as connection:
        assert leases.confirm(connection, "sweep", "a") == 0
        leases.advance(connection, "sweep", 7)
    time.sleep(0.35)
    with writing(engine) as connection:
        assert leases.take(connection, "sweep", "b", 5)
        with pytest.raises(LeaseLost):
            leases.confirm(connection, "sweep", "a")
        assert leases.confirm(connection, "sweep", "b") == 7
    with engine.connect() as connection:
        assert abs(database_now_us(connection) - time.time() * SECOND) < 2 * SECOND


def test_whoever_writes_as_the_holder_is_not_overtaken_meanwhile(postgres_server: PostgresServer) -> None:
    engine = open_database(postgres_server.new_database("held"))
    leases = Leases(engine)
    with writing(engine) as connection:
        assert leases.take(connection, "sweep", "a", 0.2)
    with writing(engine) as holding:
        leases.confirm(holding, "sweep", "a")
        time.sleep(0.25)
        began = time.monotonic()
        # The lease is over, but its holder's last transaction is not: nobody takes over, and nobody waits.
        with engine.connect() as connection, connection.begin():
            assert not leases.take(connection, "sweep", "b", 5)
        assert time.monotonic() - began < 5
    with writing(engine) as connection:
        assert leases.take(connection, "sweep", "b", 5)
    engine.dispose()


def test_sessions_are_noted_closed_once_and_opened_again_by_what_comes(engine: Engine) -> None:
    ends = SessionEnds(engine, "shop")
    append(engine, ("1", "s", 0), ("2", "t", 5), ("3", "s", 9))
    with writing(engine) as connection:
        latest = ends.next_position(connection, 0, 10**9, 100)
        assert ends.note(connection, 0, latest) == 0
        silent = ends.silent(connection, AT_US + 20 * SECOND, 10)
        assert [(one.session_id, one.last_at_us - AT_US) for one in silent] == [("t", 5 * SECOND), ("s", 9 * SECOND)]
        assert [one.session_id for one in ends.silent(connection, AT_US + 5 * SECOND, 10)] == ["t"]
        assert ends.close(connection, end("s"))
        assert not ends.close(connection, end("s"))
    assert ends.all_ends() == [end("s")]
    assert ends.waiting() == (1, AT_US + 5 * SECOND)
    append(engine, ("0", "s", 3))
    with writing(engine) as connection:
        again = ends.next_position(connection, latest, 10**9, 100)
        assert ends.note(connection, latest, again) == 1
        assert [one.session_id for one in ends.silent(connection, AT_US + 60 * SECOND, 10)] == ["s", "t"]
        # A late event does not take back what was noted of a later one.
        assert ends.next_position(connection, again, 10**9, 100) == again
    assert ends.end_of("s") is None
    with writing(engine) as connection:
        assert ends.erase_visitor(connection, "v-s") == {"session_ends": 0}
    assert ends.waiting() == (1, AT_US + 5 * SECOND)


def test_an_event_that_is_committed_late_is_not_passed_over(postgres_server: PostgresServer) -> None:
    engine = open_database(postgres_server.new_database("late"))
    log, settled = EventLog(engine, "shop"), SettledPositions(engine)
    append(engine, ("first", "s", 0))

    def look() -> int:
        with engine.connect() as connection:
            return settled.look(connection)

    assert [look() for _ in range(3)][-1] == 1
    slow, begun, goes_on = threading.Event(), threading.Event(), threading.Event()

    def write_slowly() -> None:
        # One that does not take its turn as the service's writers do.
        with engine.connect() as connection, connection.begin():
            log.append(connection, [_event("slow", "s", 1)])
            begun.set()
            goes_on.wait(30)
        slow.set()

    writer = threading.Thread(target=write_slowly)
    writer.start()
    begun.wait(30)
    append(engine, ("quick", "s", 2))
    # The quick event has position 3; the slow one has 2, and nobody sees it yet.
    assert {look() for _ in range(5)} == {1}
    goes_on.set()
    slow.wait(30)
    writer.join()
    assert [look() for _ in range(4)][-1] == 3
    engine.dispose()


def test_a_message_is_claimed_once_for_each_attempt(engine: Engine) -> None:
    store = FollowUps(engine, "shop")
    one = FollowUp("m", "s", "v", "d", "email", "{}", AT_US, AT_US)
    with writing(engine) as connection:
        store.add(connection, one)
    assert store.due(AT_US - 1, 5) == []
    assert store.due(AT_US, 5) == [one]
    with writing(engine) as connection:
        assert store.claim(connection, one, AT_US + 9)
        assert not store.claim(connection, one, AT_US + 9)
    [claimed] = store.due(AT_US + 9, 5)
    assert (claimed.attempts, claimed.state) == (1, FollowUpState.PENDING)
    with writing(engine) as connection:
        store.record_delivery(connection, "m", AT_US + 10)
    assert store.due(AT_US + 99, 5) == []
    counts: dict[Any, int] = store.counts()
    assert counts == {"pending": 0, "delivered": 1, "given_up": 0}
    with writing(engine) as connection:
        assert store.erase_visitor(connection, "v") == {"follow_ups": 1}
