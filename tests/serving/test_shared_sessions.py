"""Stores of several processes on one log: together they know what one alone would know."""

import asyncio
import threading
from collections.abc import Iterator
from itertools import count as count_up
from typing import Any

import numpy as np
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from servers import RedisServer

from decisions.decision import Decision, Reason, Recommendation, Score
from features.events import Event
from features.friction import Friction
from features.plan import compile_plan
from features.scan import any_event, count, position, since, stage
from features.scan import drops as steps_back
from features.table import Feature, FeatureTable, Stage
from serving.database_sessions import DatabaseStore
from serving.redis_sessions import RedisStore
from serving.session_store import Limits, SessionStore
from serving.sessions import AloneStore
from serving.visitor import Placed, Visitor
from storage.database import database_url, open_database
from storage.event_log import EventLog
from storage.ledger import Ledger, LedgerEntry
from storage.visitor_log import VisitorLog
from storage.writer import Writer

SECOND = 1_000_000
START_US = 1_760_000_000 * SECOND
LIMITS = Limits(timeout_us=1_800 * SECOND, visitor_events=20_000, memory_events=40)
PLAN = compile_plan(
    FeatureTable(
        events=("look", "buy"),
        stages=(Stage("looking", "look"), Stage("buying", "buy")),
        features=(
            Feature("events_seen", count(any_event), Friction.NONE, "{:.0f} events"),
            Feature("stage_index", stage, Friction.NONE, "stage {:.0f}"),
            Feature("idle_seconds", since(any_event), Friction.NONE, "{:.0f} s"),
            Feature("steps_back", steps_back(position), Friction.NAVIGATION, "{:.0f} steps back"),
            Feature("purchases_before", count("buy", per="visitor"), Friction.NONE, "{:.0f} purchases"),
        ),
    )
)
EVENT = Event("e0", "look", START_US, "v", received_at_us=START_US)


class Process:
    """What one process has: a writer and a store, on a database that others write too."""

    def __init__(self, address: str) -> None:
        self.engine = open_database(address)
        self.writer = Writer(self.engine)
        self.open("alone", "j")

    def open(self, kind: str, journey: str, redis_url: str = "") -> None:
        """Begin anew, with a journey of which nothing is known yet."""
        self.log, self.ledger = EventLog(self.engine, journey), Ledger(self.engine, journey)
        known = VisitorLog(self.engine, journey)
        self.store: SessionStore
        if kind == "alone":
            self.store = AloneStore(PLAN, self.log, self.ledger, self.writer, LIMITS)
        elif kind == "database":
            self.store = DatabaseStore(PLAN, self.log, self.ledger, known, self.writer, LIMITS)
        else:
            self.store = RedisStore(PLAN, self.log, self.ledger, known, self.writer, LIMITS, redis_url)

    async def keep(self, *events: Event) -> list[Placed]:
        return list((await self.store.keep(events, lambda _connection, _placements: None)).placed)

    def close(self) -> None:
        self.writer.close()
        self.engine.dispose()


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as opened:
        yield opened


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def processes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Process]]:
    """Four processes on one database."""
    if request.param == "sqlite":
        address = database_url(tmp_path_factory.mktemp("shared"))
    else:
        address = request.getfixturevalue("postgres_server").new_database("shared_sessions")
    opened = [Process(address) for _ in range(4)]
    yield opened
    for one in opened:
        one.close()


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["database", "redis"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def both(
    kind: str,
    processes: list[Process],
    redis_server: RedisServer,
    runner: asyncio.Runner,
    request: pytest.FixtureRequest,
) -> Iterator[list[Process]]:
    """Two of them, with a journey of their own."""
    opened = processes[:2]
    for one in opened:
        one.open(kind, request.node.name, redis_server.url)
    yield opened
    for one in opened:
        runner.run(one.store.close())


def _at(seconds: float, event_id: str, **changes: Any) -> Event:
    return replace(EVENT, event_id=event_id, occurred_at_us=START_US + round(seconds * SECOND), **changes)


def _described(visitor: Visitor) -> dict[str, np.ndarray]:
    rows = {}
    for session_id in sorted(visitor.session_ids):
        session = visitor.session(session_id)
        assert session is not None
        moments = [(seen + 1, session.last_at_us + SECOND) for seen in range(len(session))]
        rows[session_id] = session.rows(moments, visitor.others(session))
    return rows


def _evict(server: RedisServer) -> None:
    with redis.Redis(port=server.port) as client:
        client.flushdb()


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),  # which process
        st.sampled_from(["keep", "keep", "keep", "look at", "evict"]),
        st.sampled_from(["v", "w"]),
        st.integers(0, 9),  # which event id: some come twice
        st.sampled_from([0.0, 1.0, 1_799.0, 1_800.0, 1_801.0, 5_000.0, 90_000.0]),
        st.sampled_from(["look", "buy", "other"]),
        st.sampled_from([None, None, "s"]),
    ),
    max_size=24,
)


