"""What Redis holds of visitors: small, bounded, forgotten in time, and never needed."""

import asyncio
import signal
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from servers import RedisServer

from features.events import Event
from features.friction import Friction
from features.packing import Packing
from features.plan import Plan, compile_plan
from features.scan import any_event, count, last, prop
from features.table import Feature, FeatureTable, Stage
from serving.environment import ConfigurationError
from serving.errors import ClientError
from serving.redis_sessions import RedisStore
from serving.redis_visitors import RedisVisitors
from serving.session_store import Limits
from storage.database import database_url, open_database
from storage.event_log import EventLog
from storage.ledger import Ledger
from storage.visitor_log import VisitorLog
from storage.writer import Writer

SECOND = 1_000_000
START_US = 1_760_000_000 * SECOND
DAY_US = 86_400 * SECOND
TABLE = FeatureTable(
    events=("look", "buy"),
    stages=(Stage("looking", "look"),),
    features=(
        Feature("events_seen", count(any_event), Friction.NONE, "{:.0f} events"),
        Feature("price", last(prop("price")), Friction.PRICE, "{:.2f}"),
    ),
)
PLAN = compile_plan(TABLE)
OTHER_PLAN = compile_plan(replace(TABLE, features=TABLE.features[:1]))


class Stores:
    """Stores on one database and one Redis, as many as processes there would be."""

    def __init__(self, folder: Path, server: RedisServer) -> None:
        self.server = server
        self.engine = open_database(database_url(folder))
        self.writer = Writer(self.engine)
        self.log = EventLog(self.engine, "j")
        self.redis: Any = redis.Redis(port=server.port)
        self.redis.flushall()
        self._runner = asyncio.Runner()
        self._opened: list[RedisStore] = []

    def open(self, plan: Plan = PLAN, timeout_us: int = 1_800 * SECOND) -> RedisStore:
        limits = Limits(timeout_us, 20_000, 10_000)
        ledger, known = Ledger(self.engine, "j"), VisitorLog(self.engine, "j")
        self._opened.append(RedisStore(plan, self.log, ledger, known, self.writer, limits, self.server.url))
        return self._opened[-1]

    def keep(self, store: RedisStore, *event_ids: str) -> None:
        events = [Event(one, "look", START_US + SECOND, "v", received_at_us=START_US) for one in event_ids]
        self._runner.run(store.keep(events, lambda _connection, _placements: None))

    def seen(self, store: RedisStore) -> set[str]:
        visitor = self._runner.run(store.visitor("v"))
        return {event_id for session in visitor.sessions for event_id in session.columns.event_ids}

    def run(self, coroutine: Any) -> Any:
        return self._runner.run(coroutine)

    def close(self) -> None:
        for store in self._opened:
            self._runner.run(store.close())
        self._runner.close()
        self.redis.close()
        self.writer.close()
        self.engine.dispose()


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def stores(tmp_path: Path, redis_server: RedisServer) -> Iterator[Stores]:
    opened = Stores(tmp_path, redis_server)
    yield opened
    opened.close()


def test_who_was_never_asked_about_is_not_in_redis_and_who_was_is_forgotten_with_the_session(stores: Stores) -> None:
    store = stores.open()
    stores.keep(store, "a")
    assert stores.redis.keys() == []
    stores.seen(store)
    assert stores.redis.keys() == [b"dropoff:j:v"]
    assert 1_790_000 < stores.redis.pttl("dropoff:j:v") <= 1_800_000


def test_a_journey_of_days_is_kept_in_redis_for_an_hour_since_the_log_has_it_anyway(stores: Stores) -> None:
    store = stores.open(timeout_us=7 * DAY_US)
    stores.keep(store, "a")
    stores.seen(store)
    assert 3_590_000 < stores.redis.pttl("dropoff:j:v") <= 3_600_000


def test_events_that_follow_go_into_the_list_and_many_pieces_become_one(stores: Stores) -> None:
    one, other = stores.open(), stores.open()
    stores.keep(one, "a")
    stores.seen(one)
    lengths = []
    for number in range(20):
        stores.keep(one, f"e{number}")
        lengths.append(stores.redis.llen("dropoff:j:v"))
        assert len(stores.seen(other)) == number + 2
    # The head, the piece that was filled in or packed last, and up to eight that came since.
    assert max(lengths) == 10
    assert lengths[:3] == [3, 4, 5]
    assert other.counts.hits == 20
    assert other.counts.misses == 0


