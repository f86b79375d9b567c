"""Which pages of other origins a browser lets send and ask."""

from typing import Any

import pytest

SHOP, LOCAL = "https://shop.example", "http://localhost:8080"
EVENT = {"anonymousId": "v", "event": "page_view"}
Client = OpenClient = Any  # as the fixtures of this folder make them


def _preflight(client: Client, address: str, origin: str, method: str = "POST") -> Any:
    asked = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": "anonymousid"}
    return client.request("OPTIONS", address, headers=asked)


def _origin(client: Client, method: str, address: str, origin: str, **body: Any) -> str | None:
    answer = client.request(method, address, headers={"origin": origin}, **body)
    assert "access-control-allow-credentials" not in answer.headers
    return answer.headers.get("access-control-allow-origin")  # type: ignore[no-any-return]


@pytest.mark.parametrize("address", ["/v1/track", "/v1/b", "/v1/outcome"])
def test_every_page_may_send_and_asks_once_a_day(client: Client, address: str) -> None:
    answer = _preflight(client, address, SHOP)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert {"Authorization", "Content-Type", "AnonymousId", "*"} <= set(
        answer.headers["access-control-allow-headers"].split(", ")
    )
    assert answer.headers["access-control-max-age"] == "86400"
    assert _origin(client, "POST", address, SHOP, json={}) == "*"


def test_a_mistake_can_be_read_by_the_page_that_made_it(client: Client) -> None:
    answer = client.request("POST", "/v1/track", headers={"origin": SHOP}, content=b"{")
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (400, "*")


def test_only_pages_of_this_machine_and_those_named_may_ask(open_client: OpenClient) -> None:
    client, _ = open_client()
    for address in ("/v1/score", "/v1/recommend"):
        assert _origin(client, "POST", address, LOCAL, json={}) == LOCAL
        for stranger in (SHOP, "http://localhost.evil.example", "http://127.0.0.1.evil.example", "null"):
            assert _origin(client, "POST", address, stranger, json={}) is None
            assert _preflight(client, address, stranger).status_code == 405
    client, _ = open_client(allowed_origins=(SHOP,))
    assert _origin(client, "POST", "/v1/score", SHOP, json={}) == SHOP
    assert _origin(client, "POST", "/v1/track", SHOP, json=EVENT) == SHOP
    assert _origin(client, "POST", "/v1/track", "https://other.example", json=EVENT) is None


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", "/"),
        ("GET", "/metrics"),
        ("GET", "/docs.json"),
        ("GET", "/v1/sessions/s"),
        ("DELETE", "/v1/visitors/v"),
        ("GET", "/v1/annotations"),
        ("POST", "/v1/annotations"),
    ],
)
def test_no_other_page_may_read_what_is_not_for_apps(open_client: OpenClient, method: str, address: str) -> None:
    client, _ = open_client(allowed_origins=("*", SHOP, LOCAL))
    for origin in (SHOP, LOCAL):
        assert _origin(client, method, address, origin) is None
        assert "access-control-allow-origin" not in _preflight(client, address, origin, method).headers


def test_a_browsers_sdk_may_load_its_settings(client: Client) -> None:
    for address in ("/v1/projects/key/settings", "/sourceConfig", "/sourceConfig/"):
        assert _origin(client, "GET", address, SHOP) == "*"
