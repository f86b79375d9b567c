"""The decisions about a journey whose outcome is known, from the service's database or from a file."""

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Engine

from decisions.logged import LoggedDecisions
from decisions.logged_cohorts import with_cohorts
from decisions.logged_files import read_decisions
from decisions.logged_ledger import gather, read_ledger
from journeys.journey import Journey


def decided_in(engine: Engine, journey: Journey) -> LoggedDecisions:
    """Return the decisions of the service's ledger, with what the log says of their sessions."""
    return with_cohorts(read_ledger(engine, journey.name, **_names(journey)), engine, journey.name)


def decided_in_file(path: Path, journey: Journey) -> LoggedDecisions:
    """Return the decisions of a Parquet file; raises ``decisions.logged_files.DecisionsUnreadable``."""
    return read_decisions(path, **_names(journey))


def nothing_decided(journey: Journey) -> LoggedDecisions:
    """Return no decisions, as before there is a database."""
    return gather((), **_names(journey))


def _names(journey: Journey) -> Mapping[str, tuple[str, ...]]:
    return {
        "options": tuple(intervention.name for intervention in journey.interventions),
        "stages": tuple(stage.name for stage in journey.stages),
        "frictions": tuple(friction.name for friction in journey.frictions),
    }
