"""Who may ask for what: keys, their permissions, and what is said to those without."""

import hmac
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from features.events import US_PER_SECOND
from serving.errors import ClientError
from serving.limits import Limits
from storage.key_store import StoredKey
from storage.key_text import digest_of, is_key, is_well_written, key_id_of

KEYLESS = (
    "There are no keys: whatever this machine sends is accepted, and other machines are not answered. "
    "Make a key with: dropoff keys new --permission admin --name NAME"
)
"""What is said at start where there are no keys."""
_US_PER_MINUTE = 60 * US_PER_SECOND
_NO_DIGEST = digest_of("")
_REALM = 'Bearer realm="dropoff"'
_FAILURES_PER_SECOND, _FAILURES_AT_ONCE = 1.0, 20.0
_LOGINS_PER_SECOND, _LOGINS_AT_ONCE = 0.1, 5.0


class Permission(StrEnum):
    """What a key may do; a route asks for one of these, or for none."""

    WRITE = "write"
    """Send events and outcomes."""
    READ = "read"
    """Ask for risks and recommendations."""
    ADMIN = "admin"
    """All else: sessions, annotations, erasing, metrics and the pages."""
    METRICS = "metrics"
    """Read metrics and nothing else, for what watches the service."""


@dataclass
class Access:
    """The keys as they were last read, for one journey, and how fast each may ask.

    ``share`` is this process's part of every limit, where several serve. ``requests_per_second`` is the limit of keys
    without one of their own, and of client addresses where there are no keys; 0 is none.
    """

    journey: str
    requests_per_second: float = 0.0
    share: float = 1.0
    keyed: bool = False
    """Whether there have ever been keys: whoever has none is then turned away, even when all have been revoked."""
    ended_logins: frozenset[str] = frozenset()
    _keys: dict[str, StoredKey] = field(default_factory=dict, repr=False)
    _used: dict[str, int] = field(default_factory=dict)
    _requests: Limits = field(default_factory=Limits)
    _failures: Limits = field(default_factory=Limits)

    def renew(self, keys: Iterable[StoredKey], ended_logins: frozenset[str]) -> None:
        """Go by these keys, all that there are, from now on."""
        self._keys = {key.key_id: key for key in keys}
        self.keyed = bool(self._keys)
        self.ended_logins = ended_logins

    def admit(self, text: str | None, asked: Collection[Permission], client: str, now_us: int) -> StoredKey | None:
        """Return the key that opens what needs any of the permissions; None where there are no keys at all.

        Raises :class:`ClientError`: 401 without a valid key, 403 for one that opens other things, 429 for too many
        requests.
        """
        if not self.keyed:
            self._require_slow(client, self.requests_per_second, now_us)
            return None
        try:
            key = self.identify(text, now_us)
        except ClientError:
            self.count_failure(client, now_us)
            raise
        self.require(key, asked)
        limit = key.grant.requests_per_second
        self._require_slow(key.key_id, self.requests_per_second if limit is None else limit, now_us)
        if now_us - self._used.get(key.key_id, 0) >= _US_PER_MINUTE:
            self._used[key.key_id] = now_us
        return key

    def identify(self, text: str | None, now_us: int) -> StoredKey:
        """Return the key of this text; raises :class:`ClientError`, 401, which says what is wrong with it."""
        if not text:
            raise _unauthorised(
                "no_key", "Send a key: as the user name of Basic authentication, after Bearer, or in X-Dropoff-Key."
            )
        key = self._keys.get(key_id_of(text))
        # The same work for ids that there are and those that there are not.
        fits = hmac.compare_digest(digest_of(text), _NO_DIGEST if key is None else key.digest)
        if key is None or not fits:
            raise _unknown(text)
        # Who has the whole key may know what became of it.
        if key.revoked_us is not None:
            raise _unauthorised("revoked_key", f"The key {key.key_id} was revoked: ask for another one.")
        if key.is_over(now_us):
            raise _unauthorised("expired_key", f"The key {key.key_id} has expired: ask for another one.")
        return key

    def require(self, key: StoredKey, asked: Collection[Permission]) -> None:
        """Raise :class:`ClientError`, 403, unless the key has one of the permissions, in this journey."""
        if key.grant.journey not in (None, self.journey):
            raise ClientError(
                403, "wrong_journey", f"The key {key.key_id} is for another journey than the one that is served here."
            )
        if not key.grant.permissions.intersection(asked):
            needed, has = " or ".join(asked), " and ".join(sorted(key.grant.permissions))
            scope = " ".join(asked)
            raise ClientError(
                403,
                "missing_permission",
                f"This needs a key with the permission {needed}; the key {key.key_id} has {has}.",
                headers={"WWW-Authenticate": f'{_REALM}, error="insufficient_scope", scope="{scope}"'},
            )

    def living_key(self, key_id: str, now_us: int) -> StoredKey | None:
        """Return the key of this id, None where it opens nothing (any more)."""
        key = self._keys.get(key_id)
        return None if key is None or key.is_over(now_us) else key

    def take_used(self) -> dict[str, int]:
        """Return when keys were used, where the database does not know it to the minute."""
        return {
            key_id: at_us
            for key_id, at_us in self._used.items()
            if key_id in self._keys and at_us - (self._keys[key_id].last_used_us or 0) >= _US_PER_MINUTE
        }

    def count_failure(self, client: str, now_us: int) -> None:
        """Count a failure of a client's address; raises :class:`ClientError`, 429, after too many of them."""
        wait_us = self._failures.take(client, _FAILURES_PER_SECOND, _FAILURES_AT_ONCE, now_us)
        if wait_us:
            raise _too_many("too_many_failures", "Too many requests without a valid key", wait_us)

    def require_slow_login(self, client: str, now_us: int) -> None:
        """Raise :class:`ClientError`, 429, where too many logins from an address have failed of late."""
        wait_us = self._failures.wait_us(f"login {client}", _LOGINS_PER_SECOND, _LOGINS_AT_ONCE, now_us)
        if wait_us:
            raise _too_many("too_many_failures", "Too many logins from here have failed", wait_us)

    def count_login(self, client: str, now_us: int) -> None:
        """Count a login that has failed."""
        self._failures.take(f"login {client}", _LOGINS_PER_SECOND, _LOGINS_AT_ONCE, now_us)

    def _require_slow(self, who: str, per_second: float, now_us: int) -> None:
        if not per_second:
            return
        wait_us = self._requests.take(who, per_second * self.share, max(1.0, per_second * self.share), now_us)
        if wait_us:
            raise _too_many("too_many_requests", f"More than {per_second:g} requests a second", wait_us)


def _unknown(text: str) -> ClientError:
    if not is_key(text):
        return _unauthorised("unknown_key", "This is no key of dropoff: one begins with do_.")
    if not is_well_written(text):
        return _unauthorised("mistyped_key", "The key is mistyped: a character is wrong, missing or too many.")
    return _unauthorised("unknown_key", "Nobody has made this key here: ask for another one.")


def _unauthorised(code: str, message: str) -> ClientError:
    challenge = _REALM if code == "no_key" else f'{_REALM}, error="invalid_token"'
    return ClientError(401, code, message, headers={"WWW-Authenticate": challenge})


def _too_many(code: str, what: str, wait_us: int) -> ClientError:
    seconds = max(1, math.ceil(wait_us / US_PER_SECOND))
    return ClientError(429, code, f"{what}: try again in {seconds} s.", headers={"Retry-After": str(seconds)})
