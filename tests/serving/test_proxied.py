"""The proxy's configuration that is shipped for replicas, beside the routes that it stands before."""

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from servers import require

from benchmarks.nginx import SHIPPED, Nginx, nginx_binary
from serving import openapi

SENT_AGAIN = re.findall(r"location ~ (\S+) \{[^}]*non_idempotent;", SHIPPED.read_text(encoding="utf-8"))
"""The patterns of addresses of which a request goes to a second replica where the first one has not answered."""


@pytest.mark.parametrize(
    "address",
    [
        *openapi.TRACKING_ROUTES,
        *openapi.BATCH_ROUTES,
        "/v1/score",
        "/v1/recommend",
        "/v1/outcome",
        "/mp/collect",
        "/i",
        "/v1/pixel/track",
        "/com.snowplowanalytics.snowplow/tp2",
    ],
)
def test_what_counts_once_however_often_it_comes_is_sent_again(address: str) -> None:
    assert sum(re.search(pattern, address) is not None for pattern in SENT_AGAIN) == 1


@pytest.mark.parametrize("address", ["/v1/annotations", "/v1/touchpoints", "/v1/visitors/v", "/login", "/metrics", "/"])
def test_what_is_not_safe_to_do_twice_is_not_sent_again(address: str) -> None:
    assert not any(re.search(pattern, address) for pattern in SENT_AGAIN)


class Hung(BaseHTTPRequestHandler):
    """A replica that is ready, and hangs as soon as something is sent to it."""

    ended = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        self.ended.wait(20)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def before_hung_replicas(tmp_path: Path) -> Iterator[Nginx]:
    require(nginx_binary(), "nginx", "nginx-light")
    with ExitStack() as stack:
        replicas = [stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Hung)) for _ in range(2)]
        for one in replicas:
            stack.callback(one.shutdown)
            threading.Thread(target=one.serve_forever).start()
        stack.callback(Hung.ended.set)
        Hung.ended.clear()
        nginx = Nginx([one.server_address[1] for one in replicas], tmp_path)
        written = tmp_path / "nginx.conf"
        # Nobody has to wait for seconds here.
        written.write_text(re.sub(r"proxy_read_timeout \d+s;", "proxy_read_timeout 100ms;", written.read_text()))
        nginx.start()
        stack.callback(nginx.stop)
        yield nginx


@pytest.mark.parametrize("address", ["/v1/score", "/v1/batch", "/v1/annotations"])
def test_where_every_replica_hangs_clients_are_told_as_the_service_tells_it(
    before_hung_replicas: Nginx, address: str
) -> None:
    answer = httpx.post(f"http://127.0.0.1:{before_hung_replicas.port}{address}", json={}, timeout=20)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json()["error"]["code"] == "unavailable"
