"""Group commit: nothing is done before it is committed, and one failure spoils nothing else."""

import threading
from concurrent.futures import Future

import pytest
from sqlalchemy import Connection, Engine, func, insert, select
from sqlalchemy.exc import IntegrityError

from storage.tables import quarantine
from storage.writer import Writer, WriterClosed


def _row(number: int) -> dict[str, object]:
    return {"journey": "j", "received_at_us": number, "reason": "r", "payload": "p"}


def _insert(number: int):
    return lambda connection: connection.execute(insert(quarantine), _row(number)).rowcount


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
