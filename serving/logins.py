"""Logins of people to the pages: a signed cookie that names the key, which it ends with.

The cookie is ``LOGIN.KEYID.UNTIL.SIGNATURE``: an id of its own, the key's id, the second at which it ends, and the
HMAC-SHA256 of these and the key's digest under the server's secret. Nothing of it is kept, except for those that are
ended before their time.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from features.events import US_PER_SECOND
from serving.access import Access, Permission
from serving.errors import ClientError
from storage.key_store import StoredKey

_PLAIN_NAME, _TLS_NAME = "dropoff_login", "__Host-dropoff_login"
_ID_BYTES = 12
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody who has shown a key; the login ends at ``until_us`` at the latest."""

    login_id: str
    key: StoredKey
    until_us: int


@dataclass(frozen=True, slots=True)
class Logins:
    """Signs and reads the cookies; ``secret`` is the same in all processes that serve together."""

    secret: bytes = field(repr=False)
    seconds: float

    def begin(self, key: StoredKey, scheme: str, now_us: int) -> str:
        """Return the header ``Set-Cookie`` that logs somebody in who has shown this key."""
        until = (now_us + int(self.seconds * US_PER_SECOND)) // US_PER_SECOND
        said = f"{secrets.token_hex(_ID_BYTES)}.{key.key_id}.{until}"
        return _cookie(f"{said}.{self._signature(said, key)}", scheme, int(self.seconds))

    def read(self, cookies: Mapping[str, str], scheme: str, access: Access, now_us: int) -> Login | None:
        """Return the login that a request's cookies carry; None for none, and for one that has ended."""
        said, _, signature = cookies.get(_name(scheme), "")[:_LONGEST].rpartition(".")
        parts = said.split(".")
        if len(parts) != 3 or not parts[2].isdecimal():
            return None
        login_id, key_id, until = parts
        key = access.living_key(key_id, now_us)
        if key is None or not hmac.compare_digest(signature.encode(), self._signature(said, key).encode()):
            return None
        login = Login(login_id, key, int(until) * US_PER_SECOND)
        if login.until_us <= now_us or login_id in access.ended_logins:
            return None
        try:
            access.require(key, (Permission.ADMIN,))
        except ClientError:
            return None
        return login

    def _signature(self, said: str, key: StoredKey) -> str:
        return hmac.new(self.secret, f"login.{said}.{key.digest}".encode(), hashlib.sha256).hexdigest()


def no_login(scheme: str) -> str:
    """Return the header ``Set-Cookie`` that takes a login away from the browser."""
    return _cookie("", scheme, 0)


def _cookie(value: str, scheme: str, seconds: int) -> str:
    secure = "; Secure" if scheme == "https" else ""
    return f"{_name(scheme)}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"


def _name(scheme: str) -> str:
    # Browsers take a cookie of this prefix over TLS only, for this very host: no other site can set one.
    return _TLS_NAME if scheme == "https" else _PLAIN_NAME