JOURNEYS = count_up()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_interleaving_of_processes_gives_what_one_alone_makes_of_the_order_of_commits(
    kind: str,
    processes: list[Process],
    redis_server: RedisServer,
    runner: asyncio.Runner,
    steps: list[tuple[int, str, str, int, float, str, str | None]],
) -> None:
    number = next(JOURNEYS)
    alone, *sharing = processes
    alone.open("alone", f"alone {number}")
    for one in sharing:
        one.open(kind, f"shared {number}", redis_server.url)

    async def walk() -> None:
        for process, action, visitor_id, place, seconds, name, session_id in steps:
            if action == "look at":
                await sharing[process].store.visitor(visitor_id)
                continue
            if action == "evict":
                _evict(redis_server)
                continue
            # One id is one event of one visitor: it may come twice, through different processes.
            event = _at(
                seconds + place, f"{visitor_id}{place}", visitor_id=visitor_id, name=name, session_id=session_id
            )
            (expected,) = await alone.keep(event)
            (placed,) = await sharing[process].keep(event)
            assert placed.is_new == expected.is_new
            if placed.is_new:
                assert placed.event == expected.event
        for visitor_id in ("v", "w"):
            expected_rows = _described(await alone.store.visitor(visitor_id))
            for one in sharing:
                rows = _described(await one.store.visitor(visitor_id))
                assert rows.keys() == expected_rows.keys()
                for session_id, row in rows.items():
                    np.testing.assert_array_equal(row.view(np.int64), expected_rows[session_id].view(np.int64))

    async def walk_and_close() -> None:
        try:
            await walk()
        finally:
            for one in sharing:
                await one.store.close()

    runner.run(walk_and_close())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_what_processes_do_at_the_same_time_is_as_if_it_were_done_in_the_order_of_commits(
    kind: str,
    processes: list[Process],
    redis_server: RedisServer,
    runner: asyncio.Runner,
    steps: list[tuple[int, str, str, int, float, str, str | None]],
) -> None:
    number = next(JOURNEYS)
    alone, *sharing = processes
    alone.open("alone", f"alone {number}")
    for one in sharing:
        one.open(kind, f"shared {number}", redis_server.url)
    sent: dict[str, Event] = {}

    async def step(
        process: int, action: str, visitor_id: str, place: int, seconds: float, name: str, named: Any
    ) -> None:
        if action == "look at":
            await sharing[process].store.visitor(visitor_id)
        elif action == "evict":
            await asyncio.to_thread(_evict, redis_server)
        else:
            event = _at(seconds, f"{visitor_id}{place}", visitor_id=visitor_id, name=name, session_id=named)
            await sharing[process].keep(sent.setdefault(event.event_id, event))
            # Whoever has been answered finds it everywhere.
            found = await sharing[process - 1].store.visitor(visitor_id)
            assert event.event_id in {one for session in found.sessions for one in session.columns.event_ids}

    async def walk() -> None:
        try:
            await asyncio.gather(*(step(*one) for one in steps))
            for row in [row for batch in sharing[0].log.batches() for row in batch.to_pylist()]:
                (placed,) = await alone.keep(sent[row["event_id"]])
                assert placed.event.session_id == row["session_id"]
            for visitor_id in ("v", "w"):
                expected = _described(await alone.store.visitor(visitor_id))
                for one in sharing:
                    rows = _described(await one.store.visitor(visitor_id))
                    assert {key: row.tobytes() for key, row in rows.items()} == {
                        key: row.tobytes() for key, row in expected.items()
                    }
        finally:
            for one in sharing:
                await one.store.close()

    runner.run(walk())


