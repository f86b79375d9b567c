"""Several processes on one database: nothing is lost, nothing stands twice, and no reader skips an event."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import Connection, Engine, delete, select

from features.events import Event
from storage.database import open_database, writing
from storage.event_log import EventLog
from storage.failures import is_unavailable
from storage.tables import events
from storage.writer import Writer

EVENT = Event("e", "view_product", 1, "v", session_id="s", received_at_us=1)
REPLICAS = 3


class Replica:
    """What one process has: an engine, a writer and a log of its own."""

    def __init__(self, address: str) -> None:
        self.engine = open_database(address)
        self.writer = Writer(self.engine)
        self.log = EventLog(self.engine, "shop")

    def append(self, ids: list[int]) -> frozenset[str]:
        received = [replace(EVENT, event_id=str(number)) for number in ids]
        return self.writer.submit(lambda connection: self.log.append(connection, received)).result(20)

    def close(self) -> None:
        self.writer.close()
        self.engine.dispose()


@contextmanager
def replicas(address: str, count: int = REPLICAS) -> Iterator[list[Replica]]:
    opened = [Replica(address) for _ in range(count)]
    try:
        yield opened
    finally:
        for one in opened:
            one.close()


@pytest.fixture
def running(address: str) -> Iterator[list[Replica]]:
    with replicas(address) as opened:
        yield opened


def _together(acts: list[threading.Thread]) -> None:
    for act in acts:
        act.start()
    for act in acts:
        act.join()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=8, unique=True), max_size=4),
        min_size=REPLICAS,
        max_size=REPLICAS,
    )
)
def test_whichever_replica_appends_an_event_it_is_there_once_and_one_of_them_was_told_that_it_is_new(
    running: list[Replica], sent: list[list[list[int]]]
) -> None:
    with writing(running[0].engine) as connection:
        connection.execute(delete(events))
    told_new: Counter[str] = Counter()
    guard = threading.Lock()

    def send(replica: Replica, batches: list[list[int]]) -> None:
        for ids in batches:
            new = {str(number) for number in ids} - replica.append(ids)
            with guard:
                told_new.update(new)

    _together([threading.Thread(target=send, args=pair) for pair in zip(running, sent, strict=True)])
    wanted = {str(number) for batches in sent for ids in batches for number in ids}
    assert told_new == dict.fromkeys(wanted, 1)
    stored = [event.event_id for event in running[0].log.visitor_events("v")]
    assert sorted(stored) == sorted(wanted)


def test_a_reader_that_goes_by_position_never_passes_an_event_that_is_committed_later(running: list[Replica]) -> None:
    appending = 3 * [60]
    seen: list[str] = []
    done = threading.Event()

    def send(replica: Replica, first: int, count: int) -> None:
        for number in range(count):
            replica.append([first + 10 * number + place for place in range(10)])

    def read(engine: Engine) -> None:
        position, last = 0, False
        query = select(events.c.position, events.c.event_id).order_by(events.c.position)
        while not last:
            last = done.is_set()
            with engine.connect() as connection:
                for row in connection.execute(query.where(events.c.position > position)):
                    position = row.position
                    seen.append(row.event_id)

    reader = threading.Thread(target=read, args=(running[0].engine,))
    reader.start()
    _together(
        [
            threading.Thread(target=send, args=(replica, 10_000 * place, count))
            for place, (replica, count) in enumerate(zip(running, appending, strict=True))
        ]
    )
    done.set()
    reader.join()
    assert len(seen) == len(set(seen)) == 10 * sum(appending)


def test_an_export_in_the_middle_of_appending_holds_whole_commits_only(running: list[Replica]) -> None:
    writing_on, exporting = running[0], running[1]

    def send() -> None:
        for number in range(60):
            writing_on.append([10 * number + place for place in range(10)])

    sender = threading.Thread(target=send)
    sender.start()
    counts = [sum(batch.num_rows for batch in exporting.log.batches(batch_events=7)) for _ in range(5)]
    sender.join()
    assert all(count % 10 == 0 for count in counts)
    assert counts == sorted(counts)


def test_positions_of_erased_events_are_not_given_again(running: list[Replica]) -> None:
    [one, other, _] = running
    one.append([1, 2, 3])
    before = one.log.last_position()
    erased = one.writer.submit(lambda connection: one.log.erase_visitor(connection, "v")).result(5)
    assert erased["events"] == 3
    other.append([4])
    assert (other.log.last_position() or 0) > (before or 0)


def test_a_replica_that_stops_in_the_midst_of_a_write_holds_the_others_up_for_seconds_only(
    running: list[Replica],
) -> None:
    stopped, other, _ = running
    if stopped.engine.dialect.name == "sqlite":
        pytest.skip("the kernel, not the database, takes SQLite's lock from a process, when it ends")
    entered, wakes = threading.Event(), threading.Event()

    def stop(connection: Connection) -> None:
        stopped.log.append(connection, [EVENT])
        entered.set()
        wakes.wait(20)

    held = stopped.writer.submit(stop)
    assert entered.wait(5)
    # Less than the ten seconds after which a write that waits for its turn gives up.
    assert other.append([1]) == frozenset()
    wakes.set()
    # Its own write is undone, and it is told so.
    assert is_unavailable(held.exception(5))
    assert stopped.append([2]) == frozenset()
    assert [event.event_id for event in other.log.visitor_events("v")] == ["1", "2"]
