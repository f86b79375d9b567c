"""Where rollouts are kept: every step adds its entry to the audit, in the same transaction."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Row, delete, insert, select, update

from storage.audit import AuditEntry, write_audit
from storage.rollout_tables import rollouts


class Step(StrEnum):
    """How far a version has come; before the first there is no rollout of it."""

    SHADOW = "shadow"
    EXPERIMENT = "experiment"
    LIVE = "live"
    ROLLED_BACK = "rolled back"
    REPLACED = "replaced"
    """It was live until a later version was."""


ONGOING = (Step.SHADOW, Step.EXPERIMENT)


@dataclass(frozen=True, slots=True)
class ShadowCounts:
    """What a version was seen to do beside the live policy; sums over the decisions that it was asked about.

    ``agreement`` sums the probabilities of choosing the same, ``acted`` and ``acted_live`` those of recommending
    anything; ``dropped`` decisions came too fast to ask about.
    """

    compared: int = 0
    failed: int = 0
    invalid: int = 0
    slow: int = 0
    dropped: int = 0
    agreement: float = 0.0
    acted: float = 0.0
    acted_live: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: "ShadowCounts") -> "ShadowCounts":
        return ShadowCounts(*(getattr(self, name) + getattr(other, name) for name in _COUNTS))


_COUNTS = tuple(one.name for one in fields(ShadowCounts))


@dataclass(frozen=True, slots=True)
class Rollout:
    """How far one version has come against the version that decided when it began; moments are microseconds."""

    version: str
    step: Step
    against: str
    started_us: int
    changed_us: int
    experiment: str | None = None
    reason: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    shadow: ShadowCounts = ShadowCounts()


class RolloutStore:
    """The rollouts of one journey. Writing methods take the writer's connection, reading ones open their own."""

    def __init__(self, engine: Engine, journey: str) -> None:
        self.journey = journey
        self._engine = engine

    def rollouts(self, connection: Connection | None = None) -> tuple[Rollout, ...]:
        """Return all rollouts, the latest change last."""
        query = select(rollouts).where(rollouts.c.journey == self.journey)
        with nullcontext(connection) if connection is not None else self._engine.connect() as reading:
            found = reading.execute(query.order_by(rollouts.c.changed_us, rollouts.c.version)).all()
        return tuple(map(_rollout, found))

    def find(self, version: str) -> Rollout | None:
        """Return the rollout of a version, or None."""
        return next((one for one in self.rollouts() if one.version == version), None)

    def ongoing(self, connection: Connection | None = None) -> Rollout | None:
        """Return the rollout in the shadow or in an experiment; there is one at a time."""
        return next((one for one in self.rollouts(connection) if one.step in ONGOING), None)

    def begin(self, connection: Connection, rollout: Rollout, *, actor: str) -> None:
        """Keep a rollout that begins, in place of an earlier one of its version."""
        connection.execute(delete(rollouts).where(*self._one(rollout.version)))
        connection.execute(insert(rollouts), _row(rollout) | {"journey": self.journey})
        self._audit(connection, rollout.changed_us, actor, None, rollout)

    def move(self, connection: Connection, rollout: Rollout, *, actor: str) -> None:
        """Keep the step, experiment, reason and figures of a rollout; what the shadow has counted stays.

        A version that nothing is kept of has come to its step by other ways: from then on it is.
        """
        before = next((one for one in self.rollouts(connection) if one.version == rollout.version), None)
        if before is None:
            self.begin(connection, rollout, actor=actor)
            return
        names = ("step", "experiment", "reason", "figures", "changed_us")
        row = _row(rollout)
        connection.execute(
            update(rollouts).where(*self._one(rollout.version)).values({name: row[name] for name in names})
        )
        self._audit(connection, rollout.changed_us, actor, before, rollout)

    def count(self, connection: Connection, version: str, counts: ShadowCounts) -> bool:
        """Add to what a version was seen to do; False where it is not in the shadow any more."""
        added = {name: rollouts.c[name] + value for name, value in asdict(counts).items()}
        where = (*self._one(version), rollouts.c.step == Step.SHADOW.value)
        return connection.execute(update(rollouts).where(*where).values(added)).rowcount == 1

    def _one(self, version: str) -> tuple[Any, Any]:
        return rollouts.c.journey == self.journey, rollouts.c.version == version

    def _audit(self, connection: Connection, at_us: int, actor: str, before: Rollout | None, after: Rollout) -> None:
        earlier = None if before is None else {"step": before.step.value}
        later = {"step": after.step.value, "reason": after.reason, "experiment": after.experiment}
        entry = AuditEntry(None, at_us, actor, "roll out", f"policy {after.version}", earlier, later)
        write_audit(connection, self.journey, entry)


def _row(rollout: Rollout) -> dict[str, Any]:
    row = {one.name: getattr(rollout, one.name) for one in fields(Rollout) if one.name != "shadow"}
    row |= {"step": rollout.step.value, "figures": msgspec.json.encode(rollout.figures).decode()}
    return row | asdict(rollout.shadow)


def _rollout(row: Row[Any]) -> Rollout:
    values = dict(row._mapping)
    del values["journey"]
    counts = ShadowCounts(**{name: values.pop(name) for name in _COUNTS})
    values["figures"] = msgspec.json.decode(values["figures"])
    return replace(Rollout(**values), step=Step(values["step"]), shadow=counts)
