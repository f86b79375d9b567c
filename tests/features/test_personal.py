"""Personal data that nobody needs: found where it stands, and nothing else touched."""

import hashlib
import hmac
import ipaddress
import string
from base64 import urlsafe_b64encode
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.personal import (
    allowed_only,
    cleaned,
    hashed_id,
    is_hashed,
    names_somebody,
    without_contact,
    without_query,
)

LOCAL = st.text(string.ascii_letters + string.digits + "._+-", min_size=1, max_size=20)
DOMAIN = st.from_regex(r"[a-z0-9]{1,10}(\.[a-z]{2,6}){1,2}", fullmatch=True)


@given(LOCAL, DOMAIN, st.sampled_from(["{}", "mail {} now", "to={}", "<{}>", "{}, {}", "x?u={}&v=1", "mailto:{}"]))
def test_no_e_mail_address_stays(local: str, domain: str, around: str) -> None:
    for sign in ("@", "%40"):
        address = f"{local}{sign}{domain}"
        assert address not in without_contact(around.format(address, address))


def test_a_quoted_name_goes_with_its_address() -> None:
    # RFC 5321, section 4.1.2: the local part may be a quoted string.
    assert without_contact('from "anna smith"@example.org, "lamp"') == 'from [e-mail], "lamp"'


def test_an_address_of_other_letters_is_one_too() -> None:
    assert without_contact("jürgen@müller.de und 用户@例子.广告") == "[e-mail] und [e-mail]"


@given(st.ip_addresses())
def test_no_ip_address_stays(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    digits = sum(letter not in ":." for letter in str(address))
    cleaned_text = without_contact(f"from {address}, port 80")
    assert (str(address) in cleaned_text) == (address.version == 6 and digits < 4)


@pytest.mark.parametrize(
    "text",
    [
        "12:30:45",
        "2026-03-01T12:30:45.000Z",
        "std::vector",
        "version 1.2.3",
        "release 10.11.12.13.14",
        "page 300.1.2.3",
        "a:b:c",
        "at @home",
        "me@localhost",
        "add:to:cart",
        "00:1b",
        "v1.2.3.4",
    ],
)
def test_what_only_looks_like_an_address_stays(text: str) -> None:
    assert without_contact(text) == text


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://shop.example/reset?token=3f9#top", "https://shop.example/reset"),
        ("/search?q=lamp", "/search"),
        ("//cdn.example/a?b", "//cdn.example/a"),
        ("app-scheme://cart?user=7", "app-scheme://cart"),
        ("what now?", "what now?"),
        ("colour #3", "colour #3"),
        ("/plain/path", "/plain/path"),
    ],
)
def test_an_address_loses_its_query_and_other_text_nothing(address: str, kept: str) -> None:
    assert without_query(address) == kept


def test_texts_are_cleaned_at_any_depth_and_numbers_left_alone() -> None:
    value = {"a": ["x@example.org", {"b@example.org": 3, "c": None}], "d": 1.5, "e": True}
    assert cleaned(value) == {"a": ["[e-mail]", {"[e-mail]": 3, "c": None}], "d": 1.5, "e": True}


def test_a_hashed_id_is_the_start_of_the_standard_library_s_hmac() -> None:
    digest = hmac.digest(b"key", b"anna@example.org", hashlib.sha256)[:16]
    assert hashed_id(b"key", " Anna@Example.org") == "h_" + urlsafe_b64encode(digest).decode()[:22]


@given(st.text(min_size=1), st.binary(min_size=16, max_size=32))
def test_hashing_twice_is_hashing_once(text: str, key: bytes) -> None:
    once = hashed_id(key, text)
    assert is_hashed(once)
    assert hashed_id(key, once) == once


def test_another_key_gives_another_id() -> None:
    assert hashed_id(b"one", "anna") != hashed_id(b"two", "anna")


def test_ids_that_name_somebody_are_told_from_those_that_do_not() -> None:
    assert names_somebody("anna@example.org")
    assert names_somebody("192.0.2.7")
    assert not names_somebody("3f9c2d4e-5a60-4d0b-9c6a-000000000001")
    assert not names_somebody("user 17")


def test_only_allowed_properties_stay() -> None:
    assert allowed_only({"price": 3, "email": "x"}, frozenset({"price", "items"})) == {"price": 3}


@pytest.mark.parametrize("part", ["a", ":", "a@", "%40", "1.", "f:", "/?", "a.", "@.", '"', '"a'])
def test_no_text_takes_more_than_linear_time(part: str) -> None:
    def seconds(length: int) -> float:
        text = (part * length)[:length] + "g"
        started = perf_counter()
        cleaned(text)
        return perf_counter() - started

    seconds(1_000)
    # Quadratic time would be 256 times as long; the floor is for the clock.
    assert min(seconds(64_000) for _ in range(3)) < 100 * max(1e-4, min(seconds(4_000) for _ in range(3)))
