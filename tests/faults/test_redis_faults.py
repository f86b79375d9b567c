"""Redis stopped, killed, hung and emptied under load: clear refusals meanwhile, and nothing lost or doubled after."""

import asyncio
import signal
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers import RedisServer, Service, free_port, serving, wait_for

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from conftest import model_home, shop, shop_model

from decisions.risk import RiskModel
from journeys.journey import Journey
from serving import advice
from serving.configuration import Configuration
from serving.messages import ScoreRequest
from serving.open_runtime import open_runtime
from serving.runtime import Runtime

__all__ = ["model_home", "shop", "shop_model"]  # fixtures

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("redis")]

_AT = "2026-03-01T14:00:00Z"

_VISITORS = 12
_NAMES = ("page_view", "view_product", "add_to_cart", "begin_checkout", "form_error")


class Load:
    """Sends events to two services in turn until they are acknowledged, and keeps what was answered."""

    def __init__(self, services: list[Service]) -> None:
        self.acknowledged: dict[str, str] = {}
        self.statuses: set[int] = set()
        self.slowest_seconds = 0.0
        self.refusals: list[dict[str, Any]] = []
        self.unheeded = 0
        self._services = services
        self._name = uuid.uuid4().hex
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(lane,)) for lane in range(3)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)

    def _send(self, lane: int) -> None:
        with httpx.Client(timeout=10) as client:
            number = 0
            while not self._stopping.is_set():
                number += 1
                visitor = f"v{(number * 3 + lane) % _VISITORS}"
                call = {
                    "messageId": f"{self._name}-{lane}-{number}",
                    "anonymousId": visitor,
                    "event": _NAMES[number % len(_NAMES)],
                    "timestamp": f"2026-03-01T13:{number // 60 % 60:02d}:{number % 60:02d}Z",
                }
                while not self._acknowledged(client, number, call) and not self._stopping.is_set():
                    time.sleep(0.05)
                self._ask(client, number, visitor)

    def _acknowledged(self, client: httpx.Client, number: int, call: dict[str, Any]) -> bool:
        answer = self._request(client, self._services[number % 2], "/v1/track", call)
        if answer.status_code == 200:
            self.acknowledged[call["messageId"]] = call["anonymousId"]
        elif answer.status_code == 503:
            self.refusals.append(answer.json()["error"])
            self.unheeded += "retry-after" not in answer.headers
        return answer.status_code == 200

    def _ask(self, client: httpx.Client, number: int, visitor: str) -> None:
        self._request(client, self._services[(number + 1) % 2], "/v1/score", {"visitor_id": visitor})

    def _request(self, client: httpx.Client, service: Service, address: str, body: dict[str, Any]) -> httpx.Response:
        started = time.monotonic()
        answer = client.post(service.url + address, json=body)
        self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - started)
        self.statuses.add(answer.status_code)
        return answer

    def wait_for_acknowledgements(self, more: int = 20) -> None:
        wanted = len(self.acknowledged) + more
        wait_for(lambda: len(self.acknowledged) >= wanted, seconds=30)


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.send(signal.SIGCONT)
    server.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('database')}/dropoff.db"


@pytest.fixture(scope="module")
def services(model_home: Path, redis_server: RedisServer, database_url: str) -> Iterator[list[Service]]:
    """Two services on one database and one Redis."""
    settings = {"database_url": database_url, "redis_url": redis_server.url, "insights_refresh": 0}
    with ExitStack() as running:
        yield [running.enter_context(serving("ecommerce", model_home, port=free_port(), **settings)) for _ in range(2)]


@pytest.fixture
def alone(model_home: Path, database_url: str, shop: Journey, shop_model: RiskModel) -> Iterator[Runtime]:
    """A service that knows nothing but the log, in this process."""
    runtime = open_runtime(Configuration(home=model_home, database_url=database_url), shop, shop_model)
    yield runtime
    runtime.close()


def _hang(server: RedisServer) -> None:
    server.send(signal.SIGSTOP)


def _go_on(server: RedisServer) -> None:
    server.send(signal.SIGCONT)


def _kill(server: RedisServer) -> None:
    server.stop(signal.SIGKILL)


def _restart(server: RedisServer) -> None:
    server.start()


@pytest.mark.parametrize(
    ("take_away", "give_back"), [(_kill, _restart), (_hang, _go_on)], ids=["killed and restarted empty", "hung"]
)
def test_without_redis_events_are_refused_at_once_and_afterwards_all_is_as_if_it_had_never_been_away(
    services: list[Service], redis_server: RedisServer, alone: Runtime, take_away: Any, give_back: Any
) -> None:
    with Load(services) as load:
        load.wait_for_acknowledgements(60)
        take_away(redis_server)
        time.sleep(1.5)
        assert load.refusals
        refused, acknowledged = len(load.refusals), len(load.acknowledged)
        time.sleep(0.5)
        assert len(load.refusals) > refused
        assert len(load.acknowledged) <= acknowledged + 3
        give_back(redis_server)
        load.wait_for_acknowledgements(60)
    assert load.statuses <= {200, 404, 503}
    assert {refusal["code"] for refusal in load.refusals} == {"redis_unavailable"}
    assert load.unheeded == 0
    # Half a second for Redis, and what a busy machine needs.
    assert load.slowest_seconds < 2
    kept = [event for number in range(_VISITORS) for event in alone.log.visitor_events(f"v{number}")]
    assert load.acknowledged.items() <= {event.event_id: event.visitor_id for event in kept}.items()
    assert max(Counter(event.event_id for event in kept).values()) == 1
    for number in range(_VISITORS):
        asked = {"visitor_id": f"v{number}", "at": _AT}
        expected = asyncio.run(advice.score(alone, ScoreRequest(**asked)))
        for service in services:
            answer = httpx.post(f"{service.url}/v1/score", json=asked).json()
            assert (answer["events_seen"], answer["risk"]) == (expected.events_seen, expected.risk)
