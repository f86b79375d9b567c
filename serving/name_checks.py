"""Unknown event names, of the live database or of a log, with the declared events that they may mean."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from features.canonical_view import create_canonical, create_checked
from features.log_files import LogError, first_line
from features.raw_log import open_raw
from features.source import CANONICAL
from features.table import TREATMENT_PREFIX
from insights.name_proposals import Proposal, aliases_line, propose
from journeys.journey import Journey
from serving.configuration import Configuration
from serving.segment import CALLS
from serving.times import show_time
from storage.database import open_database
from storage.database_state import look_at_database
from storage.unknown_names import UnknownName, commonest_properties, unknown_names

_MOST_NAMES = 100
_SAMPLED_EVENTS = 200


@dataclass(frozen=True, slots=True)
class NamedUnknown:
    """An unknown name as it was found, and what it may mean."""

    found: UnknownName
    proposal: Proposal | None


@dataclass(frozen=True, slots=True)
class UnknownNames:
    """All of them, the commonest first."""

    names: tuple[NamedUnknown, ...]

    @property
    def aliases(self) -> str:
        """The line for the journey's file that takes all proposals on; empty for none."""
        return aliases_line(one.proposal for one in self.names if one.proposal is not None)

    def to_json(self) -> dict[str, Any]:
        """Return the names for a file."""
        return {
            "unknown": [
                {
                    "name": one.found.name,
                    "events": one.found.events,
                    "first": show_time(one.found.first_us),
                    "last": show_time(one.found.last_us),
                    "properties": list(one.found.properties),
                    "proposal": one.proposal and asdict(one.proposal),
                }
                for one in self.names
            ],
            "aliases": self.aliases,
        }


def names_of_database(configuration: Configuration, journey: Journey) -> UnknownNames:
    """Return the unknown names of the service's own log; none where it cannot be read."""
    state = look_at_database(configuration.address, check=False)
    if not state.exists or state.problem or state.revision != state.newest:
        return UnknownNames(())
    engine = open_database(configuration.address, configuration.durability)
    try:
        return _named(unknown_names(engine, journey.name, {*journey.events, *CALLS}), journey)
    finally:
        engine.dispose()


def names_of_log(path: Path, journey: Journey) -> UnknownNames:
    """Return the unknown names of a log; raises :class:`LogError`."""
    known = ", ".join("'" + name.replace("'", "''") + "'" for name in sorted({*journey.events, *CALLS}))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        create_canonical(connection, open_raw(connection, path, CANONICAL), CANONICAL)
        create_checked(connection, datetime.now(UTC))
        try:
            rows = connection.execute(
                "SELECT name, count(*) AS rows, min(occurred_at_us), max(occurred_at_us), "
                f"list(properties)[:{_SAMPLED_EVENTS}] FROM (SELECT *, row_number() OVER (PARTITION BY name) AS place "
                f"FROM checked WHERE reason IS NULL AND name NOT IN ({known})) "
                f"GROUP BY name ORDER BY rows DESC, name LIMIT {_MOST_NAMES}"
            ).fetchall()
        except duckdb.Error as error:
            raise LogError(f"{path} cannot be read: {first_line(error)}") from error
    found = [
        UnknownName(name, count, first_us, last_us, commonest_properties([text for text in texts if text]))
        for name, count, first_us, last_us, texts in rows
    ]
    return _named(found, journey)


def _known(name: str, journey: Journey) -> Proposal | None:
    """Return what the journey's own names say; a log that was not imported for it still has what was sent."""
    meant = journey.names.find(name)
    return None if meant is None else Proposal(name, meant, "the journey names it so", 1.0)


def _named(found: Sequence[UnknownName], journey: Journey) -> UnknownNames:
    declared = tuple(journey.events)
    # What was recommended is logged under names of its own.
    return UnknownNames(
        tuple(
            NamedUnknown(one, _known(one.name, journey) or propose(one.name, declared))
            for one in found
            if not one.name.startswith(TREATMENT_PREFIX)
        )
    )
