"""Keys in words, for people and for programs; never their secrets."""

from datetime import UTC, datetime
from typing import Any

from features.events import US_PER_SECOND
from storage.key_store import StoredKey


def say_key(key: StoredKey, now_us: int) -> str:
    """Return a key in a line: its id, what it is for, what it opens, and until when."""
    grant = key.grant
    opens = " and ".join(sorted(grant.permissions)) + (f", only {grant.journey}" if grant.journey else "")
    limits = []
    if grant.requests_per_second is not None:
        limits.append(f"{grant.requests_per_second:g} requests a second")
    if grant.max_body_bytes is not None:
        limits.append(f"{grant.max_body_bytes:,} bytes a request")
    used = "never used" if key.last_used_us is None else f"last used {_day_and_time(key.last_used_us)}"
    return "  ".join([key.key_id, grant.name, "; ".join([opens, *limits, _state(key, now_us), used])])


def to_json(key: StoredKey, now_us: int) -> dict[str, Any]:
    """Return a key as JSON can hold it, without its digest."""
    grant = key.grant
    return {
        "key_id": key.key_id,
        "name": grant.name,
        "permissions": sorted(grant.permissions),
        "journey": grant.journey,
        "requests_per_second": grant.requests_per_second,
        "max_body_bytes": grant.max_body_bytes,
        "created_at": _moment(key.created_us),
        "expires_at": _moment(grant.expires_us),
        "revoked_at": _moment(key.revoked_us),
        "last_used_at": _moment(key.last_used_us),
        "valid": not key.is_over(now_us),
    }


def _state(key: StoredKey, now_us: int) -> str:
    if key.revoked_us is not None:
        return f"revoked {_day_and_time(key.revoked_us)}"
    expires_us = key.grant.expires_us
    if expires_us is None:
        return "valid until it is revoked"
    return f"{'expired' if key.is_over(now_us) else 'valid until'} {_day_and_time(expires_us)}"


def _day_and_time(at_us: int) -> str:
    return f"{datetime.fromtimestamp(at_us / US_PER_SECOND, UTC):%Y-%m-%d %H:%M} UTC"


def _moment(at_us: int | None) -> str | None:
    return None if at_us is None else datetime.fromtimestamp(at_us / US_PER_SECOND, UTC).isoformat()
