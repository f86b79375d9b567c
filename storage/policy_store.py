"""What policies have learnt: numbered revisions of each version, and whether it goes on learning."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Select, delete, func, insert, select, update
from sqlalchemy.sql.functions import coalesce

from features.events import US_PER_SECOND
from storage.database import insert_if_absent
from storage.policy_tables import policies, policy_states, rewards

_US_PER_DAY = 86_400 * US_PER_SECOND
KEPT_REVISIONS = 20
"""The latest revisions are kept, and before them the last one of each day."""


@dataclass(frozen=True, slots=True)
class PolicyState:
    """What a version of a policy knew at a revision: ``state`` is JSON that its kind reads.

    It had learnt from ``decisions`` decisions, with rewards up to the position ``learnt_through``.
    """

    version: str
    revision: int
    created_us: int
    decisions: int
    learnt_through: int
    state: str


@dataclass(frozen=True, slots=True)
class LearningPolicy:
    """A version that has learnt: its newest revision, and since when it is paused, None while it learns."""

    version: str
    kind: str
    created_us: int
    paused_us: int | None
    revision: int
    learnt_us: int
    decisions: int
    learnt_through: int


class PolicyStates:
    """The policies of one journey. All methods take a connection, those that write one whose transaction may."""

    def __init__(self, engine: Engine, journey: str) -> None:
        self.journey = journey
        self.engine = engine
        self._insert = insert_if_absent(engine, policies)

    def start(self, connection: Connection, kind: str, state: PolicyState) -> None:
        """Keep a version with its first revision; does nothing where the version is known."""
        row = {"journey": self.journey, "version": state.version, "kind": kind, "created_us": state.created_us}
        connection.execute(self._insert, row)
        if self.newest_revision(connection, state.version) is None:
            connection.execute(insert(policy_states), asdict(state) | {"journey": self.journey})

    def newest_revision(self, connection: Connection, version: str) -> int | None:
        """Return the number of a version's newest revision; None for one that nothing is kept of."""
        query = select(func.max(policy_states.c.revision)).where(*self._of(version))
        return connection.execute(query).scalar()

    def newest(self, connection: Connection, version: str) -> PolicyState | None:
        """Return a version's newest revision."""
        query = select(policy_states).where(*self._of(version)).order_by(policy_states.c.revision.desc()).limit(1)
        return self._state(connection, query)

    def revision(self, connection: Connection, version: str, number: int) -> PolicyState | None:
        """Return a revision, where it is kept."""
        return self._state(connection, select(policy_states).where(*self._of(version, number)))

    def add(self, connection: Connection, state: PolicyState) -> bool:
        """Keep a revision and return True; False where it does not follow the newest, or the version is paused."""
        if not self._may_follow(connection, state.version, state.revision - 1):
            return False
        connection.execute(insert(policy_states), asdict(state) | {"journey": self.journey})
        self._drop_old(connection, state.version, state.revision)
        return True

    def advance(self, connection: Connection, state: PolicyState, learnt_through: int) -> bool:
        """Keep that there was nothing to learn up to a position; False as with :meth:`add`."""
        if not self._may_follow(connection, state.version, state.revision):
            return False
        connection.execute(
            update(policy_states).where(*self._of(state.version, state.revision)).values(learnt_through=learnt_through)
        )
        return True

    def return_to(self, connection: Connection, version: str, number: int, now_us: int) -> PolicyState | None:
        """Let a version know what it knew at a revision, as its newest one; None where that is not kept.

        What it has learnt since is not learnt again: it goes on with the rewards that come from now on.
        """
        former, newest = self.revision(connection, version, number), self.newest_revision(connection, version)
        if former is None or newest is None:
            return None
        again = PolicyState(version, newest + 1, now_us, former.decisions, self.last_reward(connection), former.state)
        connection.execute(insert(policy_states), asdict(again) | {"journey": self.journey})
        return again

    def last_reward(self, connection: Connection) -> int:
        """Return the position of the latest reward; 0 where there is none."""
        latest = select(coalesce(func.max(rewards.c.position), 0)).where(rewards.c.journey == self.journey)
        return int(connection.execute(latest).scalar_one())

    def rewards_after(self, connection: Connection, position: int) -> int:
        """Return how many rewards come after a position."""
        later = (rewards.c.journey == self.journey, rewards.c.position > position)
        return int(connection.execute(select(func.count()).where(*later)).scalar_one())

    def pause(self, connection: Connection, version: str, since_us: int | None) -> bool:
        """Let a version learn no more from a moment on, or again (None); False for one that nothing is kept of."""
        mine = (policies.c.journey == self.journey, policies.c.version == version)
        return connection.execute(update(policies).where(*mine).values(paused_us=since_us)).rowcount == 1

    def paused_us(self, connection: Connection, version: str) -> int | None:
        """Return since when a version learns no more; None while it does."""
        mine = (policies.c.journey == self.journey, policies.c.version == version)
        return connection.execute(select(policies.c.paused_us).where(*mine)).scalar()

    def known(self, connection: Connection) -> list[LearningPolicy]:
        """Return every version that something is kept of, the oldest first."""
        newest = (
            select(policy_states.c.version, func.max(policy_states.c.revision).label("revision"))
            .where(policy_states.c.journey == self.journey)
            .group_by(policy_states.c.version)
            .subquery()
        )
        query = (
            select(
                policies.c.version,
                policies.c.kind,
                policies.c.created_us,
                policies.c.paused_us,
                policy_states.c.revision,
                policy_states.c.created_us.label("learnt_us"),
                policy_states.c.decisions,
                policy_states.c.learnt_through,
            )
            .select_from(policies)
            .join(newest, newest.c.version == policies.c.version)
            .join(
                policy_states,
                (policy_states.c.journey == policies.c.journey)
                & (policy_states.c.version == policies.c.version)
                & (policy_states.c.revision == newest.c.revision),
            )
            .where(policies.c.journey == self.journey)
            .order_by(policies.c.created_us, policies.c.version)
        )
        return [LearningPolicy(*row) for row in connection.execute(query)]

    def _may_follow(self, connection: Connection, version: str, revision: int) -> bool:
        standing = self.newest_revision(connection, version)
        return standing == revision and self.paused_us(connection, version) is None

    def _drop_old(self, connection: Connection, version: str, newest: int) -> None:
        """Delete revisions before the latest ones, but for the last of each day."""
        day = policy_states.c.created_us - policy_states.c.created_us % _US_PER_DAY
        last_of_each = select(func.max(policy_states.c.revision)).where(*self._of(version)).group_by(day)
        old = policy_states.c.revision <= newest - KEPT_REVISIONS
        gone = delete(policy_states).where(*self._of(version), old, policy_states.c.revision.not_in(last_of_each))
        connection.execute(gone)

    def _of(self, version: str, revision: int | None = None) -> list[Any]:
        found = [policy_states.c.journey == self.journey, policy_states.c.version == version]
        return found if revision is None else [*found, policy_states.c.revision == revision]

    def _state(self, connection: Connection, query: Select[Any]) -> PolicyState | None:
        row = connection.execute(query).mappings().first()
        if row is None:
            return None
        return PolicyState(**{name: value for name, value in row.items() if name != "journey"})
