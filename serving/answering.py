"""Which model every running process answers with, and waiting until all answer with one; for commands."""

import time
from collections.abc import Callable, Sequence

from sqlalchemy import Engine

from journeys.tables import FittedTable
from serving.times import show_time
from storage.process_store import Processes, ServingProcess

SWITCH_SECONDS = 30.0
"""Within so long every process answers with a new champion."""
_LOOK_SECONDS = 0.5


class NotAnswering(RuntimeError):
    """Some process does not answer with the version that it should; the text says which one, and why."""


def wait_until_answering(
    engine: Engine,
    journey: str,
    version: str,
    seconds: float = SWITCH_SECONDS,
    told: Callable[[int, int], None] = lambda _switched, _all: None,
) -> int:
    """Return how many processes there are once all answer with a version; ``told`` how many of them already do.

    Raises :class:`NotAnswering` where one does not after so many seconds.
    """
    processes, until = Processes(engine, journey), time.monotonic() + seconds
    while True:
        found = processes.answering()
        late = [one for one in found if one.version != version]
        told(len(found) - len(late), len(found))
        if not late:
            return len(found)
        if time.monotonic() > until:
            said = "; ".join(f"{one.process} has version {one.version}{_why(one, seconds)}" for one in late)
            raise NotAnswering(
                f"{len(found) - len(late)} of {len(found)} processes answer with version {version} of {journey} after "
                f"{seconds:.0f} s: {said}"
            )
        time.sleep(_LOOK_SECONDS)


def process_table(journey: str, found: Sequence[ServingProcess]) -> FittedTable:
    """Return which process answers with which version, since when, and why not with the champion."""
    rows = [(one.process, one.version, show_time(one.since_us)[:19], one.refused) for one in found]
    return FittedTable(f"What answers for {journey}", ("Process", "Version", "Since", "Refused"), rows)


def _why(one: ServingProcess, seconds: float) -> str:
    if one.refused:
        return f" ({one.refused})"
    return f" (it looks every {one.every_seconds:.0f} s only)" if one.every_seconds > seconds else ""
