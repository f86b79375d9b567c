"""Exposures: who could first have met a variant of an experiment, and when."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, Engine, delete, func, select

from storage.database import insert_if_absent
from storage.experiment_tables import exposures
from storage.tables import decisions

_ROWS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Exposure:
    """A visitor's first exposure in an experiment; ``assignment_id`` is what chance went by."""

    experiment: str
    visitor_id: str
    assignment_id: str
    variant: str
    first_us: int
    session_id: str
    decision_id: str
    stage: str | None
    blocker: str | None
    visits: int
    other_blocker: str | None = None


class ExposureStore:
    """The exposures of one journey. Writing methods take the writer's connection, reading ones open their own."""

    def __init__(self, engine: Engine, journey: str) -> None:
        self.journey = journey
        self._engine = engine
        self._insert = insert_if_absent(engine, exposures)

    def add(self, connection: Connection, exposure: Exposure) -> None:
        """Insert an exposure; of a visitor who was exposed before, the first stays."""
        connection.execute(self._insert, asdict(exposure) | {"journey": self.journey})

    def of_experiment(self, experiment: str) -> Iterator[Exposure]:
        """Stream the exposures of an experiment, the earliest first."""
        query = select(exposures).where(exposures.c.journey == self.journey, exposures.c.experiment == experiment)
        with self._engine.connect() as connection:
            found = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(
                query.order_by(exposures.c.first_us, exposures.c.visitor_id)
            )
            for row in found.mappings():
                yield Exposure(**{name: value for name, value in row.items() if name != "journey"})

    def count_people(self, experiment: str) -> dict[str, int]:
        """Return how many people are in each variant of an experiment; devices of one person count once."""
        query = (
            select(exposures.c.variant, func.count(exposures.c.assignment_id.distinct()).label("people"))
            .where(exposures.c.journey == self.journey, exposures.c.experiment == experiment)
            .group_by(exposures.c.variant)
        )
        with self._engine.connect() as connection:
            return {row.variant: row.people for row in connection.execute(query)}

    def model_versions(self, experiment: str) -> list[str]:
        """Return the versions of the models by which people were diagnosed at their first exposure."""
        query = (
            select(decisions.c.model_version)
            .distinct()
            .join(exposures, exposures.c.decision_id == decisions.c.decision_id)
            .where(exposures.c.journey == self.journey, exposures.c.experiment == experiment)
        )
        with self._engine.connect() as connection:
            return sorted(connection.execute(query).scalars())

    def erase_visitor(self, connection: Connection, visitor_id: str) -> dict[str, int]:
        """Delete a visitor's exposures; return how many rows that was."""
        mine = (exposures.c.journey == self.journey, exposures.c.visitor_id == visitor_id)
        return {"exposures": connection.execute(delete(exposures).where(*mine)).rowcount}
