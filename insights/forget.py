"""Forget people: in the log, the ledger and everything beside them, with a receipt."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from features.identity import Known
from insights.current import forget_facts
from storage.database import DatabaseError, forget_erased
from storage.erasure import Erasure, journeys_kept
from storage.fill_links import fill_links
from storage.identity_store import IdentityStore
from storage.models import trained_on
from storage.record_store import RecordStore

_KINDS = {
    "visitors": "visitor",
    "events": "event",
    "sessions": "session",
    "decisions": "decision",
    "outcomes": "outcome",
    "quarantined": "refused event",
}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was erased in one journey: rows of each kind, and the model versions that may have learnt from them.

    Models hold sums over many people and no rows; which of them to train anew is for people to decide.
    """

    journey: str
    erased: dict[str, int]
    models: tuple[str, ...]

    def describe(self, *, dry_run: bool = False) -> list[str]:
        """Return the receipt as lines to read."""
        order = sorted(self.erased, key=lambda name: (name != "visitors", name != "sessions"))
        rows = {name: self.erased[name] for name in order if self.erased[name]}
        if not rows:
            return [f"{self.journey}: nothing is kept about this id."]
        told = ", ".join(_counted(_KINDS.get(name, name.replace("_", " ")), count) for name, count in rows.items())
        verb = "Would erase" if dry_run else "Erased"
        lines = [f"{self.journey}: {verb} {told}."]
        if self.models:
            named = ", ".join(self.models)
            lines.append(f"{self.journey}: model {named} may have learnt from that; `dropoff train` makes another.")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return the receipt for a file."""
        return {"journey": self.journey, **self.erased, "models": list(self.models)}


def forget_person(
    engine: Engine,
    home: Path,
    *,
    ids: Sequence[str],
    journey: str = "",
    whole_person: bool = True,
    keep: bool = False,
    actor: str,
    now_us: int,
) -> list[Receipt]:
    """Erase a visitor, or all visitors of a person, in one journey or in all; ``keep`` only counts.

    ``ids`` are all under which the visitor or the user may be kept. Raises ``storage.database.DatabaseError`` for a
    journey of which nothing is kept.
    """
    receipts = []
    known = journeys_kept(engine)
    if journey and journey not in known:
        # A misspelt name must not look like somebody of whom nothing is kept.
        raise DatabaseError(f"the database holds no journey {journey!r}, but: {', '.join(known) or 'none'}")
    for name in (journey,) if journey else known:
        erasure = Erasure(engine, name)
        identity = IdentityStore(engine, name)
        fill_links(engine, identity)
        meant = find_person(identity, ids) if whole_person else list(ids)
        models = models_of(erasure, home, meant)
        with engine.connect() as connection:
            transaction = connection.execution_options(immediate=True).begin()
            erased = erase_people(connection, erasure, RecordStore(engine, name), meant, actor, now_us)
            transaction.rollback() if keep else transaction.commit()
        if not keep:
            tidy_up(engine, home, name)
        receipts.append(Receipt(name, erased, models))
    return receipts


def _counted(noun: str, count: int) -> str:
    return f"{count:,} {noun}" + "s" * (count != 1 and not noun.endswith("s"))


def find_person(identity: IdentityStore, ids: Sequence[str]) -> list[str]:
    """Return the ids of whom an id, kept as ``ids``, speaks, be it a visitor's or a user's: who is that person now.

    The users' own are among them: what came from elsewhere is kept under these. Others who only shared a device with
    the person, or were named by the same placeholder, are not.
    """
    identity.catch_up()
    known = Known(identity)
    return sorted(frozenset[str]().union(*(known.kin(one, one) for one in ids)))


def models_of(erasure: Erasure, home: Path, visitor_ids: Sequence[str]) -> tuple[str, ...]:
    """Return the versions whose training data spans a time at which one of these visitors was there."""
    window = erasure.window(visitor_ids)
    return () if window is None else trained_on(home, erasure.journey, *window)


def erase_people(
    connection: Connection, erasure: Erasure, records: RecordStore, visitor_ids: Sequence[str], actor: str, now_us: int
) -> dict[str, int]:
    """Delete all rows about some visitors and audit it, in one transaction; returns how many of each kind.

    ``visitors`` counts those of whom something was kept; the others are not audited.
    """
    total = Counter(visitors=0)
    for visitor_id in visitor_ids:
        counts = erasure.erase(connection, [visitor_id], now_us)
        if any(counts.values()):
            records.audit_erasure(connection, visitor_id, counts, actor=actor, now_us=now_us)
        counts["visitors"] = int(any(counts.values()))
        total.update(counts)
    return total


def tidy_up(engine: Engine, home: Path, journey: str) -> None:
    """Take away what was made of erased rows: the figures of the pages, and copies in the database's own log."""
    forget_facts(home, journey)
    forget_erased(engine)
