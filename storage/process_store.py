"""Which model each process answers with, as it says itself every few seconds, by the database's clock."""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, insert, select, update

from features.events import US_PER_SECOND
from storage.leases import database_now_us
from storage.registry_tables import serving_processes

_MISSED = 3
"""A process that has not said anything for so many times as often as it should counts as gone."""
_FORGOTTEN_US = 3_600 * US_PER_SECOND


@dataclass(frozen=True, slots=True)
class ServingProcess:
    """One process that answers: with which version, since when, and why not with the champion (empty if it does)."""

    process: str
    version: str
    since_us: int
    seen_us: int
    every_seconds: float
    refused: str


class Processes:
    """The processes that serve one journey. Writing methods take the writer's connection."""

    def __init__(self, engine: Engine, journey: str) -> None:
        self.journey = journey
        self._engine = engine

    def say(self, connection: Connection, process: str, version: str, refused: str, every_seconds: float) -> None:
        """Keep that a process answers with a version at this moment, and will say so again every so many seconds."""
        now_us, mine = database_now_us(connection), serving_processes.c.process == process
        row = {"version": version, "refused": refused, "every_seconds": every_seconds, "seen_us": now_us}
        before = connection.execute(select(serving_processes.c.version).where(mine)).scalar()
        if before is None:
            first = row | {"process": process, "journey": self.journey, "since_us": now_us}
            connection.execute(insert(serving_processes), first)
            # Those that were killed said no farewell.
            old = serving_processes.c.seen_us < now_us - _FORGOTTEN_US
            connection.execute(delete(serving_processes).where(old))
            return
        since = {} if before == version else {"since_us": now_us}
        connection.execute(update(serving_processes).where(mine).values(**row, **since))

    def leave(self, connection: Connection, process: str) -> None:
        """Forget a process that ends."""
        connection.execute(delete(serving_processes).where(serving_processes.c.process == process))

    def answering(self) -> tuple[ServingProcess, ...]:
        """Return the processes that are there at this moment, those that have answered longest first."""
        table = serving_processes
        columns = [table.c[name] for name in ServingProcess.__slots__]
        query = select(*columns).where(table.c.journey == self.journey).order_by(table.c.since_us, table.c.process)
        with self._engine.connect() as connection:
            now_us = database_now_us(connection)
            found = [ServingProcess(*row) for row in connection.execute(query)]
        return tuple(one for one in found if now_us - one.seen_us <= _MISSED * one.every_seconds * US_PER_SECOND)
