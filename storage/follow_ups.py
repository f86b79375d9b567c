"""The outbox of follow-ups: written with the end that they are about, delivered at least once, with one id."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from storage.running_tables import follow_ups


class FollowUpState(StrEnum):
    """What has become of a follow-up."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class FollowUp:
    """One message to a webhook; ``id`` is the same for every attempt, ``body`` the JSON that is sent.

    The body goes when it has been delivered: the ledger has the decision under ``decision_id``.
    """

    id: str
    session_id: str
    visitor_id: str
    decision_id: str
    channel: str
    body: str
    created_us: int
    due_us: int
    attempts: int = 0
    delivered_us: int | None = None
    given_up_us: int | None = None
    said: str | None = None

    @property
    def state(self) -> FollowUpState:
        """What has become of it."""
        if self.delivered_us is not None:
            return FollowUpState.DELIVERED
        return FollowUpState.PENDING if self.given_up_us is None else FollowUpState.GIVEN_UP


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many follow-ups are to be sent, when the first of them is due, and how many were given up."""

    waiting: int
    due_us: int | None
    given_up: int


class FollowUps:
    """The follow-ups of one journey. Writing methods take the writer's connection, reading ones open their own."""

    def __init__(self, engine: Engine, journey: str) -> None:
        self.journey = journey
        self._engine = engine
        self._pending = (
            follow_ups.c.journey == journey,
            follow_ups.c.delivered_us.is_(None),
            follow_ups.c.given_up_us.is_(None),
        )

    def add(self, connection: Connection, one: FollowUp) -> None:
        """Put a message into the outbox."""
        connection.execute(insert(follow_ups), asdict(one) | {"journey": self.journey})

    def due(self, now_us: int, most: int) -> list[FollowUp]:
        """Return pending messages that may be sent now, the longest due first."""
        return self._read(*self._pending, follow_ups.c.due_us <= now_us, most=most)

    def claim(self, connection: Connection, one: FollowUp, due_us: int) -> bool:
        """Count an attempt and return True; False where the message is no longer as it was read.

        Should the sender die before it says what came of the attempt, the next one may come at ``due_us``.
        """
        as_read = (follow_ups.c.id == one.id, follow_ups.c.attempts == one.attempts, follow_ups.c.due_us == one.due_us)
        claimed = update(follow_ups).where(*self._pending, *as_read)
        return connection.execute(claimed.values(attempts=one.attempts + 1, due_us=due_us)).rowcount == 1

    def record_delivery(self, connection: Connection, follow_up_id: str, now_us: int) -> None:
        """Keep that a message was taken, and no longer what it said."""
        self._set(connection, follow_up_id, delivered_us=now_us, body="", said=None)

    def postpone(self, connection: Connection, follow_up_id: str, due_us: int, said: str) -> None:
        """Keep that an attempt failed, and when the next one is due."""
        self._set(connection, follow_up_id, due_us=due_us, said=said)

    def give_up(self, connection: Connection, follow_up_id: str, now_us: int, said: str) -> None:
        """Send a message no more."""
        self._set(connection, follow_up_id, given_up_us=now_us, said=said)

    def retry(self, connection: Connection, now_us: int) -> int:
        """Make all messages that were given up pending again, from the first attempt on; return how many."""
        given_up = (
            follow_ups.c.journey == self.journey,
            follow_ups.c.delivered_us.is_(None),
            follow_ups.c.given_up_us.is_not(None),
        )
        again = update(follow_ups).where(*given_up).values(given_up_us=None, attempts=0, due_us=now_us)
        return connection.execute(again).rowcount

    def unfinished(self, most: int = 1_000) -> list[FollowUp]:
        """Return what is pending or was given up, the oldest first."""
        return self._read(
            follow_ups.c.journey == self.journey,
            follow_ups.c.delivered_us.is_(None),
            most=most,
            order=follow_ups.c.created_us,
        )

    def of_session(self, session_id: str) -> list[FollowUp]:
        """Return a session's follow-ups."""
        return self._read(follow_ups.c.journey == self.journey, follow_ups.c.session_id == session_id)

    def counts(self) -> dict[FollowUpState, int]:
        """Return how many follow-ups are in each state."""
        query = select(
            func.count(),
            func.count(follow_ups.c.delivered_us),
            func.count(follow_ups.c.given_up_us),
        ).where(follow_ups.c.journey == self.journey)
        with self._engine.connect() as connection:
            every, delivered, given_up = connection.execute(query).one()
        return {
            FollowUpState.PENDING: every - delivered - given_up,
            FollowUpState.DELIVERED: delivered,
            FollowUpState.GIVEN_UP: given_up,
        }

    def backlog(self) -> Backlog:
        """Return what is still to be sent, or was given up."""
        waiting = select(func.count(), func.min(follow_ups.c.due_us)).where(*self._pending)
        given_up = select(func.count()).where(
            follow_ups.c.journey == self.journey,
            follow_ups.c.delivered_us.is_(None),
            follow_ups.c.given_up_us.is_not(None),
        )
        with self._engine.connect() as connection:
            count, due_us = connection.execute(waiting).one()
            return Backlog(int(count), due_us, int(connection.execute(given_up).scalar_one()))

    def erase_visitor(self, connection: Connection, visitor_id: str) -> dict[str, int]:
        """Delete a visitor's follow-ups and return how many; what has been sent is with its receiver."""
        mine = (follow_ups.c.journey == self.journey, follow_ups.c.visitor_id == visitor_id)
        return {"follow_ups": connection.execute(delete(follow_ups).where(*mine)).rowcount}

    def _set(self, connection: Connection, follow_up_id: str, **values: Any) -> None:
        mine = (follow_ups.c.journey == self.journey, follow_ups.c.id == follow_up_id)
        connection.execute(update(follow_ups).where(*mine).values(**values))

    def _read(self, *conditions: Any, most: int | None = None, order: Any = follow_ups.c.due_us) -> list[FollowUp]:
        query = select(follow_ups).where(*conditions).order_by(order, follow_ups.c.id).limit(most)
        with self._engine.connect() as connection:
            rows: Sequence[Any] = connection.execute(query).mappings().all()
        return [FollowUp(**{name: value for name, value in row.items() if name != "journey"}) for row in rows]
