"""Clients that take their time, over real connections: each is let go, and the others are answered meanwhile."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import httpx
import pytest
import uvicorn
from servers import free_port, wait_for
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.body import read_body
from serving.configuration import Configuration
from serving.connections import uvicorn_options
from serving.errors import ClientError
from serving.guard import Guard

HEAD_SECONDS, BODY_SECONDS, MOST = 0.4, 0.6, 8
LARGE_BYTES = 40_000_000


async def _echo(request: Request) -> Response:
    try:
        return Response(await read_body(request, 1_000))
    except ClientError as error:
        return Response(error.body(), error.status, error.headers)


async def _unread(_: Request) -> Response:
    return Response(b"enough", 401)


async def _large(_: Request) -> Response:
    return Response(bytes(LARGE_BYTES))


@pytest.fixture(scope="module")
def server() -> Iterator[uvicorn.Server]:
    """A server on a free port, with the guard and the connections of the service, and three routes."""
    app = Starlette(
        routes=[
            Route("/echo", _echo, methods=["GET", "POST"]),
            Route("/unread", _unread, methods=["POST"]),
            Route("/large", _large),
        ]
    )
    guarded = Guard(app, 1_000, body_seconds=BODY_SECONDS)
    limits = Configuration(head_seconds=HEAD_SECONDS, body_seconds=BODY_SECONDS, max_connections=MOST)
    options = {**uvicorn_options(limits), "lifespan": "off"}
    server = uvicorn.Server(uvicorn.Config(guarded, port=free_port(), **options))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started)
    yield server
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def port(server: uvicorn.Server) -> int:
    return server.config.port


def connect(port: int) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", port), timeout=10)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one


def drip(one: socket.socket, text: bytes, every_seconds: float) -> None:
    """Send a byte at a time until the other side has had enough."""
    for byte in text:
        try:
            one.sendall(bytes([byte]))
        except OSError:
            return
        time.sleep(every_seconds)


def read_all(one: socket.socket) -> bytes:
    parts = []
    try:
        while part := one.recv(65_536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


def answered(port: int) -> bool:
    return httpx.post(f"http://127.0.0.1:{port}/echo", content=b"hello", timeout=5).content == b"hello"


@pytest.mark.parametrize("sent", [b"", b"POST /echo HT"])
def test_a_client_that_sends_no_whole_head_is_told_so_and_let_go(port: int, sent: bytes) -> None:
    began = time.monotonic()
    with closing(connect(port)) as one:
        one.sendall(sent)
        answer = read_all(one)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "slow_request"
    assert HEAD_SECONDS <= time.monotonic() - began < 5


def test_a_head_that_drips_does_not_keep_a_connection(port: int) -> None:
    with closing(connect(port)) as one:
        began = time.monotonic()
        drip(one, b"POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: " + b"a" * 1_000, 0.02)
        assert time.monotonic() - began < 5
        assert answered(port)


def test_a_body_that_drips_is_answered_with_408(port: int) -> None:
    with closing(connect(port)) as one:
        one.sendall(b"POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n\r\n")
        dripping = threading.Thread(target=drip, args=(one, b"a" * 900, 0.02))
        dripping.start()
        began = time.monotonic()
        answer = read_all(one)
        assert time.monotonic() - began < 5
        dripping.join()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "slow_body"


def test_a_body_that_drips_after_the_answer_does_not_keep_a_connection(port: int) -> None:
    with closing(connect(port)) as one:
        one.sendall(b"POST /unread HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n")
        began = time.monotonic()
        drip(one, b"a" * 2_000, 0.02)
        assert time.monotonic() - began < 10


def test_an_answer_that_is_not_read_does_not_keep_a_connection(server: uvicorn.Server, port: int) -> None:
    wait_for(lambda: not server.server_state.connections)
    with closing(connect(port)) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        one.sendall(b"GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        wait_for(lambda: len(server.server_state.connections) == 1)
        wait_for(lambda: not server.server_state.connections, seconds=10)


def test_beyond_so_many_connections_others_are_told_to_try_again_and_then_answered(port: int) -> None:
    with ExitStack() as held:
        for _ in range(MOST):
            held.enter_context(closing(connect(port)))
        time.sleep(0.1)
        with closing(connect(port)) as one:
            answer = read_all(one)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in answer.lower()
    wait_for(lambda: answered(port), (httpx.HTTPError,), seconds=10)


def test_slow_clients_do_not_keep_others_waiting(port: int) -> None:
    with ExitStack() as held:
        for _ in range(MOST - 3):
            one = held.enter_context(closing(connect(port)))
            one.sendall(b"POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n\r\nab")
        began = time.monotonic()
        assert answered(port)
        assert time.monotonic() - began < 1


def test_a_connection_that_is_used_again_and_again_is_kept(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        until = time.monotonic() + 3 * HEAD_SECONDS
        while time.monotonic() < until:
            assert client.post("/echo", content=b"a").status_code == 200
            time.sleep(HEAD_SECONDS / 4)
        answer = client.post("/echo", content=b"a")
        assert answer.extensions["network_stream"].get_extra_info("client_addr")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /echo?" + b"a" * 17_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"414"),
        (b"GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"a" * 33_000 + b"\r\n\r\n", b"431"),
        (b"GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X-Many: a\r\n" * 101 + b"\r\n", b"431"),
        (b"GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Endless: " + b"a" * 70_000, b"400"),
        (b"GET /echo HTTP/1.1\r\n\r\n", b"400"),
        (b"POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000\r\n\r\n", b"413"),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"200"),
        (b"\x16\x03\x01\x02\x00\x01\x00", b"400"),
    ],
)
def test_a_head_that_is_too_large_or_none_at_all_is_refused(port: int, head: bytes, status: bytes) -> None:
    with closing(connect(port)) as one:
        one.sendall(head)
        assert one.recv(65_536).split()[1] == status
