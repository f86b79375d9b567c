"""What was taken back between a backup and its restoration: people who were erased, and keys and logins that ended."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, inspect, select, union

from storage.access_tables import ended_logins, keys
from storage.audit import ERASURE, names_visitor
from storage.database import insert_if_absent
from storage.erasure import Erasure
from storage.record_store import RecordStore
from storage.tables import audit, decisions, events, quarantine
from storage.touchpoint_tables import touchpoints

_CLOCKS_APART_US = 60_000_000
"""Machines' clocks may differ; whoever is erased twice loses nothing but what came within this time after the first."""
_KEYED = (events, decisions, quarantine, touchpoints)
"""Where visitors may stand who stand nowhere else."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """Read of a database that is about to be replaced: what its audit says of erasures, and rows of keys and logins."""

    erasure_rows: list[dict[str, Any]]
    key_rows: list[dict[str, Any]]
    login_rows: list[dict[str, Any]]
    erased: int = 0
    keys: int = 0

    def revoke_again(self, engine: Engine, connection: Connection, actor: str, now_us: int) -> "Revoked":
        """Erase those visitors once more and let keys be as they were, in the transaction that restores.

        The audit keeps what it had said of them: an older backup, restored after this one, may hold them too.
        """
        erased = 0
        self._keep_audit(connection)
        subjects_of = defaultdict[str, list[str]](list)
        for row in self.erasure_rows:
            subjects_of[row["journey"]].append(row["subject"])
        for journey, subjects in subjects_of.items():
            erasure, records = Erasure(engine, journey), RecordStore(engine, journey)
            for visitor_id in _named(connection, journey, subjects):
                counts = erasure.erase(connection, [visitor_id], now_us)
                records.audit_erasure(connection, visitor_id, counts, actor=actor, now_us=now_us)
                erased += 1
        if self.key_rows:
            connection.execute(delete(keys).where(keys.c.key_id.in_([row["key_id"] for row in self.key_rows])))
            connection.execute(insert(keys), self.key_rows)
        if self.login_rows:
            connection.execute(insert_if_absent(engine, ended_logins), self.login_rows)
        return replace(self, erased=erased, keys=len(self.key_rows))

    def _keep_audit(self, connection: Connection) -> None:
        # Each has a salt of its own, so that no two are the same.
        known = set(connection.execute(select(audit.c.subject).where(audit.c.action == ERASURE)).scalars())
        rows = [row for row in self.erasure_rows if row["subject"] not in known]
        if rows:
            connection.execute(insert(audit), rows)


def read_revoked(connection: Connection, since_us: int) -> Revoked:
    """Return what the database says about the time since a moment: it is more recent than any backup."""
    there = set(inspect(connection).get_table_names())
    erased = (audit.c.action == ERASURE, audit.c.at_us >= since_us - _CLOCKS_APART_US)
    # Its number is given anew: others may have that of the row by now.
    told = select(*(column for column in audit.columns if column is not audit.c.id)).where(*erased).order_by(audit.c.id)
    return Revoked(
        [dict(row._mapping) for row in connection.execute(told)] if audit.name in there else [],
        [dict(row._mapping) for row in connection.execute(select(keys))] if keys.name in there else [],
        [dict(row._mapping) for row in connection.execute(select(ended_logins))] if ended_logins.name in there else [],
    )


def _named(connection: Connection, journey: str, subjects: Iterable[str]) -> list[str]:
    """Return the visitors of a journey whom one of the subjects stands for: each has a salt of its own."""
    queries = (select(table.c.visitor_id).where(table.c.journey == journey) for table in _KEYED)
    visitors = [one for one in connection.execute(union(*queries)).scalars() if one is not None]
    return [one for one in visitors if any(names_visitor(subject, one) for subject in subjects)]
