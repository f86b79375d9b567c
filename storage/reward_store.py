"""Rewards: what came of each decision, written down once nothing can change any more."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, Engine, delete, select

from storage.database import insert_if_absent
from storage.policy_tables import rewards

_ROWS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Reward:
    """What came of one decision: whether the goal was reached within its window, and what that brought."""

    decision_id: str
    visitor_id: str
    converted: bool
    value: float | None
    matured_us: int


class RewardStore:
    """The rewards of one journey. Writing methods take the writer's connection, reading ones open their own."""

    def __init__(self, engine: Engine, journey: str) -> None:
        self.journey = journey
        self._engine = engine
        self._insert = insert_if_absent(engine, rewards)

    def add(self, connection: Connection, reward: Reward) -> None:
        """Insert what came of a decision; of a decision that has one already, the first stays."""
        connection.execute(self._insert, asdict(reward) | {"journey": self.journey})

    def after(self, position: int) -> Iterator[tuple[int, Reward]]:
        """Stream the rewards beyond a position, in the order in which they became known."""
        query = select(rewards).where(rewards.c.journey == self.journey, rewards.c.position > position)
        with self._engine.connect() as connection:
            found = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query.order_by(rewards.c.position))
            for row in found:
                yield row.position, Reward(row.decision_id, row.visitor_id, row.converted, row.value, row.matured_us)

    def erase_visitor(self, connection: Connection, visitor_id: str) -> dict[str, int]:
        """Delete a visitor's rewards; return how many rows that was."""
        mine = (rewards.c.journey == self.journey, rewards.c.visitor_id == visitor_id)
        return {"rewards": connection.execute(delete(rewards).where(*mine)).rowcount}
