"""Leases: one holder at a time, followed by another when it dies, and fenced off when it wakes."""

import threading
import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from storage.database import writing
from storage.leases import LeaseLost, Leases, database_now_us

SECOND = 1_000_000


class Clock:
    """The database's clock, which stands until it is moved."""

    def __init__(self) -> None:
        self.now_us = 1_772_368_200 * SECOND

    def __call__(self, _connection: object) -> int:
        return self.now_us

    def advance(self, seconds: float) -> None:
        self.now_us += round(seconds * SECOND)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leases(engine: Engine, clock: Clock) -> Leases:
    return Leases(engine, clock)


def take(engine: Engine, leases: Leases, holder: str, seconds: float = 10, name: str = "sweep") -> bool:
    with writing(engine) as connection:
        free = leases.is_free(connection, name, holder, seconds)
        taken = leases.take(connection, name, holder, seconds)
    assert free is taken
    return taken


def test_one_of_two_gets_a_lease_and_keeps_it_while_it_renews(engine: Engine, leases: Leases, clock: Clock) -> None:
    assert take(engine, leases, "a")
    for _ in range(5):
        clock.advance(9)
        assert not take(engine, leases, "b")
        assert take(engine, leases, "a")


def test_a_lease_is_free_from_the_moment_it_runs_out(engine: Engine, leases: Leases, clock: Clock) -> None:
    assert take(engine, leases, "a")
    clock.advance(9.999999)
    assert not take(engine, leases, "b")
    clock.advance(0.000001)
    assert take(engine, leases, "b")
    assert not take(engine, leases, "a")


def test_leases_of_other_names_are_other_leases(engine: Engine, leases: Leases) -> None:
    assert take(engine, leases, "a", name="sweep:one")
    assert take(engine, leases, "b", name="sweep:two")


def test_a_released_lease_can_be_taken_at_once_and_only_by_its_holder_released(engine: Engine, leases: Leases) -> None:
    assert take(engine, leases, "a")
    with writing(engine) as connection:
        leases.release(connection, "sweep", "b")
    assert not take(engine, leases, "b")
    with writing(engine) as connection:
        leases.release(connection, "sweep", "a")
    assert take(engine, leases, "b")


def test_a_holder_that_wakes_after_another_took_over_writes_nothing(
    engine: Engine, leases: Leases, clock: Clock
) -> None:
    assert take(engine, leases, "a")
    clock.advance(11)
    # It is late even where nobody has noticed yet.
    with writing(engine) as connection, pytest.raises(LeaseLost):
        leases.confirm(connection, "sweep", "a")
    assert take(engine, leases, "b")
    with writing(engine) as connection, pytest.raises(LeaseLost, match="sweep"):
        leases.confirm(connection, "sweep", "a")
    with writing(engine) as connection:
        assert leases.confirm(connection, "sweep", "b") == 0


def test_the_next_holder_goes_on_where_the_last_one_was(engine: Engine, leases: Leases, clock: Clock) -> None:
    assert take(engine, leases, "a")
    with writing(engine) as connection:
        leases.confirm(connection, "sweep", "a")
        leases.advance(connection, "sweep", 4_711)
    clock.advance(60)
    assert take(engine, leases, "b")
    with writing(engine) as connection:
        assert leases.confirm(connection, "sweep", "b") == 4_711
        assert leases.progress(connection, "sweep") == 4_711
        assert leases.progress(connection, "another") == 0


def test_a_clock_that_goes_back_an_hour_blocks_nobody_for_an_hour(engine: Engine, leases: Leases, clock: Clock) -> None:
    assert take(engine, leases, "a")
    clock.advance(-3_600)
    assert take(engine, leases, "b")
    assert not take(engine, leases, "a")


def test_the_databases_clock_is_the_time(engine: Engine) -> None:
    before = time.time()
    with engine.connect() as connection:
        said = database_now_us(connection) / SECOND
    # SQLite counts in days: a double holds them to 40 microseconds, its own clock to a millisecond.
    assert before - 0.01 <= said <= time.time() + 0.01
    assert datetime.fromtimestamp(said, UTC).year >= 2026


def test_of_many_that_ask_together_one_gets_it(engine: Engine) -> None:
    leases = Leases(engine)
    won: list[str] = []
    together = threading.Barrier(8)

    def ask(holder: str) -> None:
        together.wait()
        with writing(engine) as connection:
            if leases.take(connection, "sweep", holder, 30):
                won.append(holder)

    threads = [threading.Thread(target=ask, args=(f"h{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
