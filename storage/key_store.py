"""Keys and ended logins in the database; making and revoking a key is in the audit, by its id."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update

from storage.access_tables import ended_logins, keys
from storage.audit import EVERY_JOURNEY, AuditEntry, write_audit
from storage.database import insert_if_absent
from storage.key_text import NewKey, digest_of, new_key

_LONGEST_NAME = 100


class KeyMistake(ValueError):
    """A key cannot be made or is not there; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a key opens: permissions, in one journey or (None) in all, at what rate and size, until when.

    None for a limit stands for the service's own.
    """

    name: str
    permissions: frozenset[str]
    journey: str | None = None
    requests_per_second: float | None = None
    max_body_bytes: int | None = None
    expires_us: int | None = None


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as it is kept: what it opens, and the digest of its text."""

    key_id: str
    grant: Grant
    digest: str = field(repr=False)
    created_us: int
    revoked_us: int | None = None
    last_used_us: int | None = None

    def is_over(self, now_us: int) -> bool:
        """Whether it opens nothing any more."""
        expires_us = self.grant.expires_us
        return self.revoked_us is not None or (expires_us is not None and expires_us <= now_us)


class KeyStore:
    """All keys of a database. Writing methods take a writing connection, reading ones open their own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, connection: Connection, grant: Grant, *, actor: str, now_us: int) -> NewKey:
        """Make a key and return it; its text can be seen here only. Raises :class:`KeyMistake`."""
        made = new_key()
        self._insert(connection, made, _checked(grant, now_us), now_us)
        _audit(connection, now_us, actor, "new key", made.key_id, grant, None, _shown(grant))
        return made

    def revoke(self, connection: Connection, key_id: str, *, actor: str, now_us: int) -> StoredKey:
        """Let a key open nothing from now on, and return it; raises :class:`KeyMistake` where it opens nothing."""
        key = self._living(connection, key_id, now_us)
        connection.execute(update(keys).where(keys.c.key_id == key_id).values(revoked_us=now_us))
        _audit(connection, now_us, actor, "revoke key", key_id, key.grant, _shown(key.grant), None)
        return key

    def rotate(
        self, connection: Connection, key_id: str, *, overlap_us: int, actor: str, now_us: int
    ) -> tuple[NewKey, StoredKey]:
        """Make a key that opens the same, and let the old one end ``overlap_us`` from now; return the new and the old.

        A key that expires keeps its length of life. Raises :class:`KeyMistake`.
        """
        old = self._living(connection, key_id, now_us)
        ends_us = now_us + overlap_us
        if old.grant.expires_us is not None:
            ends_us = min(ends_us, old.grant.expires_us)
            grant = replace(old.grant, expires_us=now_us + old.grant.expires_us - old.created_us)
        else:
            grant = old.grant
        made = self.add(connection, grant, actor=actor, now_us=now_us)
        connection.execute(update(keys).where(keys.c.key_id == key_id).values(expires_us=ends_us))
        ending = replace(old, grant=replace(old.grant, expires_us=ends_us))
        changed = {"replaced_by": made.key_id, **_shown(ending.grant)}
        _audit(connection, now_us, actor, "rotate key", key_id, old.grant, _shown(old.grant), changed)
        return made, ending

    def mark_used(self, connection: Connection, used: Mapping[str, int]) -> None:
        """Keep when keys, named by their ids, were last used."""
        for key_id, at_us in used.items():
            connection.execute(update(keys).where(keys.c.key_id == key_id).values(last_used_us=at_us))

    def end_login(self, connection: Connection, login_id: str, *, until_us: int, now_us: int) -> None:
        """Let a login, which would have lasted until then, end now; forgets those that have ended by themselves."""
        connection.execute(delete(ended_logins).where(ended_logins.c.until_us <= now_us))
        row = {"login_id": login_id, "until_us": until_us}
        connection.execute(insert_if_absent(self._engine, ended_logins), row)

    def all_keys(self) -> tuple[StoredKey, ...]:
        """Return all keys, also those that open nothing any more, the oldest first."""
        with self._engine.connect() as connection:
            found = connection.execute(select(keys).order_by(keys.c.created_us, keys.c.key_id))
            return tuple(map(_stored, found))

    def ended_logins(self, now_us: int) -> frozenset[str]:
        """Return the ids of the logins that were ended before their time."""
        query = select(ended_logins.c.login_id).where(ended_logins.c.until_us > now_us)
        with self._engine.connect() as connection:
            return frozenset(connection.execute(query).scalars())

    def _insert(self, connection: Connection, made: NewKey, grant: Grant, now_us: int) -> None:
        row = {"key_id": made.key_id, "journey": grant.journey, "name": grant.name}
        row |= {"permissions": " ".join(sorted(grant.permissions)), "secret_hash": digest_of(made.text)}
        limits = {"requests_per_second": grant.requests_per_second, "max_body_bytes": grant.max_body_bytes}
        times = {"created_us": now_us, "expires_us": grant.expires_us}
        connection.execute(insert(keys), {**row, **limits, **times})

    def _living(self, connection: Connection, key_id: str, now_us: int) -> StoredKey:
        row = connection.execute(select(keys).where(keys.c.key_id == key_id)).one_or_none()
        if row is None:
            raise KeyMistake(f"there is no key {key_id!r}; `dropoff keys list` names those that there are")
        key = _stored(row)
        if key.is_over(now_us):
            raise KeyMistake(f"the key {key_id} ({key.grant.name}) opens nothing any more")
        return key


def _checked(grant: Grant, now_us: int) -> Grant:
    name = grant.name.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise KeyMistake(f"a key's name has 1 to {_LONGEST_NAME} printable characters: say what it is for")
    if not grant.permissions:
        raise KeyMistake("a key needs at least one permission")
    for limit in (grant.requests_per_second, grant.max_body_bytes):
        if limit is not None and limit <= 0:
            raise KeyMistake("a key's limits are greater than 0; leave one out for the service's own")
    if grant.expires_us is not None and grant.expires_us <= now_us:
        raise KeyMistake("a key cannot expire before it is made")
    return replace(grant, name=name)


def _stored(row: Row[Any]) -> StoredKey:
    grant = Grant(
        name=row.name,
        permissions=frozenset(row.permissions.split()),
        journey=row.journey,
        requests_per_second=row.requests_per_second,
        max_body_bytes=row.max_body_bytes,
        expires_us=row.expires_us,
    )
    return StoredKey(row.key_id, grant, row.secret_hash, row.created_us, row.revoked_us, row.last_used_us)


def _audit(
    connection: Connection,
    at_us: int,
    actor: str,
    action: str,
    key_id: str,
    grant: Grant,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    entry = AuditEntry(None, at_us, actor, action, f"key {key_id}", before, after)
    write_audit(connection, grant.journey or EVERY_JOURNEY, entry)


def _shown(grant: Grant) -> dict[str, Any]:
    return {
        "name": grant.name,
        "permissions": " ".join(sorted(grant.permissions)),
        "requests_per_second": grant.requests_per_second,
        "max_body_bytes": grant.max_body_bytes,
        "expires_us": grant.expires_us,
    }


def living(found: Collection[StoredKey], now_us: int) -> tuple[StoredKey, ...]:
    """Return the keys that open something."""
    return tuple(key for key in found if not key.is_over(now_us))
