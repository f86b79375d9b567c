"""The ways in which clients send a key."""

from base64 import b64encode

import pytest

from serving.credentials import choose_key, key_in_body, key_in_headers, key_in_query


def basic(text: str) -> bytes:
    return b"Basic " + b64encode(text.encode())


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (basic("do_a_b:"), "do_a_b"),
        (basic("do_a_b"), "do_a_b"),
        (basic("do_a_b:password"), "do_a_b"),
        (b"basic " + b64encode(b"do_a_b:"), "do_a_b"),
        (b"Bearer do_a_b", "do_a_b"),
        (b"bearer   do_a_b ", "do_a_b"),
        (b"Basic ???", None),
        (b"Digest do_a_b", None),
        (b"do_a_b", None),
        (b"", None),
    ],
)
def test_basic_and_bearer_are_read(value: bytes, key: str | None) -> None:
    assert key_in_headers([(b"host", b"x"), (b"authorization", value)]) == key


def test_the_own_header_comes_first() -> None:
    headers = [(b"authorization", b"Bearer other"), (b"x-dropoff-key", b" mine ")]
    assert key_in_headers(headers) == "mine"
    assert key_in_headers([]) is None


@pytest.mark.parametrize(
    ("query", "key"),
    [
        (b"key=do_a_b", "do_a_b"),
        (b"measurement_id=G&api_secret=do_a_b", "do_a_b"),
        (b"writeKey=do_a_b", "do_a_b"),
        (b"a=1&key=do%5Fa_b&b=2", "do_a_b"),
        (b"key=", None),
        (b"monkey=do_a_b", None),
        (b"", None),
        (b"%ff%fe", None),
        (b"&".join([b"a=1"] * 2_000), None),
    ],
)
def test_an_address_may_name_it(query: bytes, key: str | None) -> None:
    assert key_in_query(query) == key


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"writeKey": "do_a_b", "batch": [{"writeKey": "other"}]}', "do_a_b"),
        (b'{"batch": [{"writeKey": "other"}]}', None),
        (b'{"writeKey": 5}', None),
        (b"[]", None),
        (b"{", None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
    ],
)
def test_a_body_may_name_it(body: bytes, key: str | None) -> None:
    assert key_in_body(body) == key


def test_what_looks_like_a_key_is_preferred_to_what_a_site_asked_for_itself() -> None:
    assert choose_key(("staging", "do_a_b")) == "do_a_b"
    assert choose_key(("staging", None)) == "staging"
    assert choose_key((None, "")) is None
