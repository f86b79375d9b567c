"""The ledger: every decision with its propensity, and what came of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Row, and_, bindparam, delete, insert, select

from storage.database import insert_if_absent, reading
from storage.running_tables import follow_ups
from storage.tables import decisions, outcomes

_ROWS_AT_ONCE = 5_000
_JSON_COLUMNS = ("blockers", "confidence", "eligible", "excluded", "propensities", "withheld")


class Outcome(StrEnum):
    """What may become of a decision."""

    SHOWN = "shown"
    CLICKED = "clicked"
    DISMISSED = "dismissed"
    CONVERTED = "converted"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One decision as it is kept; ``propensities`` names every option, so that it can be weighed later.

    ``variant`` is that of the ``experiment`` which decided. ``confidence`` maps frictions by name to the probability
    that a visitor who leaves now leaves for them; None in what was kept before it was kept too. ``withheld`` are the
    propensities that somebody in the holdout would have had; None for everybody else.
    """

    decision_id: str
    session_id: str
    visitor_id: str
    at_us: int
    decided_at_us: int
    stage: str | None
    events_seen: int
    risk: float
    blockers: Sequence[Mapping[str, Any]]
    narrative: str
    eligible: Sequence[str]
    excluded: Mapping[str, str]
    propensities: Mapping[str, float]
    chosen: str | None
    propensity: float
    expected_uplift: float | None
    reason: str
    holdout: bool
    experiment: str | None
    drawn: float | None
    policy_version: str
    model_version: str
    variant: str | None = None
    confidence: Mapping[str, float] | None = None
    withheld: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class RecordedOutcome:
    """What became of a decision, when, and what it was worth."""

    decision_id: str
    outcome: Outcome
    at_us: int
    value: float | None


_ENTRY_COLUMNS = tuple(column.name for column in fields(LedgerEntry))


