"""Whom chance goes by: the id that holdout and experiments draw for a visitor, fixed when it is first needed."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, select

from storage.database import insert_if_absent, reading
from storage.identity_tables import assignments

_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Assignment:
    """A visitor's assignment id, and when it was first needed (microseconds)."""

    visitor_id: str
    assignment_id: str
    at_us: int


class AlreadyAssigned(Exception):
    """The visitor has an assignment that holds: ``standing``."""

    def __init__(self, standing: Assignment) -> None:
        super().__init__("the visitor has an assignment already")
        self.standing = standing


class Assignments:
    """The assignments of one journey, for any thread; of a visitor, the first that was kept stays.

    Writing methods take the writer's connection, reading ones open their own.
    """

    def __init__(self, engine: Engine, journey: str) -> None:
        self.journey = journey
        self._engine = engine
        self._insert = insert_if_absent(engine, assignments)
        self._guard = threading.Lock()
        self._kept: OrderedDict[str, Assignment] = OrderedDict()

    def find(self, visitor_ids: Iterable[str]) -> Mapping[str, Assignment]:
        """Return the assignments that are kept of these visitors."""
        wanted = set(visitor_ids)
        with self._guard:
            found = {visitor_id: self._kept[visitor_id] for visitor_id in wanted if visitor_id in self._kept}
        missing = sorted(wanted - found.keys())
        if missing:
            with reading(self._engine) as connection:
                read = {one.visitor_id: one for one in self._read(connection, missing)}
            for one in read.values():
                self.learn(one)
            found |= read
        return found

    def keep(self, connection: Connection, assignment: Assignment) -> None:
        """Insert an assignment; :meth:`learn` has to follow once it is committed.

        Raises :class:`AlreadyAssigned` where the visitor has another one.
        """
        connection.execute(
            self._insert,
            {
                "journey": self.journey,
                "visitor_id": assignment.visitor_id,
                "assignment_id": assignment.assignment_id,
                "at_us": assignment.at_us,
            },
        )
        [standing] = self._read(connection, [assignment.visitor_id])
        if standing.assignment_id != assignment.assignment_id:
            raise AlreadyAssigned(standing)

    def learn(self, assignment: Assignment) -> None:
        """Remember an assignment that has been committed."""
        with self._guard:
            self._kept[assignment.visitor_id] = assignment
            self._kept.move_to_end(assignment.visitor_id)
            if len(self._kept) > _REMEMBERED:
                self._kept.popitem(last=False)

    def forget(self, visitor_id: str) -> None:
        """Drop what is remembered of a visitor."""
        with self._guard:
            self._kept.pop(visitor_id, None)

    def erase_visitor(self, connection: Connection, visitor_id: str) -> dict[str, int]:
        """Delete a visitor's assignment; return how many rows that was."""
        self.forget(visitor_id)
        mine = (assignments.c.journey == self.journey, assignments.c.visitor_id == visitor_id)
        return {"assignments": connection.execute(delete(assignments).where(*mine)).rowcount}

    def _read(self, connection: Connection, visitor_ids: Iterable[str]) -> list[Assignment]:
        query = select(assignments.c.visitor_id, assignments.c.assignment_id, assignments.c.at_us).where(
            assignments.c.journey == self.journey, assignments.c.visitor_id.in_(list(visitor_ids))
        )
        return [Assignment(*row) for row in connection.execute(query)]
