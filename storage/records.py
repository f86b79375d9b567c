"""What people and alarms write down about a journey."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from storage.audit import AuditEntry
from storage.experiment_store import KeptExperiment
from storage.playbook import Tactic
from storage.rollout_store import Rollout


class RecordError(ValueError):
    """What was to be written down cannot be; the text says why and what to do."""


class AnnotationKind(StrEnum):
    """What an annotation tells of."""

    RELEASE = "release"
    POLICY = "policy"
    CAMPAIGN = "campaign"
    OTHER = "other"


class AlarmStatus(StrEnum):
    """How far an alarm has come."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Annotation:
    """Something that was done at ``at_us`` and that figures may have to be read with."""

    id: int
    at_us: int
    kind: AnnotationKind
    text: str
    author: str
    created_us: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """A rate that has left what is usual; ``id`` is the same when it is found again, ``cohort`` None for everybody."""

    id: str
    stage: str
    cohort: str | None
    direction: str
    since_us: int
    detected_us: int
    rate_before: float
    rate_after: float
    ratio: float
    ratio_low: float
    ratio_high: float
    details: Mapping[str, Any] = field(default_factory=dict)
    closed_us: int | None = None
    status: AlarmStatus = AlarmStatus.OPEN
    notified_us: int | None = None


@dataclass(frozen=True, slots=True)
class OpportunityStatus:
    """A status that somebody gave an opportunity; the latest one of an opportunity holds."""

    id: int
    opportunity_id: str
    status: str
    reason: str
    author: str
    at_us: int


@dataclass(frozen=True, slots=True)
class Milestone:
    """Something to be done by a day; ``done_us`` is None until it is."""

    id: int
    due: date
    title: str
    owner: str
    done_us: int | None = None


@dataclass(frozen=True, slots=True)
class RefusedRows:
    """How many rows the service refused for one reason in the hour that starts at ``hour_us``."""

    hour_us: int
    reason: str
    rows: int


@dataclass(frozen=True, slots=True)
class HoldoutCounts:
    """Visitors who were once at risk for a blocker that could be named, and how many of them reached the goal then.

    ``held_out`` were chosen at random to be shown nothing, the other ``visitors`` could be shown something. Who was
    drawn together counts once. ``crossovers`` are users who turned out to have visitors on both sides.
    """

    first_us: int
    visitors: int
    converted: int
    held_out: int
    held_out_converted: int
    crossovers: int = 0


@dataclass(frozen=True, slots=True)
class Records:
    """All that is written down about a journey, the oldest first; empty where there is no database."""

    annotations: tuple[Annotation, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    opportunity_statuses: tuple[OpportunityStatus, ...] = ()
    milestones: tuple[Milestone, ...] = ()
    tactics: tuple[Tactic, ...] = ()
    experiments: tuple[KeptExperiment, ...] = ()
    rollouts: tuple[Rollout, ...] = ()
    audit: tuple[AuditEntry, ...] = ()
    refused: tuple[RefusedRows, ...] = ()
    count_holdout: Callable[[], HoldoutCounts | None] = field(default=lambda: None, compare=False)
    """The randomised comparison so far, counted when asked for: it reads every decision."""


def require_said(**texts: str) -> None:
    """Raise :class:`RecordError` for a text that says nothing."""
    for name, text in texts.items():
        if not text.strip():
            raise RecordError(f"the {name.replace('_', ' ')} is empty; write what it is")
