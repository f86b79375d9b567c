"""Group commit: nothing is done before it is committed, and one failure spoils nothing else."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, func, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError

from storage.database import database_url, open_database
from storage.tables import quarantine
from storage.writer import Writer, WriterClosed, WriterFull, Written


def _row(number: int) -> dict[str, object]:
    return {"journey": "j", "received_at_us": number, "reason": "r", "payload": "p"}


def _insert(number: int) -> Callable[[Connection], int]:
    def write(connection: Connection) -> int:
        connection.execute(insert(quarantine), _row(number))
        return 1

    return write


def _count(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(quarantine)).scalar_one()


def test_a_future_is_done_only_after_others_can_see_the_row(engine: Engine, writer: Writer) -> None:
    for number in range(20):
        assert writer.submit(_insert(number)).result(5) == 1
        assert _count(engine) == number + 1


def test_writes_that_wait_together_share_one_commit(engine: Engine, writer: Writer) -> None:
    entered, release, seen = threading.Event(), threading.Event(), []

    def hold(connection: Connection) -> None:
        entered.set()
        release.wait(5)

    first = writer.submit(hold)
    entered.wait(5)
    transactions: list[object] = []

    def note(connection: Connection) -> None:
        transactions.append(connection.get_transaction())

    waiting: list[Future[None]] = [writer.submit(note) for _ in range(50)]
    release.set()
    first.result(5)
    seen += [future.result(5) for future in waiting]
    assert len(seen) == 50
    assert len(set(map(id, transactions))) == 1


def test_a_write_that_fails_takes_no_other_with_it(engine: Engine, writer: Writer) -> None:
    entered, release = threading.Event(), threading.Event()
    blocked = writer.submit(lambda _: (entered.set(), release.wait(5)))
    entered.wait(5)
    good = [writer.submit(_insert(number)) for number in range(3)]
    bad = writer.submit(lambda connection: connection.execute(insert(quarantine), {"journey": "only"}))
    good += [writer.submit(_insert(number)) for number in range(3)]
    release.set()
    blocked.result(5)
    assert [future.result(5) for future in good] == [1] * 6
    with pytest.raises(IntegrityError):
        bad.result(5)
    assert _count(engine) == 6


def test_closing_writes_what_is_queued_and_then_takes_no_more(engine: Engine) -> None:
    writer = Writer(engine)
    futures = [writer.submit(_insert(number)) for number in range(500)]
    writer.close()
    writer.close()
    assert all(future.done() for future in futures)
    assert _count(engine) == 500
    with pytest.raises(WriterClosed):
        writer.submit(_insert(0))


def test_who_waits_cannot_take_back_what_is_queued(writer: Writer) -> None:
    assert not writer.submit(_insert(1)).cancel()


def test_no_more_than_the_bound_waits_and_what_was_refused_can_come_again(engine: Engine) -> None:
    writer = Writer(engine, most_waiting=100)
    entered, release = threading.Event(), threading.Event()
    holding = writer.submit(lambda _: (entered.set(), release.wait(5)))
    entered.wait(5)
    taken = [writer.submit(_insert(number), size=33) for number in range(3)]
    with pytest.raises(WriterFull, match="100 events and other writes wait"):
        writer.submit(_insert(3))
    release.set()
    holding.result(5)
    assert [one.result(5) for one in taken] == [1, 1, 1]
    assert writer.submit(_insert(3), size=1_000).result(5) == 1
    writer.close()
    assert _count(engine) == 4


def test_where_the_disk_is_full_all_that_wait_are_told_at_once_and_the_next_one_tries_anew(tmp_path: Path) -> None:
    engine = open_database(database_url(tmp_path))
    writer = Writer(engine)
    runs: list[int] = []

    def fill(connection: Connection) -> None:
        runs.append(1)
        connection.execute(insert(quarantine), {**_row(1), "payload": "p" * 100_000})

    entered, release = threading.Event(), threading.Event()

    def limit(connection: Connection) -> None:
        # SQLite's own bound on this connection: it fails as on a full disk.
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        entered.set()
        release.wait(5)

    limiting = writer.submit(limit)
    entered.wait(5)
    waiting = [writer.submit(fill) for _ in range(20)]
    release.set()
    limiting.result(5)
    errors = [one.exception(5) for one in waiting]
    assert {str(error.orig) for error in errors if isinstance(error, OperationalError)} == {"database or disk is full"}
    assert len(errors) == 20
    assert runs == [1]
    assert writer.submit(fill, size=1).result(5) is None
    writer.close()
    assert _count(engine) == 1
    engine.dispose()


def test_a_connection_that_ended_before_the_commit_is_made_anew_and_the_writes_with_it(
    copy_tables: Callable[[], str],
) -> None:
    engine = open_database(copy_tables())
    writer = Writer(engine)
    assert writer.submit(_insert(1)).result(5) == 1
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert writer.submit(_insert(2)).result(5) == 1
    ended: list[int] = []

    def end_once(connection: Connection) -> int:
        connection.execute(insert(quarantine), _row(3))
        if not ended:
            ended.append(1)
            connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
        return 1

    assert writer.submit(end_once).result(5) == 1
    writer.close()
    assert _count(engine) == 3
    engine.dispose()


def test_what_waits_is_seen_while_a_write_hangs_and_told_of_once_it_is_done(writer: Writer) -> None:
    entered, release, told = threading.Event(), threading.Event(), []
    writer.told = told.append

    def hold(connection: Connection) -> None:
        entered.set()
        release.wait(5)

    def fail(connection: Connection) -> None:
        raise ZeroDivisionError

    assert (writer.waiting, writer.oldest_seconds) == (0, 0.0)
    held = writer.submit(hold, size=7)
    entered.wait(5)
    waiting = [writer.submit(_insert(1)), writer.submit(fail), writer.submit(_insert(2))]
    time.sleep(0.1)
    assert writer.waiting == 10
    assert writer.oldest_seconds >= 0.1
    release.set()
    held.result(5)
    assert [future.exception(5) is None for future in waiting] == [True, False, True]
    writer.close()
    assert (writer.waiting, writer.oldest_seconds) == (0, 0.0)
    first, second = (Written(*one) for one in told)
    assert (first.writes, first.failed, second.writes, second.failed) == (1, 0, 3, 1)
    # The first held the others up for a tenth of a second, and waited for nothing itself.
    assert first.seconds >= 0.1 > first.waited_seconds
    assert second.waited_seconds >= 0.1


def test_what_waits_for_the_same_is_written_in_one_go_each_told_of_its_own_and_a_failure_spoils_nothing(
    engine: Engine, writer: Writer
) -> None:
    entered, release, handed = threading.Event(), threading.Event(), list[list[int]]()

    def together(connection: Connection, numbers: Sequence[int]) -> list[int]:
        handed.append([*numbers])
        for number in numbers:
            connection.execute(insert(quarantine), _row(number) if number else {"journey": "only"})
        return [10 * number for number in numbers]

    blocked = writer.submit(lambda _: (entered.set(), release.wait(5)))
    entered.wait(5)
    first = [writer.submit_to(together, number) for number in (1, 2)]
    alone = writer.submit(_insert(9))
    later = writer.submit_to(together, 3)
    release.set()
    assert blocked.result(5)
    assert [one.result(5) for one in (*first, alone, later)] == [10, 20, 1, 30]
    assert handed == [[1, 2, 3]]

    handed.clear()
    entered.clear()
    release.clear()
    blocked = writer.submit(lambda _: (entered.set(), release.wait(5)))
    entered.wait(5)
    good, bad, other = (writer.submit_to(together, number) for number in (4, 0, 5))
    release.set()
    assert blocked.result(5)
    assert (good.result(5), other.result(5)) == (40, 50)
    assert isinstance(bad.exception(5), IntegrityError)
    assert handed == [[4, 0, 5], [4], [0], [5]]
    assert _count(engine) == 6


def test_what_is_much_already_takes_in_no_more(engine: Engine, writer: Writer) -> None:
    entered, release, told = threading.Event(), threading.Event(), list[int]()
    writer.told = lambda written: told.append(written.writes)
    blocked = writer.submit(lambda _: (entered.set(), release.wait(5)))
    entered.wait(5)
    waiting = [writer.submit(_insert(number), size=2_000) for number in range(7)]
    release.set()
    assert blocked.result(5)
    assert [one.result(5) for one in waiting] == [1] * 7
    writer.close()
    # Three of 2,000 are more than 5,000.
    assert told == [1, 3, 3, 1]
