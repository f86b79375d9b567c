"""Whether the registry that replicas share is well, and whether every process answers with its champion."""

from collections.abc import Iterator

from sqlalchemy import Engine

from serving.configuration import Configuration
from serving.findings import Finding, State
from storage.models import CHAMPION, MODELS, champion_version
from storage.process_store import Processes
from storage.registry_rows import kept_of, pointers_of, versions_of
from storage.shared_registry import SharedRegistry

_MB = 1e6


def shared_champion(engine: Engine, journey: str) -> str | None:
    """Return which version is champion for all who share a database; None where none is."""
    with engine.connect() as connection:
        return pointers_of(connection, journey).get(CHAMPION) or None


def look_at_registry(configuration: Configuration, engine: Engine, journey: str) -> Iterator[Finding]:
    """Yield what the registry in the database is like, where the configuration says that replicas share one."""
    if not configuration.database_url:
        return
    champion = shared_champion(engine, journey)
    with engine.connect() as connection:
        models = versions_of(connection, MODELS, journey)
        versions, size_bytes = kept_of(connection, journey)
    if champion is None:
        advice = (
            f"dropoff models {journey} in the home that has one brings it in"
            if champion_version(configuration.home, journey) is not None
            else f"dropoff train {journey} --log PATH"
        )
        yield Finding("registry", State.TODO, f"replicas share no champion of {journey} yet", advice)
    elif champion not in models:
        advice = f"dropoff promote {journey} VERSION, one that `dropoff models {journey}` lists"
        found = f"the files of version {champion}, the champion of {journey}, are not in the database"
        yield Finding("registry", State.BROKEN, found, advice)
    else:
        agrees = SharedRegistry(engine).agrees(configuration.home, journey)
        copy = "this home agrees with them" if agrees else "this home is behind, and follows with the next command"
        found = f"models and policies of {journey} in the database: {versions:,}, {size_bytes / _MB:,.1f} MB; {copy}"
        yield Finding("registry", State.WELL, found)


def look_at_processes(engine: Engine, journey: str) -> Iterator[Finding]:
    """Yield which version the processes answer with that are running, and who does not answer with the champion."""
    found = Processes(engine, journey).answering()
    refusing = [one for one in found if one.refused]
    for one in refusing:
        told = f"{one.process} answers with version {one.version}, not with the champion: {one.refused}"
        yield Finding("answers", State.BROKEN, told, f"dropoff rollback {journey} --wait, until that is mended")
    if found and not refusing:
        versions = ", ".join(sorted({one.version for one in found}))
        yield Finding("answers", State.WELL, f"{len(found):,} running processes answer with version {versions}")