class Ledger:
    """The decisions of one journey. Writing methods take the writer's connection, reading ones open their own."""

    def __init__(self, engine: Engine, journey: str) -> None:
        self.journey = journey
        self._engine = engine
        sent = and_(
            follow_ups.c.journey == decisions.c.journey,
            follow_ups.c.visitor_id == decisions.c.visitor_id,
            follow_ups.c.decision_id == decisions.c.decision_id,
        )
        # Made once: putting it together takes longer than running it.
        self._recommended = (
            select(
                decisions.c.session_id,
                decisions.c.at_us,
                decisions.c.chosen,
                follow_ups.c.id,
                follow_ups.c.delivered_us,
                follow_ups.c.given_up_us,
            )
            .select_from(decisions.outerjoin(follow_ups, sent))
            .where(
                decisions.c.journey == journey,
                decisions.c.visitor_id.in_(bindparam("visitor_ids", expanding=True)),
                decisions.c.chosen.is_not(None),
            )
            .order_by(decisions.c.at_us, decisions.c.decided_at_us)
        )
        # An outcome that is reported again changes nothing.
        self._insert_outcome = insert_if_absent(engine, outcomes)

    def append(self, connection: Connection, entry: LedgerEntry, due_us: int | None = None) -> None:
        """Insert one decision; from ``due_us`` on it is looked for what came of it, never where None."""
        row = {column: getattr(entry, column) for column in _ENTRY_COLUMNS}
        row |= {"journey": self.journey, "due_us": due_us}
        for name in _JSON_COLUMNS:
            row[name] = msgspec.json.encode(row[name]).decode()
        connection.execute(insert(decisions), row)

    def holds(self, connection: Connection, decision_id: str) -> bool:
        """Whether there is such a decision, as the transaction of ``connection`` sees it."""
        known = select(decisions.c.decision_id).where(
            decisions.c.journey == self.journey, decisions.c.decision_id == decision_id
        )
        return connection.execute(known).first() is not None

    def find(self, connection: Connection, decision_id: str) -> LedgerEntry | None:
        """Return a decision as the transaction of ``connection`` sees it; None where there is none of that id."""
        mine = (decisions.c.journey == self.journey, decisions.c.decision_id == decision_id)
        row = connection.execute(select(decisions).where(*mine)).first()
        return None if row is None else _entry(row)

    def record_outcome(self, connection: Connection, outcome: RecordedOutcome) -> bool:
        """Insert what became of a decision and return True, or False if there is no such decision."""
        if not self.holds(connection, outcome.decision_id):
            return False
        connection.execute(self._insert_outcome, asdict(outcome))
        return True

    def record_conversion(self, connection: Connection, session_id: str, at_us: int, value: float | None) -> int:
        """Mark the decisions that a session got up to its goal as converted; return how many there were."""
        query = select(decisions.c.decision_id).where(
            decisions.c.journey == self.journey, decisions.c.session_id == session_id, decisions.c.at_us <= at_us
        )
        rows = [
            asdict(RecordedOutcome(decision_id, Outcome.CONVERTED, at_us, value))
            for decision_id in connection.execute(query).scalars()
        ]
        if rows:
            connection.execute(self._insert_outcome, rows)
        return len(rows)

    def erase_visitor(self, connection: Connection, visitor_id: str) -> dict[str, int]:
        """Delete a visitor's decisions and their outcomes; return how many of each."""
        mine = (decisions.c.journey == self.journey, decisions.c.visitor_id == visitor_id)
        ids = select(decisions.c.decision_id).where(*mine)
        return {
            "outcomes": connection.execute(delete(outcomes).where(outcomes.c.decision_id.in_(ids))).rowcount,
            "decisions": connection.execute(delete(decisions).where(*mine)).rowcount,
        }

    def visitor_decisions(self, visitor_id: str) -> list[LedgerEntry]:
        """Return all decisions about a visitor, the oldest first."""
        return self._entries(decisions.c.visitor_id == visitor_id)

    def recommendations(
        self, visitor_ids: Sequence[str], connection: Connection | None = None
    ) -> list[tuple[str, int, str, bool, int | None]]:
        """Return session, moment and name of every intervention that visitors were recommended, the oldest first.

        With each comes whether it is a message that may still arrive, and when a message was delivered. With a
        connection, all that its transaction knows.
        """
        with nullcontext(connection) if connection is not None else reading(self._engine) as found:
            rows = found.execute(self._recommended, {"visitor_ids": list(visitor_ids)})
            return [
                (row[0], row[1], row[2], row[3] is not None and row[4] is None and row[5] is None, row[4])
                for row in rows
            ]

    def session_decisions(self, session_id: str) -> list[LedgerEntry]:
        """Return all decisions about a session, the oldest first."""
        return self._entries(decisions.c.session_id == session_id)

    def session_outcomes(self, session_id: str) -> list[RecordedOutcome]:
        """Return what became of a session's decisions, the oldest first."""
        return self._outcomes(decisions.c.session_id == session_id)

    def visitor_outcomes(self, visitor_id: str) -> list[RecordedOutcome]:
        """Return what became of the decisions about a visitor, the oldest first."""
        return self._outcomes(decisions.c.visitor_id == visitor_id)

    def all_decisions(self) -> Iterator[LedgerEntry]:
        """Stream every decision, in no order; the whole ledger may not fit into memory."""
        with self._engine.connect() as connection:
            found = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(
                select(decisions).where(decisions.c.journey == self.journey)
            )
            for row in found:
                yield _entry(row)

    def _entries(self, condition: Any) -> list[LedgerEntry]:
        query = select(decisions).where(decisions.c.journey == self.journey, condition)
        with self._engine.connect() as connection:
            found = connection.execute(query.order_by(decisions.c.at_us, decisions.c.decided_at_us)).all()
        return [_entry(row) for row in found]

    def _outcomes(self, condition: Any) -> list[RecordedOutcome]:
        query = select(outcomes).join(decisions).where(decisions.c.journey == self.journey, condition)
        with self._engine.connect() as connection:
            found = connection.execute(query.order_by(outcomes.c.at_us, outcomes.c.outcome)).all()
        return [RecordedOutcome(row.decision_id, Outcome(row.outcome), row.at_us, row.value) for row in found]


def _entry(row: Row[Any]) -> LedgerEntry:
    values = dict(row._mapping)
    del values["journey"], values["due_us"]
    for name in _JSON_COLUMNS:
        values[name] = None if values[name] is None else msgspec.json.decode(values[name])
    return LedgerEntry(**values)
