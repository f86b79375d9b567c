"""Locks by name that end with a transaction, so that writers in several processes take turns about one visitor."""

import hashlib
from collections.abc import Collection

from sqlalchemy import Connection, text

_BUCKETS = 256
_TAKE = text("SELECT pg_advisory_xact_lock(:space, bucket) FROM unnest(CAST(:buckets AS integer[])) AS bucket")


def lock_names(connection: Connection, journey: str, names: Collection[str]) -> None:
    """Wait until nobody else's transaction holds one of these names, and hold them to the end of this one.

    SQLite has one writer at a time anyway. PostgreSQL's locks are few, so a name stands for one of 256; a transaction
    that takes all that it needs in one call can wait for others, but never with them for each other.
    """
    if connection.dialect.name == "sqlite" or not names:
        return
    # In ascending order, which `unnest` keeps.
    buckets = sorted({_number(name) % _BUCKETS for name in names})
    connection.execute(_TAKE, {"space": _number(journey) % 2**31, "buckets": buckets})


def _number(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
