"""A service goes on from its backup as from its own database, also where that is of another kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from filled_database import kept, put
from servers import RedisServer

from serving.environment import ConfigurationError
from serving.errors import StartError
from serving.redis_clearing import clear_redis
from storage.database import database_url

AT = "2026-03-01T12:32:00Z"


def track(number: int, name: str = "view_product") -> dict[str, Any]:
    return {
        "messageId": f"m-{number}",
        "anonymousId": "visitor-1",
        "event": name,
        "timestamp": f"2026-03-01T12:29:{number:02}Z",
        "properties": {"product": f"lamp {number}", "price": 59.0 + number},
    }


def test_a_session_that_was_open_is_scored_as_before_and_goes_on(
    open_client: Callable[..., Any], copy_tables: Callable[[], str], clock: Any, tmp_path: Path
) -> None:
    client, _ = open_client()
    for number in range(5):
        assert client.post("/v1/track", track(number)).status_code == 200
    backup = kept(database_url(tmp_path), tmp_path / "no home")
    clock.advance(120)
    before = client.post("/v1/score", {"visitor_id": "visitor-1", "at": AT}).json()
    # What came later is not in the backup.
    client.post("/v1/track", track(5, "payment_failed"))

    elsewhere = copy_tables()
    put(backup, elsewhere, tmp_path / "new home")
    client, _ = open_client(database_url=elsewhere)

    after = client.post("/v1/score", {"visitor_id": "visitor-1", "at": AT}).json()
    assert (after["events_seen"], after["risk"]) == (5, before["risk"])
    assert {**after, "scored_at": None} == {**before, "scored_at": None}
    # An event that the backup holds counts once; the one that it lacks is taken when it is sent again.
    assert client.post("/v1/track", track(4)).status_code == 200
    assert client.post("/v1/track", track(5, "payment_failed")).json()["session_id"] == before["session_id"]
    assert client.post("/v1/score", {"visitor_id": "visitor-1", "at": AT}).json()["events_seen"] == 6


@pytest.fixture
def server(tmp_path: Path) -> Any:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


def test_only_what_dropoff_put_there_is_taken_out_of_redis(server: RedisServer) -> None:
    with redis.Redis(port=server.port) as client:
        for number in range(2_500):
            client.rpush(f"dropoff:shop:v{number}", "packed")
        client.set("another application's", 1)
        assert clear_redis(server.url) == 2_500
        assert client.keys() == [b"another application's"]


def test_a_redis_that_does_not_answer_is_named_with_what_to_do(server: RedisServer) -> None:
    server.stop()
    with pytest.raises(StartError, match="FLUSHDB"):
        clear_redis(server.url)
    with pytest.raises(ConfigurationError, match="DROPOFF_REDIS_URL"):
        clear_redis("http://127.0.0.1")
