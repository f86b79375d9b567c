"""How a key is written: ``do_KEYID_SECRET``, made of an id that may be shown, a secret and a checksum.

* ``do_`` lets people, and scanners of repositories, recognise a key.
* KEYID, 10 characters of ``a-z2-7`` (50 bits), names the key in lists and in the audit.
* SECRET, 40 letters and digits: 34 random ones (202 bits), then 6 that are the CRC-32 of all before them in base 62, so
  that a key with a typing mistake is told from an unknown one, without asking a database.

Of a key the SHA-256 is kept. Nobody can try 2^202 secrets, so a slow hash, made for passwords that people choose, would
only slow the service down; and equal digests of different keys do not occur.
"""

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass, field

PREFIX = "do_"
_ID_SIGNS = "abcdefghijklmnopqrstuvwxyz234567"
_SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_LENGTH, _RANDOM_LENGTH, _CHECK_LENGTH = 10, 34, 6
_ID_END = len(PREFIX) + _ID_LENGTH
_SECRETS = re.compile(rf"({PREFIX}[{_ID_SIGNS}]{{{_ID_LENGTH}}}_)[0-9A-Za-z]+")
KEY_LENGTH = _ID_END + 1 + _RANDOM_LENGTH + _CHECK_LENGTH


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: its text is shown once and kept nowhere."""

    key_id: str
    text: str = field(repr=False)


def new_key() -> NewKey:
    """Return a key that nobody has seen."""
    key_id = "".join(secrets.choice(_ID_SIGNS) for _ in range(_ID_LENGTH))
    head = f"{PREFIX}{key_id}_" + "".join(secrets.choice(_SIGNS) for _ in range(_RANDOM_LENGTH))
    return NewKey(key_id, head + _check(head))


def key_id_of(text: str) -> str:
    """Return the id within a key's text, whatever else is wrong with it."""
    return text[len(PREFIX) : _ID_END]


def is_key(text: str) -> bool:
    """Whether a text is meant to be a key."""
    return text.startswith(PREFIX)


def is_well_written(text: str) -> bool:
    """Whether the checksum is that of the rest, so that no character is wrong, missing or too many."""
    head, check = text[:-_CHECK_LENGTH], text[-_CHECK_LENGTH:]
    return len(text) == KEY_LENGTH and is_key(text) and text.isascii() and check == _check(head)


def without_keys(text: str) -> str:
    """Return a text in which the secret of every key is left out: clients send them beside their events."""
    return _SECRETS.sub(r"\1...", text) if PREFIX in text else text


def digest_of(text: str) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _check(head: str) -> str:
    rest, signs = zlib.crc32(head.encode()), ""
    for _ in range(_CHECK_LENGTH):
        rest, place = divmod(rest, len(_SIGNS))
        signs = _SIGNS[place] + signs
    return signs