def test_what_one_process_has_kept_the_other_knows_at_once(both: list[Process], runner: asyncio.Runner) -> None:
    one, other = both

    async def alternate() -> None:
        for number in range(20):
            keeping, asked = (one, other) if number % 2 else (other, one)
            await keeping.keep(_at(number, f"e{number}"))
            visitor = await asked.store.visitor("v")
            assert visitor.event_count == number + 1
            assert visitor.session_ids == (f"v~{START_US}",)

    runner.run(alternate())


def test_requests_that_wait_together_are_placed_one_after_the_other_and_the_others_told_in_that_order(
    both: list[Process], runner: asyncio.Runner
) -> None:
    one, other = both

    async def together() -> None:
        await one.keep(_at(0, "a"))
        await other.store.visitor("v")
        misses = other.store.counts.misses
        entered, release = threading.Event(), threading.Event()
        blocked = one.writer.submit(lambda _: (entered.set(), release.wait(5)))
        entered.wait(5)
        waiting = [
            asyncio.ensure_future(one.keep(*events))
            for events in (
                [_at(1, "b"), _at(2, "c")],
                [_at(2, "c"), _at(3, "d", visitor_id="w", session_id="s")],
                [_at(4, "e", session_id="s"), _at(5, "f", visitor_id="w")],
            )
        ]
        while one.writer.waiting < 7:
            await asyncio.sleep(0.001)
        release.set()
        assert blocked.result(5)
        first, second, third = [await answer for answer in waiting]
        assert [placed.is_new for placed in (*first, *second, *third)] == [True, True, False, True, True, True]
        # The second request has made the session its visitor's own.
        assert [placed.event.session_id for placed in third] == ["s~v", "s"]
        logged = [row["event_id"] for batch in one.log.batches() for row in batch.to_pylist()]
        assert logged == ["a", "b", "c", "d", "e", "f"]
        visitor = await other.store.visitor("v")
        assert {*visitor.session_ids} == {f"v~{START_US}", "s~v"}
        assert visitor.event_count == 4
        # Redis was told in that order: where it had not been, the list would have been dropped.
        assert other.store.counts.misses == misses

    runner.run(together())


def test_an_event_that_two_requests_bring_at_once_is_new_to_one_of_them(
    processes: list[Process], runner: asyncio.Runner
) -> None:
    one = processes[0]
    one.open("alone", "twice at once")

    async def twice() -> None:
        entered, release = threading.Event(), threading.Event()
        blocked = one.writer.submit(lambda _: (entered.set(), release.wait(5)))
        entered.wait(5)
        # Memory knows an event by its visitor and session: only the log knows that these are the same.
        waiting = [asyncio.ensure_future(one.keep(_at(1, "a", visitor_id=name), _at(2, name))) for name in ("v", "w")]
        while one.writer.waiting < 5:
            await asyncio.sleep(0.001)
        release.set()
        assert blocked.result(5)
        assert [[placed.is_new for placed in await answer] for answer in waiting] == [[True, True], [False, True]]
        await one.store.close()

    runner.run(twice())


