"""What makes a request count once that is sent again: its Idempotency-Key, and what is made of it.

A proxy sends a request again to another replica where the first one ends, or hangs, before it has answered: it may have
kept everything, or nothing. Events have ids by which the second attempt is known; what gets its id here, an event that
has none and a decision, gets the same one at every attempt with the same key.
"""

import hashlib
import uuid
from contextvars import ContextVar

from starlette.types import Scope

from serving.errors import ClientError

_HEADER = b"idempotency-key"
_LONGEST = 255


class Once:
    """One request that may come again; ``name`` is the same for all its attempts."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._events = 0

    def next_event(self) -> uuid.UUID:
        """Return the id of the request's next event that has none."""
        self._events += 1
        return self._identity("event", str(self._events))

    def decision(self, journey: str) -> str:
        """Return the id of the decision that a journey makes about it."""
        return self._identity("decision", journey).hex

    def _identity(self, *parts: str) -> uuid.UUID:
        digest = hashlib.sha256("\x1f".join((self._name, *parts)).encode("utf-8", "surrogatepass")).digest()
        return uuid.UUID(bytes=digest[:16])


_ONCE: ContextVar[Once | None] = ContextVar("once", default=None)


def note_attempt(scope: Scope, sender: str) -> None:
    """Remember a request's Idempotency-Key while it is answered; raises ClientError, 422, for one of no use.

    ``sender`` is who sends it: two clients that count their requests must not get each other's answers.
    """
    said = next((value for name, value in scope["headers"] if name == _HEADER), None)
    if said is None:
        _ONCE.set(None)
        return
    if not 0 < len(said) <= _LONGEST:
        raise ClientError(
            422, "invalid_field", f"An Idempotency-Key has 1 to {_LONGEST} characters.", "Idempotency-Key"
        )
    _ONCE.set(Once(f"{sender}\x1f{said.decode('latin-1')}"))


def made_event_id() -> str:
    """Return an id for an event that was sent without one: a new one, or that of the request's earlier attempt."""
    once = _ONCE.get()
    return f"dropoff-{uuid.uuid4() if once is None else once.next_event()}"


def made_decision_id(journey: str) -> str | None:
    """Return the id for what is decided at this request, where it may come again; None where any will do."""
    once = _ONCE.get()
    return None if once is None else once.decision(journey)
