"""The key that comes with a request, in the ways in which clients can send one.

Segment's and RudderStack's clients send their write key as the user name of Basic authentication, without a password.
Beacons and pixels can send no header: they name it in the address (``key``; ``api_secret`` in GA4's Measurement
Protocol, ``writeKey`` in RudderStack's beacons) or in the body (``writeKey``).
"""

import binascii
from base64 import b64decode
from urllib.parse import parse_qsl

import msgspec

from storage.key_text import is_key

QUERY_NAMES = ("key", "api_secret", "writeKey")
"""Where an address may name a key, on routes that are written to only: addresses end up in logs and histories."""
_LONGEST = 512


class _Carrier(msgspec.Struct, rename="camel"):
    write_key: str | None = None


_DECODER = msgspec.json.Decoder(_Carrier)


def key_in_headers(headers: list[tuple[bytes, bytes]]) -> str | None:
    """Return the key in ``X-Dropoff-Key`` or ``Authorization``, else whatever stands in its place."""
    own = other = None
    for name, value in headers:
        if name == b"x-dropoff-key":
            own = value.decode("latin-1").strip()
        elif name == b"authorization":
            other = _authorised(value)
    return own or other


def key_in_query(query: bytes) -> str | None:
    """Return the key that an address names."""
    if not query:
        return None
    try:
        pairs = parse_qsl(query.decode("latin-1"), max_num_fields=1_000)
    except ValueError:
        return None
    return next((value for name, value in pairs if name in QUERY_NAMES and value), None)


def key_in_body(body: bytes) -> str | None:
    """Return the ``writeKey`` of a JSON object; what is no such object names none."""
    try:
        return _DECODER.decode(body).write_key
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def choose_key(candidates: tuple[str | None, ...]) -> str | None:
    """Return the first that looks like a key, else the first that was sent at all.

    A site that is itself behind Basic authentication has its visitors' browsers send that along.
    """
    sent = [one for one in candidates if one]
    return next((one for one in sent if is_key(one)), sent[0] if sent else None)


def _authorised(value: bytes) -> str | None:
    scheme, _, rest = value[:_LONGEST].partition(b" ")
    match scheme.lower():
        case b"bearer":
            return rest.strip().decode("latin-1")
        case b"basic":
            try:
                user = b64decode(rest.strip(), validate=True).decode("utf-8", "replace")
            except (binascii.Error, ValueError):
                return None
            return user.partition(":")[0]
        case _:
            return None
