"""What BentoML's own routing never sees, because it would answer it with 500 or in another shape."""

import gzip
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.app import create_app
from serving.clients import parse_networks
from serving.guard import Guard

MOST_BYTES = 4_000


async def _echo(request: Request) -> Response:
    return Response(await request.body(), media_type=request.headers["content-type"])


@pytest.fixture
def client(client_of: Any) -> Any:
    methods = ["GET", "POST", "DELETE"]
    routes = [Route("/bentoml/score", _echo, methods=methods), Route("/{rest:path}", _echo, methods=methods)]
    return client_of(Guard(Starlette(routes=routes), MOST_BYTES))


def test_an_object_passes_as_it_was_sent_whatever_type_it_claims(client: Any) -> None:
    answer = client.request(
        "POST", "/bentoml/score", content=b' {"a": 1}', headers={"content-type": "multipart/form-data"}
    )
    assert (answer.content, answer.headers["content-type"]) == (b' {"a": 1}', "application/json")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b'{"session_id": "\xed\xa0\x80"}', 400),
        (b'{"value": NaN}', 400),
        (b"[]", 422),
        (b"1", 422),
        (b'{"a": ' * 300 + b"1" + b"}" * 300, 422),
        (b" " * (MOST_BYTES + 1), 413),
    ],
)
def test_what_is_no_json_object_of_a_bearable_size_is_refused(client: Any, body: bytes, status: int) -> None:
    answer = client.post("/bentoml/score", body)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message", "field"}


def test_a_packed_body_passes_unpacked(client: Any) -> None:
    packed = gzip.compress(b'{"a": 1}')
    zipped = client.request("POST", "/bentoml/score", content=packed, headers={"content-encoding": "gzip"})
    assert (zipped.status_code, zipped.content) == (200, b'{"a": 1}')


def test_another_encoding_and_another_method_are_refused(client: Any) -> None:
    zipped = client.request("POST", "/bentoml/score", content=b"{}", headers={"content-encoding": "br"})
    assert (zipped.status_code, zipped.json()["error"]["code"]) == (415, "encoded_body")
    read = client.get("/bentoml/score")
    assert (read.status_code, read.json()["error"]["code"]) == (405, "wrong_method")


def test_an_address_with_a_line_break_is_nobodys(client: Any) -> None:
    for address in ("/v1/visitors/a%0A", "/v1/sessions/a%0Ab"):
        answer = client.request("DELETE", address)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_such_address")


def test_other_addresses_pass_untouched(client: Any) -> None:
    answer = client.request("POST", "/v1/track", content=b"{ no json", headers={"content-type": "text/plain"})
    assert (answer.content, answer.headers["content-type"].partition(";")[0]) == (b"{ no json", "text/plain")


def test_every_answer_tells_browsers_to_guess_keep_and_show_nothing(client_of: Any) -> None:
    app = create_app()
    client = client_of(Guard(app, MOST_BYTES, app))
    for method, address in (
        ("GET", "/livez"),
        ("GET", "/docs.json"),
        ("POST", "/v1/score"),
        ("GET", "/nowhere"),
        ("PUT", "/livez"),
        ("POST", "/a%0A"),
    ):
        headers = client.request(method, address).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["referrer-policy"] == "no-referrer"
        assert "strict-transport-security" not in headers


def test_over_tls_an_answer_says_to_stay_there_and_only_a_trusted_proxy_tells_of_tls(client_of: Any) -> None:
    forwarded = {"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.7"}
    for proxies, said in (("127.0.0.1", True), ("10.0.0.1", False)):
        client = client_of(Guard(create_app(), MOST_BYTES, None, parse_networks(proxies)))
        headers = client.request("GET", "/livez", headers=forwarded).headers
        assert ("strict-transport-security" in headers) == said


def test_pages_may_be_embedded_nowhere_and_keep_their_own_policy(client_of: Any) -> None:
    app = create_app()
    headers = client_of(Guard(app, MOST_BYTES, app)).request("GET", "/static/pages.css").headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "style-src 'self'" in headers["content-security-policy"]
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cache-control"] == "no-cache"
    assert headers["permissions-policy"].startswith("camera=()")
    assert len(headers.get_list("cache-control")) == 1


def test_too_many_headers_and_too_long_an_address_are_refused(client: Any) -> None:
    assert client.get("/a?" + "b" * 16_384).status_code == 414
    assert client.request("GET", "/a", headers={"x": "a" * 32_768}).status_code == 431
    many = [(f"x-{number}".encode(), b"a") for number in range(101)]
    assert client.request("GET", "/a", headers=many).json()["error"]["code"] == "headers_too_large"
