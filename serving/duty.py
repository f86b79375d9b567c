"""Duties: what exactly one process does, of all workers and replicas that serve a journey on one database."""

import asyncio
import logging
import os
import socket
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from serving.runtime import Runtime
from storage.failures import explain
from storage.leases import LeaseLost, Leases
from storage.writer import WriterClosed

_LOG = logging.getLogger("dropoff.serving")
_RENEWALS = 3
"""A lease is renewed so many times before it would run out."""
_COMPANY = 3 * _RENEWALS
"""Whose duty is another's for so many looks is not alone: a lease that was left behind has run out by then."""


@dataclass(frozen=True)
class Duty:
    """One duty as one process sees it; ``holder`` is a name that no other process has."""

    runtime: Runtime
    name: str
    holder: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}")

    @property
    def leases(self) -> Leases:
        """The leases of the database."""
        return Leases(self.runtime.engine)

    def confirm(self, connection: Connection) -> int:
        """Return how far the work has come; raises LeaseLost where it is another's by now."""
        return self.leases.confirm(connection, self.name, self.holder)

    def advance(self, connection: Connection, progress: int) -> None:
        """Write down how far the work has come, in the transaction that has confirmed the duty."""
        self.leases.advance(connection, self.name, progress)

    async def is_held(self) -> bool:
        """Whether this process has the duty at this moment."""

        def look(connection: Connection) -> bool:
            try:
                self.confirm(connection)
            except LeaseLost:
                return False
            return True

        return await self.runtime.commit(look)

    async def take(self) -> bool:
        """Take or renew the duty for a while; False while another process has it."""
        seconds = self.runtime.configuration.lease_seconds
        if not await asyncio.to_thread(self._is_free, seconds):
            return False
        return await self.runtime.commit(
            lambda connection: self.leases.take(connection, self.name, self.holder, seconds)
        )

    async def release(self) -> None:
        """Let another process have the duty at once."""
        await self.runtime.commit(lambda connection: self.leases.release(connection, self.name, self.holder))

    def _is_free(self, seconds: float) -> bool:
        with self.runtime.engine.connect() as connection:
            return self.leases.is_free(connection, self.name, self.holder, seconds)


async def on_duty(runtime: Runtime, name: str, work: Callable[[Duty], Awaitable[None]]) -> None:
    """Run ``work`` whenever this process has the duty, until cancelled; ``work`` is cancelled when another takes it.

    A database that cannot be reached ends the work too: nobody could say any more whose it is.
    """
    duty = Duty(runtime, f"{name}:{runtime.journey.name}")
    working: asyncio.Task[None] | None = None
    away = False
    refused = 0
    shown = runtime.metrics.duties
    shown.expect(name)
    try:
        while True:
            try:
                held = await duty.take()
                away = False
            except (SQLAlchemyError, WriterClosed) as error:
                if not away:
                    _LOG.warning("Whose duty %s is cannot be said: %s", duty.name, explain(error))
                held, away = False, True
            refused = 0 if held or away else refused + 1
            if refused == _COMPANY and runtime.sessions.kind == "alone":
                _LOG.warning(
                    "Another process has the duty %s, so that it serves on this database too, and this one answers as "
                    "if it were alone: set DROPOFF_SHARED=1 for both.",
                    duty.name,
                )
            if held:
                shown.hold(name)
            elif working is not None:
                await _stop(working)
                shown.let_go(name)
                working = None
            if held and (working is None or working.done()):
                working = asyncio.create_task(_work(duty, work))
            await asyncio.sleep(runtime.configuration.lease_seconds / _RENEWALS)
    finally:
        await _stop(working)
        if working is not None:
            shown.let_go(name)
        try:
            await duty.release()
        except (SQLAlchemyError, WriterClosed) as error:
            _LOG.warning("The duty %s is left to run out: %s", duty.name, explain(error))


async def _work(duty: Duty, work: Callable[[Duty], Awaitable[None]]) -> None:
    try:
        await work(duty)
    except LeaseLost as error:
        _LOG.warning("This process was late: %s", error)
    except (SQLAlchemyError, WriterClosed) as error:
        duty.runtime.metrics.duties.fail(duty.name)
        _LOG.warning("The duty %s begins anew: %s", duty.name, explain(error))
    except Exception:  # noqa: BLE001 (whatever a turn runs into, the next one has to come)
        duty.runtime.metrics.duties.fail(duty.name)
        _LOG.exception("The duty %s begins anew", duty.name)


async def _stop(working: "asyncio.Task[None] | None") -> None:
    if working is not None:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
