"""Write the service's event log as a file that training reads."""

from pathlib import Path

from serving.configuration import Configuration
from storage.database import open_database
from storage.event_log import EventLog


def export_log(journey: str, path: str | Path) -> int:
    """Write a journey's events as canonical Parquet and return how many there are.

    ``journey`` is the journey's name. The database is the one that the environment configures.
    """
    configuration = Configuration.from_environment()
    engine = open_database(configuration.address, configuration.durability)
    try:
        return EventLog(engine, journey).export(Path(path))
    finally:
        engine.dispose()
