"""What challengers were seen to do beside the champion: sums over the answers of all processes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from sqlalchemy import Connection, Engine, select, update

from storage.database import insert_if_absent
from storage.registry_tables import challenges


@dataclass(frozen=True, slots=True)
class ChallengeCounts:
    """Sums over answers that a challenger was asked for, too; see ``storage.registry_tables`` for each."""

    answers: int = 0
    failed: int = 0
    dropped: int = 0
    same_side: int = 0
    gap: float = 0.0
    squared_gap: float = 0.0
    blockers: int = 0
    same_blocker: int = 0
    decisions: int = 0
    same_choice: float = 0.0
    seconds: float = 0.0
    champion_seconds: float = 0.0

    def __add__(self, other: "ChallengeCounts") -> "ChallengeCounts":
        return ChallengeCounts(*(getattr(self, name) + getattr(other, name) for name in _COUNTS))

    def __bool__(self) -> bool:
        return bool(self.answers or self.failed or self.dropped)


_COUNTS = tuple(one.name for one in fields(ChallengeCounts))


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenger beside one champion, since a moment (microseconds)."""

    version: str
    champion: str
    since_us: int
    counts: ChallengeCounts

    def to_json(self) -> Mapping[str, object]:
        """Return what commands write."""
        return {"version": self.version, "champion": self.champion, "since_us": self.since_us, **asdict(self.counts)}


class ChallengeStore:
    """The challenges of one journey. Writing methods take the writer's connection."""

    def __init__(self, engine: Engine, journey: str) -> None:
        self.journey = journey
        self._engine = engine
        self._insert = insert_if_absent(engine, challenges)

    def add(self, connection: Connection, version: str, champion: str, counts: ChallengeCounts, now_us: int) -> None:
        """Add what a process has counted since it last did."""
        one = {"journey": self.journey, "version": version, "champion": champion}
        connection.execute(self._insert, one | {"since_us": now_us} | asdict(ChallengeCounts()))
        mine = [challenges.c[name] == value for name, value in one.items()]
        added = {name: challenges.c[name] + value for name, value in asdict(counts).items()}
        connection.execute(update(challenges).where(*mine).values(**added))

    def all(self) -> tuple[Challenge, ...]:
        """Return all challenges, the latest last."""
        query = select(challenges).where(challenges.c.journey == self.journey)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(challenges.c.since_us, challenges.c.version)).mappings().all()
        return tuple(
            Challenge(
                row["version"],
                row["champion"],
                row["since_us"],
                ChallengeCounts(**{name: row[name] for name in _COUNTS}),
            )
            for row in rows
        )
