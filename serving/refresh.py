"""Keep the figures of the pages fresh: when new events have come, make them anew, beside the service."""

import asyncio
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from insights.current import MAKING, current_building, current_facts, facts_home, publish_building
from insights.facts import Facts, FactsError
from serving.make_facts import FACTS
from serving.runtime import Runtime
from storage.audit import count_erasures

_LOG = logging.getLogger("dropoff.serving")
_ROOT = Path(__file__).parents[1]
_LOOK_SECONDS = 1.0
_PAUSE = 10.0
"""At least so many times as long as the last making took, nothing is made: at most a tenth of one core is used."""

AfterRefresh = Callable[[Runtime, Facts], None]
StillMine = Callable[[], Awaitable[bool]]
"""Whether it is still this process that makes the facts, and no other."""


class RefreshFailed(RuntimeError):
    """The figures could not be made; the text says why."""


async def always() -> bool:
    """Say that it is this process's turn, as where there is no other."""
    return True


async def keep_fresh(runtime: Runtime, then: AfterRefresh | None = None, is_mine: StillMine = always) -> None:
    """Make facts whenever they are due, until cancelled; ``then`` is called in a thread with those just made."""
    every = runtime.configuration.insights_refresh
    finished, took, refused = float("-inf"), 0.0, ""
    while True:
        waited = time.monotonic() - finished
        rested = waited >= max(every, _PAUSE * took)
        # An erasure leaves the pages without any figures: those are not left waiting for the sake of the load.
        if not rested and waited >= every and not refused:
            rested = await asyncio.to_thread(_is_bare, runtime)
        if rested and await asyncio.to_thread(is_due, runtime):
            began = time.monotonic()
            try:
                facts = await make_anew(runtime, is_mine)
                if facts is not None and then is not None:
                    await asyncio.to_thread(then, runtime, facts)
                refused = ""
            except (RefreshFailed, FactsError, OSError) as error:
                if str(error) != refused:
                    _LOG.warning("The pages' figures are not made anew: %s", error)
                refused = str(error)
            except Exception:  # noqa: BLE001 (whatever one making runs into, the next one has to come)
                _LOG.exception("The pages' figures are not made anew")
            finished, took = time.monotonic(), time.monotonic() - began
        await asyncio.sleep(min(_LOOK_SECONDS, every))


def is_due(runtime: Runtime) -> bool:
    """Return whether there are events, or a model, that the current facts do not know."""
    position = runtime.log.last_position()
    if position is None:
        return False
    home, journey = runtime.configuration.home, runtime.journey.name
    try:
        building = current_building(home, journey)
        readable = current_facts(home, journey) is not None
    except FactsError:
        return True
    known = (building.position, building.model_version) if building and readable else None
    return known != (position, runtime.model_version)


def _is_bare(runtime: Runtime) -> bool:
    return current_building(runtime.configuration.home, runtime.journey.name) is None


async def make_anew(runtime: Runtime, is_mine: StillMine = always) -> Facts | None:
    """Make facts in a process of its own and put them in place.

    None where somebody was erased meanwhile, by whichever process, or where it is another's turn by now.
    Raises :class:`RefreshFailed`.
    """
    home, journey = runtime.configuration.home, runtime.journey.name
    erasures = runtime.erasures, await asyncio.to_thread(_audited_erasures, runtime)

    async def is_unusable() -> bool:
        # What another process has erased stands in the audit before this one hears of it.
        now = runtime.erasures, await asyncio.to_thread(_audited_erasures, runtime)
        return now != erasures or not await is_mine()

    folder = await asyncio.to_thread(_make_room, facts_home(home, journey))
    began = time.monotonic()
    try:
        position = await _run(folder)
        if await is_unusable():
            return None
        seconds = time.monotonic() - began
        return await asyncio.to_thread(publish_building, home, journey, folder / FACTS, position, seconds)
    except RefreshFailed:
        # An erasure takes the files of a making away too.
        if await is_unusable():
            return None
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _audited_erasures(runtime: Runtime) -> int:
    with runtime.engine.connect() as connection:
        return count_erasures(connection, runtime.journey.name)


def _make_room(home: Path) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=MAKING, dir=home))


async def _run(folder: Path) -> int:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "OMP_NUM_THREADS": "1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "serving.make_facts",
        str(folder.resolve()),
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, mistakes = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        last = mistakes.decode(errors="replace").strip().splitlines()[-1:] or [f"exit status {process.returncode}"]
        raise RefreshFailed(last[0])
    position: int = json.loads(said.decode().strip().splitlines()[-1])["position"]
    return position
