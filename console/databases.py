"""The service's database, its home and what lies in them, opened for as long as a command works on them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from console.terminal import say

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from decisions.logged import LoggedDecisions
    from insights.rollouts.ground import Ground
    from journeys.journey import Journey
    from storage.records import Records


@contextmanager
def registry_home(journey: str, *, adding: bool = False) -> "Iterator[Path]":
    """Yield the home folder, joined to the registry that replicas share where a database is configured for them.

    It then has every version, and what is published or promoted in the block is so for all of them. Who is going to be
    ``adding`` a version that takes long to make is told before that it could not be shared: raises
    ``storage.registry.NotJoined``.
    """
    from serving.configuration import Configuration
    from storage.shared_registry import REGISTRIES, shared_home

    configuration = Configuration.from_environment()
    if not configuration.database_url:
        for registry in REGISTRIES if adding else ():
            registry.require_joined(configuration.home, journey)
        yield configuration.home
        return
    with open_service() as engine, shared_home(engine, configuration.home, journey, whole=True):
        yield configuration.home


@contextmanager
def open_service() -> "Iterator[Engine]":
    """Yield the service's database, made where there is none yet."""
    from serving.configuration import Configuration
    from storage.database import open_database

    configuration = Configuration.from_environment()
    engine = open_database(configuration.address, configuration.durability)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def service_database() -> "Iterator[tuple[Engine | None, Path]]":
    """Yield the service's database, None where there is none yet, and its home folder."""
    from serving.configuration import Configuration

    configuration = Configuration.from_environment()
    if not configuration.database_url and not (configuration.home / "dropoff.db").exists():
        yield None, configuration.home
        return
    with open_service() as engine:
        yield engine, configuration.home


def noted_down(journey: "Journey") -> "Records":
    """Return what people and alarms have written down about a journey; nothing where there is no database yet."""
    from storage.record_store import load_records
    from storage.records import Records

    with service_database() as (engine, home):
        return Records() if engine is None else load_records(engine, journey.name, home)


def decisions_of(journey: "Journey", path: Path | None) -> "LoggedDecisions":
    """Return the decisions whose outcome is known: those of a file, by default those of the service's ledger.

    Raises ``decisions.logged_files.DecisionsUnreadable``; a ledger that is not there holds no decisions.
    """
    from journeys.decided import decided_in, decided_in_file, nothing_decided

    if path is not None:
        return decided_in_file(path, journey)
    with service_database() as (engine, _):
        return nothing_decided(journey) if engine is None else decided_in(engine, journey)


def weighable_decisions(
    journey: "Journey",
    policies: "Sequence[str]",
    path: Path | None,
    log: Path | None,
    report: Callable[[str, float], None],
) -> "LoggedDecisions":
    """Return decisions as :func:`decisions_of` does, with raw features where one of the policies reads them.

    For these the log is replayed, by default the service's. Raises ``decisions.option_rows.RowsMissing`` where there is
    none, and what loading the policies raises.
    """
    from decisions.option_rows import RowsMissing
    from journeys.weigh import needs_features
    from storage.models import home_folder
    from training.uplift.replayed import with_rows

    logged = decisions_of(journey, path)
    reading = [one for one in policies if needs_features(journey, one, home_folder())]
    if not reading or not len(logged):
        return logged
    with log_of_decisions(journey, path, log) as found:
        if found is None:
            raise RowsMissing(
                f"policy {reading[0]} reads raw features, which decisions do not keep: give the log of the sessions "
                "that they are about, with --log PATH"
            )
        replayed = with_rows(journey, logged, found, progress=report)
    if replayed.missing:
        say(f"Of the decisions, {replayed.missing:,} are about sessions that the log does not have, and left out.")
    return replayed.logged


@contextmanager
def log_of_decisions(journey: "Journey", decisions: Path | None, log: Path | None) -> "Iterator[Path | None]":
    """Yield the log of the decisions: the given one, a copy of the service's for those of its ledger, or None."""
    import tempfile

    from storage.event_log import EventLog

    if decisions is not None or log is not None:
        yield log
        return
    with service_database() as (engine, _), tempfile.TemporaryDirectory(prefix="dropoff-") as folder:
        path = Path(folder) / "log.parquet"
        yield path if engine is not None and EventLog(engine, journey.name).export(path) else None


@contextmanager
def rollout_ground(given: str) -> "Iterator[Ground]":
    """Yield where a journey's policies are rolled out, by the account that is at work; ``given`` names the journey."""
    from insights.rollouts.ground import Ground
    from journeys.load import load_journey
    from serving.runtime import now_us
    from storage.history import account

    declared = load_journey(given)
    with registry_home(declared.name) as home, open_service() as engine:
        yield Ground(engine, home, declared, account(), now_us())
