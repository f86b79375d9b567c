"""What BentoML's own routing never sees, because it would answer it with 500 or in another shape."""

import gzip
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

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
        (b'{"session_id": "\\ud800"}', 400),
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
