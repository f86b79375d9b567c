"""One writer of a journey at a time, whatever process it is in, from the first lock to the end of the transaction."""

import hashlib

from sqlalchemy import Connection, text

_TAKE = text("SELECT pg_advisory_xact_lock(:space, :journey)")
_SPACE = 0x5E55


def take_turns(connection: Connection, journey: str) -> None:
    """Wait until no other transaction places events or recommendations of the journey, and let none until this ends.

    SQLite has one writer at a time anyway. PostgreSQL's are as many as connect; one lock for each visitor would let
    them write side by side, but transactions that hold many visitors would wait for each other in a circle.
    """
    if connection.dialect.name == "sqlite":
        return
    digest = hashlib.blake2b(journey.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    connection.execute(_TAKE, {"space": _SPACE, "journey": int.from_bytes(digest, "big", signed=True)})
