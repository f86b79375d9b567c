"""Where tactics are kept: every write adds its entry to the audit, in the same transaction."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Row, insert, select, update

from storage.audit import AuditEntry, write_audit
from storage.database import insert_if_absent
from storage.playbook import Draft, Tactic, TacticEvidence, TacticStatus
from storage.playbook_tables import evidence, tactics
from storage.records import RecordError, require_said

_KEY = ("blocker", "stage", "audience", "intervention")
_COLUMNS = tuple(column.name for column in fields(Tactic) if column.name not in ("id", "evidence"))
_REVISED = tuple(name for name in _COLUMNS if name not in (*_KEY, "created_us", "changed_us"))
_EVIDENCE = tuple(column.name for column in fields(TacticEvidence))


class PlaybookStore:
    """The tactics of one journey. Writing methods take the writer's connection, reading ones open their own.

    ``actor`` is the account that writes; moments are microseconds. Raises ``storage.records.RecordError`` for what is
    not there or says nothing.
    """

    def __init__(self, engine: Engine, journey: str) -> None:
        self.journey = journey
        self._engine = engine
        # Not every driver counts the rows of such an insert; what it returns tells.
        self._insert = insert_if_absent(engine, tactics).returning(tactics.c.id)

    def open_tactic(self, connection: Connection, tactic: Tactic, *, actor: str) -> Tactic | None:
        """Keep a new tactic, whose number and evidence do not count, and return it.

        None where one of its key is there, whatever became of it; that one stays as it is.
        """
        require_said(blocker=tactic.blocker, intervention=tactic.intervention, owner=tactic.owner, actor=actor)
        number = connection.execute(self._insert, _row(tactic) | {"journey": self.journey}).scalar()
        if number is None:
            return None
        self._audit(connection, tactic.created_us, actor, "open tactic", number, None, _shown(tactic, _COLUMNS))
        return self.tactic(connection, number)

    def revise_tactic(
        self, connection: Connection, tactic: Tactic, *, action: str, actor: str, now_us: int, reason: str = ""
    ) -> Tactic:
        """Give the tactic of this number the owner, status, learning, experiment and draft of ``tactic``.

        Returns it as it is kept then. Where nothing differs, nothing is written.
        """
        require_said(owner=tactic.owner, actor=actor)
        before = self.tactic(connection, tactic.id)
        changed = [name for name in _REVISED if getattr(before, name) != getattr(tactic, name)]
        if not changed:
            return before
        row = _row(tactic)
        values = {name: row[name] for name in changed} | {"changed_us": now_us}
        connection.execute(update(tactics).where(tactics.c.id == tactic.id).values(values))
        after = _shown(tactic, changed) | ({"reason": reason} if reason else {})
        self._audit(connection, now_us, actor, action, tactic.id, _shown(before, changed), after)
        return self.tactic(connection, tactic.id)

    def keep_evidence(
        self, connection: Connection, number: int, found: TacticEvidence, *, actor: str, now_us: int
    ) -> bool:
        """Keep what an experiment found about a tactic, in the place of what it was known to find before.

        Returns False, and writes nothing, where that is known already.
        """
        require_said(experiment=found.experiment, metric=found.metric)
        known = {one.experiment: one for one in self.tactic(connection, number).evidence}
        before = known.get(found.experiment)
        if before == found:
            return False
        row = asdict(found)
        if before is None:
            connection.execute(insert(evidence), row | {"tactic_id": number})
        else:
            mine = (evidence.c.tactic_id == number, evidence.c.experiment == found.experiment)
            connection.execute(update(evidence).where(*mine).values(row))
        self._audit(
            connection,
            now_us,
            actor,
            "keep evidence",
            number,
            None if before is None else asdict(before),
            asdict(found),
        )
        return True

    def tactic(self, connection: Connection, number: int) -> Tactic:
        """Return one tactic as the transaction of ``connection`` sees it."""
        found = self._read(connection, tactics.c.id == number)
        if not found:
            raise RecordError(f"{self.journey} has no tactic {number}")
        return found[0]

    def all_tactics(self, connection: Connection) -> tuple[Tactic, ...]:
        """Return the tactics as the transaction of ``connection`` sees them, the oldest first."""
        return self._read(connection)

    def tactics(self) -> tuple[Tactic, ...]:
        """Return the tactics, the oldest first."""
        with self._engine.connect() as connection:
            return self._read(connection)

    def _read(self, connection: Connection, *where: Any) -> tuple[Tactic, ...]:
        mine = (tactics.c.journey == self.journey, *where)
        known = defaultdict[int, list[TacticEvidence]](list)
        joined = select(evidence).join(tactics, evidence.c.tactic_id == tactics.c.id).where(*mine)
        for row in connection.execute(joined.order_by(evidence.c.to_us, evidence.c.id)):
            known[row.tactic_id].append(TacticEvidence(**{name: getattr(row, name) for name in _EVIDENCE}))
        rows = connection.execute(select(tactics).where(*mine).order_by(tactics.c.id))
        return tuple(_tactic(row, tuple(known[row.id])) for row in rows)

    def _audit(
        self,
        connection: Connection,
        at_us: int,
        actor: str,
        action: str,
        number: int,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
    ) -> None:
        entry = AuditEntry(None, at_us, actor, action, tactic_subject(number), before, after)
        write_audit(connection, self.journey, entry)


def tactic_subject(number: int) -> str:
    """Return how the audit names a tactic."""
    return f"tactic {number}"


def _row(tactic: Tactic) -> dict[str, Any]:
    row = {name: getattr(tactic, name) for name in _COLUMNS}
    draft = None if tactic.draft is None else msgspec.json.encode(tactic.draft, order="sorted").decode()
    return row | {"draft": draft}


def _tactic(row: Row[Any], found: tuple[TacticEvidence, ...]) -> Tactic:
    values = {name: value for name, value in row._mapping.items() if name != "journey"}
    draft = None if row.draft is None else msgspec.json.decode(row.draft, type=Draft)
    return Tactic(**values | {"status": TacticStatus(row.status), "draft": draft, "evidence": found})


def _shown(tactic: Tactic, names: Sequence[str]) -> dict[str, Any]:
    return {name: asdict(tactic.draft) if name == "draft" and tactic.draft else getattr(tactic, name) for name in names}
