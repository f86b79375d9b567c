"""Make facts of the service's own log, in a process of its own that yields to everybody else's work.

``python -m serving.make_facts FOLDER`` writes ``FOLDER/facts`` and, as JSON on its last line, up to which event of the
database they go. Journey, home and database are those of the environment, as for the service that starts it.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from features.log_files import EVENTS_FOLDER, TOUCHPOINTS_FOLDER
from insights.build_facts import build_facts
from insights.effects.kept import keep_effects
from insights.experiments.live import renew_results
from insights.find_alarms import find_alarms
from journeys.decided import decided_in
from serving.configuration import Configuration
from serving.runtime import now_us
from serving.start import find_source, load_model
from storage.database import open_database
from storage.event_log import EventLog
from storage.touchpoint_store import TouchpointStore

_NICENESS = 10
_LOG = "log"
FACTS = "facts"
"""The folder that is made, within the one that is given."""


def make(folder: Path, configuration: Configuration, progress: Callable[[str, float], None]) -> int:
    """Write the facts of all events so far into ``folder/facts`` and return the place of the latest event.

    Raises ``StartError``, ``DatabaseError`` or ``LogError`` with one sentence.
    """
    source = find_source(configuration)
    model = load_model(source)
    engine = open_database(configuration.address, configuration.durability)
    try:
        log = EventLog(engine, source.journey.name)
        position = log.last_position() or 0
        exported = folder / _LOG
        try:
            log.export(exported / EVENTS_FOLDER / "log.parquet")
            TouchpointStore(engine, source.journey.name).export(exported / TOUCHPOINTS_FOLDER / "log.parquet")
            facts = build_facts(source.journey, exported, folder / FACTS, model, progress=progress)
            # Kept beside the facts, so that the service itself need not work it out.
            find_alarms(facts, source.journey)
            keep_effects(facts.folder, source.journey, decided_in(engine, source.journey))
            renew_results(engine, source.journey, now_us())
        finally:
            shutil.rmtree(exported, ignore_errors=True)
    finally:
        engine.dispose()
    return position


def main() -> None:
    """Make the facts; stops when the service that wants them has gone."""
    os.nice(_NICENESS)
    service = os.getppid()

    def watch(_phase: str, _fraction: float) -> None:
        if os.getppid() != service:
            sys.exit("the service has gone")

    position = make(Path(sys.argv[1]), Configuration.from_environment(), watch)
    print(json.dumps({"position": position}))  # noqa: T201 (what the service reads)


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        # One sentence: what is wrong with the model, the database or the log.
        sys.exit(str(error))