def test_a_visitor_who_was_erased_by_one_process_is_unknown_to_the_other(
    both: list[Process], runner: asyncio.Runner
) -> None:
    one, other = both

    async def erase() -> None:
        # The latest events of the database: SQLite gives their places to the next ones.
        await one.keep(_at(0, "a"), _at(1, "b"))
        assert (await other.store.visitor("v")).event_count == 2
        one.writer.submit(lambda connection: one.log.erase_visitor(connection, "v")).result(5)
        await one.store.forget("v")
        assert (await other.store.visitor("v")).event_count == 0
        await one.keep(_at(5, "a", received_at_us=START_US + 5), _at(1, "b", received_at_us=START_US + 5))
        assert (await other.store.visitor("v")).event_count == 2

    runner.run(erase())


def test_what_was_erased_while_the_other_process_knew_it_does_not_come_back_with_the_same_event_ids(
    both: list[Process], runner: asyncio.Runner
) -> None:
    one, other = both

    async def erase() -> None:
        await one.keep(_at(0, "a"), _at(1, "b"))
        assert (await other.store.visitor("v")).event_count == 2
        one.writer.submit(lambda connection: one.log.erase_visitor(connection, "v")).result(5)
        later = {"received_at_us": START_US + 9}
        await one.keep(_at(0, "x", visitor_id="w", **later))
        await one.keep(_at(1, "b", **later))
        assert (await other.store.visitor("v")).event_count == 1

    runner.run(erase())


def test_a_session_that_two_visitors_name_at_once_on_two_processes_stays_one_visitors(
    both: list[Process], runner: asyncio.Runner
) -> None:
    async def together() -> list[list[Placed]]:
        return await asyncio.gather(
            *(
                process.keep(_at(number, f"{visitor_id}{number}", visitor_id=visitor_id, session_id=f"s{number}"))
                for number in range(10)
                for process, visitor_id in zip(both, ("v", "w"), strict=True)
            )
        )

    placed = runner.run(together())
    sessions = {str(one.event.session_id): one.event.visitor_id for (one,) in placed}
    assert len(sessions) == 20
    for number in range(10):
        owner = sessions[f"s{number}"]
        other = "w" if owner == "v" else "v"
        assert sessions[f"s{number}~{other}"] == other


def test_recommendations_that_two_processes_make_at_once_stay_within_the_cap(
    both: list[Process], runner: asyncio.Runner
) -> None:
    def advising(process: Process, number: int) -> Any:
        decided: list[Decision] = []

        def decide(history: Any) -> Decision:
            decided.append(_decision(f"{process.log.journey} {number} {len(decided)}", nudge=len(history) < 2))
            return decided[-1]

        return process.store.advise(
            ["v"], decide, lambda connection, decision: process.ledger.append(connection, _entry(decision))
        )

    async def together() -> list[Decision]:
        return await asyncio.gather(*(advising(both[number % 2], number) for number in range(16)))

    decisions = runner.run(together())
    assert sum(one.recommendation is not None for one in decisions) == 2
    assert len(both[0].ledger.recommendations(["v"])) == 2
    assert len(both[0].ledger.visitor_decisions("v")) == 16


def _decision(decision_id: str, *, nudge: bool) -> Decision:
    chosen = Recommendation("coupon", "", "", "on_site", 0.1, 0.0) if nudge else None
    return Decision(
        decision_id=decision_id,
        visitor_id="v",
        score=Score("s", "j", None, 0.9, 1, "1", START_US),
        blockers=(),
        confidence={},
        narrative="",
        recommendation=chosen,
        reason=Reason.BEST_VALUE if nudge else Reason.NOT_ELIGIBLE,
        holdout=False,
        propensity=1.0,
        propensities={},
        eligible=(),
        excluded={},
        drawn=None,
        policy_version="1",
    )


def _entry(decision: Decision) -> LedgerEntry:
    return LedgerEntry(
        decision.decision_id, "s", "v", START_US, START_US, None, 1, 0.9, [], "", [], {}, {},
        decision.recommendation.intervention if decision.recommendation else None,
        1.0, None, str(decision.reason), False, None, None, "1", "1",
    )  # fmt: skip
