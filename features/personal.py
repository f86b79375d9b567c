"""What of an event is personal data that nobody needs: left out, or replaced, before anything is kept."""

import hashlib
import hmac
import ipaddress
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

EMAIL_LEFT_OUT, ADDRESS_LEFT_OUT = "[e-mail]", "[ip address]"
"""What stands where an e-mail address or an IP address was."""
HASHED = "h_"
"""How a hashed id begins."""

# Each starts at a boundary and is bounded after it, so that no text takes more than linear time.
_WORD = r"[^\s@<>()\[\]\"',;:/?&=#|]"
_HOST = r"[^\s@<>()\[\]\"',;:/?&=#|%]"
_LOCAL = rf'(?:(?<!{_WORD}){_WORD}+|"[^"@]{{1,64}}")'
_EMAIL = re.compile(rf"{_LOCAL}(?:@|%40){_HOST}+\.[^\s@<>()\[\]\"',;:/?&=#|%.]{{2,}}")
_IPV4 = re.compile(r"(?<![\w.-])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w-])(?!\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:.]{3,45}(?![\w:])")
_QUERY = re.compile(r"((?:[a-zA-Z][a-zA-Z0-9+.-]{0,30}:)?//?[^?#\s]*)[?#]\S*")
_LEAST_IPV6_DIGITS = 4
_LONGEST_WORD, _WORDS_REMEMBERED = 32, 16_384
_DIGEST_BYTES = 16


def without_contact(text: str) -> str:
    """Return a text in which e-mail and IP addresses are replaced by what they were.

    >>> without_contact("call anna@example.org from 192.0.2.7")
    'call [e-mail] from [ip address]'
    """
    if "@" in text or "%40" in text:
        text = _EMAIL.sub(EMAIL_LEFT_OUT, text)
    if text.count(".") >= 3:
        text = _IPV4.sub(ADDRESS_LEFT_OUT, text)
    if text.count(":") >= 2:
        text = _IPV6.sub(_unless_none, text)
    return text


_remembered = lru_cache(maxsize=_WORDS_REMEMBERED)(without_contact)


def word_without_contact(text: str) -> str:
    """Return the same as :func:`without_contact`, sooner for the short texts that nearly every event repeats."""
    return _remembered(text) if len(text) <= _LONGEST_WORD else without_contact(text)


def without_query(text: str) -> str:
    """Return an address without its query and fragment, which may name people and carry tokens; other text as it is.

    >>> without_query("https://shop.example/reset?token=3f9")
    'https://shop.example/reset'
    """
    if "?" not in text and "#" not in text:
        return text
    found = _QUERY.fullmatch(text)
    return found.group(1) if found else text


def cleaned(value: Any) -> Any:
    """Return a JSON value in which no text, at any depth, holds an e-mail or IP address, or an address's query."""
    match value:
        case str():
            return word_without_contact(without_query(value))
        case dict():
            return {word_without_contact(name): cleaned(one) for name, one in value.items()}
        case list():
            return [cleaned(one) for one in value]
        case _:
            return value


def names_somebody(text: str) -> bool:
    """Whether an id is, or holds, an e-mail or IP address."""
    return without_contact(text) != text


def hashed_id(key: bytes, text: str) -> str:
    """Return ``h_`` and 128 bits of HMAC-SHA256 (RFC 2104) over an id, in base64url; letter case makes no difference.

    An id that is hashed already stays as it is.
    """
    if is_hashed(text):
        return text
    digest = hmac.new(key, text.strip().lower().encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
    return HASHED + urlsafe_b64encode(digest[:_DIGEST_BYTES]).decode().rstrip("=")


def is_hashed(text: str) -> bool:
    """Whether an id has the form of a hashed one."""
    return text.startswith(HASHED) and len(text) == len(HASHED) + 22


def allowed_only(properties: Mapping[str, Any], allowed: frozenset[str]) -> dict[str, Any]:
    """Return the properties whose names are allowed."""
    return {name: value for name, value in properties.items() if name in allowed}


def _unless_none(found: re.Match[str]) -> str:
    text = found.group()
    if sum(letter not in ":." for letter in text) < _LEAST_IPV6_DIGITS:
        return text
    try:
        ipaddress.IPv6Address(text.rstrip("."))
    except ValueError:
        return text
    return ADDRESS_LEFT_OUT
