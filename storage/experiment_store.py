"""Experiments as they are kept: drafts, those that run with their buckets, and those that were stopped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Row, insert, select, update

from storage.audit import AuditEntry, write_audit
from storage.experiment_tables import experiments

Buckets = tuple[tuple[int, int], ...]
"""Buckets of a layer, each pair from the first up to, and without, the second."""


class ExperimentRefused(ValueError):
    """What was asked of an experiment cannot be; the text says why, and what to do."""


class Status(StrEnum):
    """How far an experiment has come."""

    DRAFT = "draft"
    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class KeptExperiment:
    """An experiment as it is kept; ``declaration`` and ``result`` are JSON objects, times microseconds."""

    name: str
    declaration: Mapping[str, Any]
    status: Status
    created_us: int
    layer: str
    buckets: Buckets = ()
    planned_per_arm: int | None = None
    started_us: int | None = None
    stopped_us: int | None = None
    stopped_for: str | None = None
    result: Mapping[str, Any] | None = None


class ExperimentStore:
    """The experiments of one journey. Writing methods take the writer's connection and stand in the audit."""

    def __init__(self, engine: Engine, journey: str) -> None:
        self.journey = journey
        self._engine = engine

    def all(self) -> tuple[KeptExperiment, ...]:
        """Return every experiment, the oldest first."""
        with self._engine.connect() as connection:
            return self._read(connection)

    def running(self, connection: Connection | None = None) -> tuple[KeptExperiment, ...]:
        """Return the experiments that take people in, the one that started first first."""
        if connection is None:
            with self._engine.connect() as reading:
                return self.running(reading)
        found = self._read(connection, experiments.c.status == Status.RUNNING.value)
        return tuple(sorted(found, key=lambda one: (one.started_us or 0, one.name)))

    def find(self, name: str, connection: Connection | None = None) -> KeptExperiment:
        """Return one experiment; raises :class:`ExperimentRefused` where there is none of that name."""
        if connection is None:
            with self._engine.connect() as reading:
                return self.find(name, reading)
        found = self._read(connection, experiments.c.name == name)
        if not found:
            raise ExperimentRefused(
                f"{self.journey} has no experiment {name!r}: `dropoff experiment list {self.journey}` shows them"
            )
        return found[0]

    def write_draft(
        self, connection: Connection, declaration: Mapping[str, Any], *, layer: str, actor: str, now_us: int
    ) -> None:
        """Insert a draft, or replace a draft of that name.

        Raises :class:`ExperimentRefused` where an experiment of the name has been started: its people would be mixed.
        """
        name = str(declaration["name"])
        before = self._read(connection, experiments.c.name == name)
        if before and before[0].status is not Status.DRAFT:
            raise ExperimentRefused(
                f"the experiment {name!r} of {self.journey} is {before[0].status} and cannot be declared anew: "
                "take another name"
            )
        row = {"declaration": _text(declaration), "layer": layer, "status": Status.DRAFT.value, "created_us": now_us}
        if before:
            connection.execute(update(experiments).where(*self._named(name)).values(**row))
        else:
            connection.execute(insert(experiments), row | {"journey": self.journey, "name": name})
        was = before[0].declaration if before else None
        self._audit(connection, name, "declare experiment", actor, now_us, was, declaration)

    def require_draft(self, connection: Connection, name: str) -> KeptExperiment:
        """Return a draft; raises :class:`ExperimentRefused` for what has been started, or is not there."""
        kept = self.find(name, connection)
        if kept.status is not Status.DRAFT:
            raise ExperimentRefused(f"the experiment {name!r} of {self.journey} is {kept.status} already")
        return kept

    def start(
        self,
        connection: Connection,
        name: str,
        buckets: Buckets,
        *,
        actor: str,
        now_us: int,
        planned_per_arm: int | None = None,
    ) -> None:
        """Let a draft take people in; raises :class:`ExperimentRefused` for what is no draft."""
        kept = self.require_draft(connection, name)
        values = {
            "status": Status.RUNNING.value,
            "started_us": now_us,
            "buckets": msgspec.json.encode(buckets).decode(),
            "planned_per_arm": planned_per_arm,
        }
        connection.execute(update(experiments).where(*self._named(name)).values(**values))
        change = {"status": kept.status}, {"status": Status.RUNNING, "buckets": buckets, "per_arm": planned_per_arm}
        self._audit(connection, name, "start experiment", actor, now_us, *change)

    def stop(self, connection: Connection, name: str, reason: str, *, actor: str, now_us: int) -> None:
        """Let a running experiment take nobody in any more; raises :class:`ExperimentRefused` for what does not run.

        A reason has to be given, for the audit.
        """
        kept = self.find(name, connection)
        if kept.status is not Status.RUNNING:
            raise ExperimentRefused(f"the experiment {name!r} of {self.journey} does not run: it is {kept.status}")
        if not reason.strip():
            raise ExperimentRefused("say why the experiment is stopped: the reason is empty")
        values = {"status": Status.STOPPED.value, "stopped_us": now_us, "stopped_for": reason}
        connection.execute(update(experiments).where(*self._named(name)).values(**values))
        change = {"status": kept.status}, {"status": Status.STOPPED, "reason": reason}
        self._audit(connection, name, "stop experiment", actor, now_us, *change)

    def keep_result(self, connection: Connection, name: str, result: Mapping[str, Any]) -> None:
        """Keep what an experiment has come to; a later analysis takes the place of an earlier one."""
        connection.execute(update(experiments).where(*self._named(name)).values(result=_text(result)))

    def _named(self, name: str) -> Sequence[Any]:
        return experiments.c.journey == self.journey, experiments.c.name == name

    def _read(self, connection: Connection, *conditions: Any) -> tuple[KeptExperiment, ...]:
        query = select(experiments).where(experiments.c.journey == self.journey, *conditions)
        found = connection.execute(query.order_by(experiments.c.created_us, experiments.c.name))
        return tuple(_kept(row) for row in found)

    def _audit(
        self,
        connection: Connection,
        name: str,
        action: str,
        actor: str,
        now_us: int,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any],
    ) -> None:
        write_audit(
            connection, self.journey, AuditEntry(None, now_us, actor, action, f"experiment {name}", before, after)
        )


def _kept(row: Row[Any]) -> KeptExperiment:
    values = dict(row._mapping)
    del values["journey"]
    values["status"] = Status(row.status)
    values["declaration"] = msgspec.json.decode(row.declaration)
    values["result"] = None if row.result is None else msgspec.json.decode(row.result)
    values["buckets"] = () if row.buckets is None else msgspec.json.decode(row.buckets, type=Buckets)
    return KeptExperiment(**values)


def _text(content: Mapping[str, Any]) -> str:
    return msgspec.json.encode(content, order="sorted").decode()
