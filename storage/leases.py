"""Leases: what only one process of all workers and replicas does at a time."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import BigInteger, Connection, Engine, cast, func, or_, select, text, update

from features.events import US_PER_SECOND
from storage.database import insert_if_absent
from storage.running_tables import leases

Clock = Callable[[Connection], int]
"""The time in microseconds, one for all that share the database."""

_POSTGRESQL = "postgresql"
_DAYS_TO_1970 = 2_440_587.5
_US_PER_DAY = 86_400 * US_PER_SECOND


class LeaseLost(RuntimeError):
    """Another process may hold the lease by now: what was going to be written must not be."""


def database_now_us(connection: Connection) -> int:
    """Return the database's time: processes on several machines have one clock by it, whatever their own say."""
    if connection.dialect.name == _POSTGRESQL:
        now: Any = func.extract("epoch", func.clock_timestamp()) * US_PER_SECOND
    else:
        now = (func.julianday("now") - _DAYS_TO_1970) * _US_PER_DAY
    return int(connection.execute(select(cast(now, BigInteger))).scalar_one())


class Leases:
    """The leases of all journeys. All methods take a connection, those that write one whose transaction may.

    A lease counts by the database's clock. Whoever writes as its holder calls :meth:`confirm` in the same transaction:
    a holder that was stopped, and wakes when another has taken over, then writes nothing any more.
    """

    def __init__(self, engine: Engine, now_us: Clock = database_now_us) -> None:
        # Not every driver counts the rows of such an insert; what it returns tells.
        self._insert = insert_if_absent(engine, leases).returning(leases.c.name)
        self._now_us = now_us
        self._locks_rows = engine.dialect.name == _POSTGRESQL

    def is_free(self, connection: Connection, name: str, holder: str, seconds: float) -> bool:
        """Whether :meth:`take` would succeed; only reads, for those who wait."""
        row = connection.execute(select(leases.c.holder, leases.c.until_us).where(leases.c.name == name)).first()
        if row is None or row.holder == holder:
            return True
        now_us = self._now_us(connection)
        # Nobody holds it for longer than it is given for: an end beyond that was written before the clock went back.
        return not now_us < row.until_us <= now_us + _us(seconds)

    def take(self, connection: Connection, name: str, holder: str, seconds: float) -> bool:
        """Take or renew the lease for so many seconds from now on and return True; False while another holds it."""
        now_us = self._now_us(connection)
        free = {"name": name, "holder": holder, "until_us": now_us + _us(seconds), "progress": 0}
        if connection.execute(self._insert, free).first() is not None:
            return True
        if self._locks_rows:
            # Whoever is writing as the holder has locked the row: that is an answer too, not a reason to wait.
            query = select(leases.c.name).where(leases.c.name == name).with_for_update(skip_locked=True)
            if connection.execute(query).first() is None:
                return False
        mine_or_over = or_(
            leases.c.holder == holder,
            leases.c.until_us <= now_us,
            leases.c.until_us > now_us + _us(seconds),
        )
        taken = update(leases).where(leases.c.name == name, mine_or_over)
        return connection.execute(taken.values(holder=holder, until_us=now_us + _us(seconds))).rowcount == 1

    def confirm(self, connection: Connection, name: str, holder: str) -> int:
        """Return the progress if ``holder`` still has the lease, and keep it so until the transaction ends.

        Raises :class:`LeaseLost`. On PostgreSQL the row is locked; a process that is stopped in the midst of its
        transaction loses its connection after a while, and with it the lock.
        """
        if self._locks_rows:
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '10s'"))
        query = select(leases.c.holder, leases.c.until_us, leases.c.progress).where(leases.c.name == name)
        row = connection.execute(query.with_for_update()).first()
        if row is None or row.holder != holder or row.until_us <= self._now_us(connection):
            raise LeaseLost(f"{name} is another's by now")
        return int(row.progress)

    def advance(self, connection: Connection, name: str, progress: int) -> None:
        """Write down how far the work has come, after :meth:`confirm` in the same transaction."""
        connection.execute(update(leases).where(leases.c.name == name).values(progress=progress))

    def progress(self, connection: Connection, name: str) -> int:
        """Return how far the work has come; 0 before anybody began."""
        return int(connection.execute(select(leases.c.progress).where(leases.c.name == name)).scalar() or 0)

    def claim(self, connection: Connection, name: str, holder: str) -> str:
        """Return who has a name for good: ``holder``, where nobody had it."""
        connection.execute(self._insert, {"name": name, "holder": holder, "until_us": 0, "progress": 0})
        return str(connection.execute(select(leases.c.holder).where(leases.c.name == name)).scalar_one())

    def release(self, connection: Connection, name: str, holder: str) -> None:
        """Let another take the lease at once; does nothing where another has it already."""
        mine = (leases.c.name == name, leases.c.holder == holder)
        connection.execute(update(leases).where(*mine).values(until_us=0))


def _us(seconds: float) -> int:
    return round(seconds * US_PER_SECOND)
