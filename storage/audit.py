"""The audit: who changed what and when, appended in the transaction of the change and never rewritten."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select

from features.events import US_PER_SECOND
from storage.history import History
from storage.tables import audit

EVERY_JOURNEY = ""
"""In the place of a journey: the change is about all of them, and stands in the audit of each."""
ERASURE = "erase visitor"
"""The action in the audit that says that somebody was erased."""
_VISITOR = "visitor"
_SALT_BYTES = 8


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change: the moment, the account, what it did to what, and how that looked before and after.

    ``id`` is None for a change of the champion, which the history beside the models keeps.
    """

    id: int | None
    at_us: int
    actor: str
    action: str
    subject: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


def write_audit(connection: Connection, journey: str, entry: AuditEntry) -> None:
    """Append one entry in the transaction of ``connection``, that of the change itself; its id is given here."""
    row = {"journey": journey, "at_us": entry.at_us, "actor": entry.actor, "action": entry.action}
    row |= {"subject": entry.subject, "before": _text(entry.before), "after": _text(entry.after)}
    connection.execute(insert(audit), row)


def read_audit(connection: Connection, journey: str) -> tuple[AuditEntry, ...]:
    """Return a journey's entries and those about every journey, the oldest first."""
    mine = audit.c.journey.in_((journey, EVERY_JOURNEY))
    found = connection.execute(select(audit).where(mine).order_by(audit.c.at_us, audit.c.id))
    return tuple(
        AuditEntry(row.id, row.at_us, row.actor, row.action, row.subject, _object(row.before), _object(row.after))
        for row in found
    )


def count_erasures(connection: Connection, journey: str) -> int:
    """Return how many visitors were erased so far: what was made of the log before the latest tells of them."""
    query = select(func.count()).where(audit.c.journey == journey, audit.c.action == ERASURE)
    return int(connection.execute(query).scalar_one())


def with_promotions(entries: Iterable[AuditEntry], history: History, subject: str) -> tuple[AuditEntry, ...]:
    """Return the entries and the changes of a pointer, such as the champion, as one audit, the oldest first."""
    promotions = (
        AuditEntry(
            id=None,
            at_us=_microseconds(promotion.at),
            actor=promotion.by,
            action=promotion.action.value,
            subject=subject,
            before=None if promotion.previous is None else {"version": promotion.previous},
            after={"version": promotion.version, "reason": promotion.reason},
        )
        for promotion in history.promotions
    )
    return tuple(sorted((*entries, *promotions), key=lambda entry: (entry.at_us, entry.id or 0)))


def visitor_subject(visitor_id: str) -> str:
    """Return how an audit names a visitor: ``visitor SALT:SHA-256``, with a salt of its own for each entry.

    The audit then holds no id, and equal visitors do not look equal; who has the id can still show that it was meant.
    """
    salt = secrets.token_hex(_SALT_BYTES)
    return f"{_VISITOR} {salt}:{_digest(salt, visitor_id)}"


def names_visitor(subject: str, visitor_id: str) -> bool:
    """Whether an audit's subject stands for this visitor."""
    kind, _, hashed = subject.partition(" ")
    salt, _, digest = hashed.partition(":")
    return kind == _VISITOR and hmac.compare_digest(digest.encode(), _digest(salt, visitor_id).encode())


def _digest(salt: str, visitor_id: str) -> str:
    return hashlib.sha256(f"{salt}:{visitor_id}".encode("utf-8", "surrogatepass")).hexdigest()


def _microseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * US_PER_SECOND)


def _text(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else msgspec.json.encode(value, order="sorted").decode()


def _object(text: str | None) -> Mapping[str, Any] | None:
    return None if text is None else msgspec.json.decode(text)
