"""Where a request comes from, and whom to believe about it."""

from typing import Any

import pytest

from serving.clients import client_of, parse_networks, require_local, see_through
from serving.errors import ClientError

PROXY = parse_networks("10.0.0.0/24, 2001:db8::1")


def scope(client: str = "127.0.0.1", host: str = "127.0.0.1:3000", **headers: str) -> dict[str, Any]:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"client": (client, 5000), "scheme": "http", "headers": [(b"host", host.encode()), *named]}


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        # Only a trusted peer is believed.
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("127.0.0.1", "203.0.113.9", "127.0.0.1"),
        ("10.0.0.7", "203.0.113.9", "203.0.113.9"),
        # What the client itself said stands before what the proxy has seen.
        ("10.0.0.7", "127.0.0.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.7", "1.2.3.4, 203.0.113.9, 10.0.0.8", "203.0.113.9"),
        ("2001:db8::1", "2001:db8:5::9", "2001:db8:5::9"),
        ("10.0.0.7", "203.0.113.9:4711", "203.0.113.9"),
        ("10.0.0.7", "[2001:db8:5::9]:4711", "2001:db8:5::9"),
        ("::ffff:10.0.0.7", "203.0.113.9", "203.0.113.9"),
        # Nothing that could be believed: the proxy itself.
        ("10.0.0.7", "unknown", "10.0.0.7"),
        ("10.0.0.7", "10.0.0.8", "10.0.0.8"),
    ],
)
def test_the_client_is_the_last_one_named_that_is_no_proxy(peer: str, forwarded: str, client: str) -> None:
    asked = scope(peer, x_forwarded_for=forwarded)
    see_through(asked, PROXY)
    assert asked["client"][0] == client


def test_several_headers_are_read_as_one_list_and_the_scheme_of_a_trusted_proxy_is_believed() -> None:
    asked = scope("10.0.0.7", x_forwarded_for="1.2.3.4", x_forwarded_proto="https")
    asked["headers"].append((b"x-forwarded-for", b"203.0.113.9"))
    see_through(asked, PROXY)
    assert (asked["client"][0], asked["scheme"]) == ("203.0.113.9", "https")
    other = scope("192.0.2.1", x_forwarded_proto="https")
    see_through(other, PROXY)
    assert other["scheme"] == "http"
    strange = scope("10.0.0.7", x_forwarded_proto="javascript")
    see_through(strange, PROXY)
    assert strange["scheme"] == "http"


@pytest.mark.parametrize("text", ["10.0.0.0/33", "proxy.example", "10.0.0.1 10.0.0.2"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear"):
        parse_networks(text)


def test_limits_count_an_ipv6_customer_as_one() -> None:
    assert client_of(scope("2001:db8:1:2:3::4")) == client_of(scope("2001:db8:1:2:ffff::1")) == "2001:db8:1:2::/64"
    assert client_of(scope("2001:db8:1:3::1")) != client_of(scope("2001:db8:1:2::1"))
    assert client_of(scope("::ffff:192.0.2.1")) == "192.0.2.1"
    assert client_of(scope("192.0.2.1")) == "192.0.2.1"
    assert client_of({"client": None}) == ""


@pytest.mark.parametrize(
    "asked",
    [
        scope(),
        scope(host="localhost"),
        scope("::1", "[::1]:3000"),
        scope("127.0.0.5", "127.0.0.5"),
        scope("::ffff:127.0.0.1"),
    ],
)
def test_this_machine_is_answered_by_its_own_names(asked: dict[str, Any]) -> None:
    require_local(asked)


@pytest.mark.parametrize(
    "asked",
    [
        scope("192.0.2.1"),
        scope(host="evil.example"),
        scope(host="localhost.evil.example"),
        scope(host="127.0.0.1.evil.example"),
        scope(host="evil.example@127.0.0.1x"),
        scope(host=""),
        scope(host="[::1"),
        {**scope(), "client": None},
        # Behind a proxy on this machine everybody would seem to be local.
        scope(x_forwarded_for="203.0.113.9"),
        scope(forwarded="for=203.0.113.9"),
        scope(x_real_ip="203.0.113.9"),
        scope(via="1.1 proxy"),
    ],
)
def test_other_machines_other_names_and_proxies_are_not(asked: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="no keys yet") as refused:
        require_local(asked)
    assert refused.value.status == 403
