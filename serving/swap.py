"""From one champion to the next while requests go on: noticed, loaded, rehearsed, switched to.

Every process looks by itself. What takes long is done in a thread; the switch is one assignment on the loop, where each
answer takes its scorer, and with it its model, once. So no answer waits for a model, and none is made of two.
"""

import asyncio
import logging
import os
import socket
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, perf_counter

from sqlalchemy.exc import SQLAlchemyError

from decisions.risk import RiskModel
from journeys.journey import Journey
from serving.configuration import PACKAGED_FOLDER, Configuration
from serving.errors import StartError
from serving.runtime import Runtime
from serving.start import champion_of, load_version, rehearse
from storage.digest import digest_of
from storage.failures import explain
from storage.models import champion_version, model_folder
from storage.process_store import Processes
from storage.shared_registry import SharedRegistry, Standing
from storage.writer import WriterClosed

_LOG = logging.getLogger("dropoff.serving")


def may_swap(configuration: Configuration) -> bool:
    """Whether another champion can come: a Bento on its own keeps the model that it was built with."""
    return bool(configuration.model_watch_seconds) and bool(configuration.database_url or not PACKAGED_FOLDER.is_dir())


async def watch_champion(runtime: Runtime) -> None:
    """Answer with the champion within seconds of its becoming one, and say so, until cancelled."""
    swap, processes = Swap(runtime), Processes(runtime.engine, runtime.journey.name)
    every_seconds, unsaid = runtime.configuration.model_watch_seconds, False
    try:
        while True:
            await swap.look()
            try:
                await runtime.commit(
                    lambda connection: processes.say(
                        connection, swap.process, runtime.model_version, swap.refused, every_seconds
                    )
                )
                unsaid = False
            except (SQLAlchemyError, WriterClosed) as error:
                if not unsaid:
                    _LOG.warning("Which model answers cannot be said: %s", explain(error))
                unsaid = True
            await asyncio.sleep(every_seconds)
    finally:
        try:
            await runtime.commit(lambda connection: processes.leave(connection, swap.process))
        except (SQLAlchemyError, WriterClosed) as error:
            _LOG.warning("That this process ends is left to be noticed: %s", explain(error))


@dataclass
class Swap:
    """What one process knows of champions; ``refused`` says why it does not answer with the newest, empty if it does.

    ``process`` is a name that no other process has.
    """

    runtime: Runtime
    refused: str = ""
    process: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}")
    _standing: Standing | None = None
    _unread: bool = False
    _behind_since: float | None = None
    _told: str = ""
    _digest: str = ""

    async def look(self) -> None:
        """Switch to the champion where it is another than the one that answers."""
        runtime = self.runtime
        self.refused = ""
        try:
            await asyncio.to_thread(self._draw)
            self._unread = False
        except Exception as error:  # noqa: BLE001 (whatever is found there, the next look has to come)
            # What is known goes on; a database that cannot be reached is also told where it is needed.
            said = explain(error) if isinstance(error, SQLAlchemyError) else str(error)
            if not self._unread:
                _LOG.warning("The registry that replicas share cannot be read: %s", said)
            self._unread = True
            if not isinstance(error, SQLAlchemyError):
                self.refused = said
        started = perf_counter()
        try:
            model = await asyncio.to_thread(self._prepare)
        except StartError as error:
            self._refuse(str(error))
        except Exception as error:  # noqa: BLE001 (whatever one champion is like, the next one has to be noticed)
            self._refuse(f"{type(error).__name__}: {error}")
        else:
            if model is not None:
                runtime.replace_model(model)
                runtime.metrics.models.swaps.labels("switched").inc()
                runtime.metrics.models.swap_seconds.set(perf_counter() - started)
                _LOG.warning("Version %s answers from now on.", model.version)
            self._told = ""
        await asyncio.to_thread(self._measure)

    def _draw(self) -> None:
        """Let the home agree with the registry that replicas share; costs three small queries where it does."""
        configuration, name = self.runtime.configuration, self.runtime.journey.name
        if not configuration.database_url:
            return
        sharing = SharedRegistry(self.runtime.engine)
        standing = sharing.standing(name)
        if standing == self._standing and sharing.agrees(configuration.home, name):
            return
        sharing.draw(configuration.home, name)
        self._standing = standing

    def _prepare(self) -> RiskModel | None:
        runtime = self.runtime
        model = newer_model(runtime.configuration, runtime.journey, runtime.model_version, self._digest)
        if model is not None:
            rehearse(runtime, runtime.scorer_with(model))
            self._digest = digest_of(model_folder(runtime.configuration.home, runtime.journey.name, model.version))
        return model

    def _refuse(self, reason: str) -> None:
        self.refused = reason
        if reason != self._told:
            _LOG.warning("The new champion is not used: %s", reason)
            self.runtime.metrics.models.swaps.labels("refused").inc()
        self._told = reason

    def _measure(self) -> None:
        runtime = self.runtime
        try:
            named = champion_version(runtime.configuration.home, runtime.journey.name)
        except OSError:
            # Who it is cannot be read, which has been told; it counts on for whom it did.
            named = None if self._behind_since is None else ""
        if named is None or named == runtime.model_version:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = monotonic()
        behind = 0.0 if self._behind_since is None else monotonic() - self._behind_since
        runtime.metrics.models.behind_seconds.set(behind)


def newer_model(
    configuration: Configuration, journey: Journey, version: str, digest: str = "", packaged: Path = PACKAGED_FOLDER
) -> RiskModel | None:
    """Return the champion if it is another model than the one that answers; raises :class:`StartError`.

    ``journey`` is the one that is being served: its file may have changed since, but the sessions in memory have not.
    ``digest`` is that of the version that was switched to, empty before: what a Bento was built with may have the
    number of quite another model.
    """
    if packaged.is_dir() and champion_version(configuration.home, journey.name) is None:
        return None
    folder = champion_of(configuration, journey.name)
    is_same = not packaged.is_dir() or digest_of(folder) == (digest or digest_of(packaged / "model"))
    return None if folder.name == version and is_same else load_version(journey, folder)
