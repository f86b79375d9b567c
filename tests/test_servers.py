"""The real servers that other tests rely on."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from servers import PostgresServer, RedisServer
from sqlalchemy import text

from storage.database import open_database


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path)
    server.start()
    yield server
    server.stop()


def test_redis_answers_again_on_the_same_port_after_it_was_killed(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.set("a", "b")
    redis_server.stop(signal.SIGKILL)
    redis_server.start()
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.get("a") is None


def test_postgresql_keeps_what_was_committed_when_it_is_killed(postgres: PostgresServer) -> None:
    engine = open_database(postgres.url)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO erasures (journey, visitor_id, at_us) VALUES ('a', 'b', 3)"))
    engine.dispose()
    postgres.stop(signal.SIGQUIT)
    postgres.start()
    engine = open_database(postgres.url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT at_us FROM erasures")).scalar() == 3
    engine.dispose()