def test_a_list_that_nobody_reads_does_not_grow_for_ever(stores: Stores) -> None:
    store = stores.open()
    stores.keep(store, "a")
    stores.seen(store)
    for number in range(300):
        stores.keep(store, f"e{number}")
    assert stores.redis.llen("dropoff:j:v") <= 258
    assert len(stores.seen(store)) == 301


def test_processes_with_different_feature_tables_see_each_others_events(stores: Stores) -> None:
    old, new = stores.open(), stores.open(OTHER_PLAN)
    for number in range(6):
        stores.keep((old, new)[number % 2], f"e{number}")
        assert len(stores.seen(old)) == len(stores.seen(new)) == number + 1


def test_a_redis_that_is_full_and_may_evict_nothing_is_done_without(stores: Stores) -> None:
    one, other = stores.open(), stores.open()
    stores.keep(one, "a")
    stores.seen(one)
    stores.redis.config_set("maxmemory", "1")
    try:
        stores.keep(one, "b")
        assert stores.seen(other) == stores.seen(one) == {"a", "b"}
    finally:
        stores.redis.config_set("maxmemory", "0")
    assert stores.seen(other) == {"a", "b"}


def test_what_was_read_before_an_event_is_not_filled_in_after_it(stores: Stores) -> None:
    store = stores.open()
    stores.keep(store, "a")
    slow = RedisVisitors(stores.server.url, "j", Packing(PLAN).head, 1_800 * SECOND)
    lease = stores.run(slow.read("v", b""))
    stores.keep(store, "b")
    stores.run(slow.fill("v", lease, b"what the log had before b came"))
    assert stores.redis.exists("dropoff:j:v") == 0
    assert stores.seen(store) == {"a", "b"}
    stores.run(slow.close())


def test_an_erased_visitor_leaves_redis_too(stores: Stores) -> None:
    one, other = stores.open(), stores.open()
    stores.keep(one, "a")
    assert stores.seen(one) == stores.seen(other) == {"a"}
    stores.writer.submit(lambda connection: stores.log.erase_visitor(connection, "v")).result(5)
    stores.run(one.forget("v"))
    assert stores.redis.exists("dropoff:j:v") == 0
    assert stores.seen(other) == set()


def test_while_redis_is_away_events_are_refused_and_answers_are_made_from_the_log(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    stores = Stores(tmp_path, server)
    one, other = stores.open(), stores.open()
    stores.keep(one, "a")
    stores.seen(one)
    server.stop(signal.SIGKILL)
    # The first to notice has its event in the log: sending it again must count it once.
    with pytest.raises(ClientError, match="send it again") as refused:
        stores.keep(one, "b")
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})
    with pytest.raises(ClientError, match="nothing was kept"):
        stores.keep(one, "c")
    assert stores.seen(other) == stores.seen(one) == {"a", "b"}
    server.start()
    stores.run(asyncio.sleep(1))
    stores.keep(one, "b", "c")
    assert stores.seen(other) == stores.seen(one) == {"a", "b", "c"}
    assert len(stores.log.visitor_events("v")) == 3
    stores.close()
    server.stop()


def test_a_list_that_missed_an_event_while_redis_was_away_for_one_process_is_dropped_before_it_is_used_again(
    stores: Stores,
) -> None:
    one, other = stores.open(), stores.open()
    stores.keep(one, "a")
    stores.seen(one)
    stores.server.send(signal.SIGSTOP)
    with pytest.raises(ClientError, match="send it again"):
        stores.keep(one, "b")
    stores.server.send(signal.SIGCONT)
    stores.run(asyncio.sleep(1))
    assert stores.seen(other) == {"a", "b"}


def test_an_address_that_is_none_is_told_with_what_to_write() -> None:
    with pytest.raises(ConfigurationError, match="DROPOFF_REDIS_URL is no address of a Redis: write it like redis://"):
        RedisVisitors("http://127.0.0.1", "j", b"", 1)


def test_event_ids_of_any_kind_come_back_from_redis(stores: Stores) -> None:
    one, other = stores.open(), stores.open()
    ids = {"plain", "Ü-ber", str(uuid.uuid4()), f"ajs-next-1716901234567-{uuid.uuid4()}", "x" * 240}
    stores.keep(one, *ids)
    stores.seen(one)
    assert stores.seen(other) == ids
