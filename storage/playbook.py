"""What the playbook holds: tactics with the evidence for each."""

from dataclasses import dataclass
from enum import StrEnum


class TacticStatus(StrEnum):
    """How far a tactic has come."""

    PROPOSED = "proposed"
    TESTING = "testing"
    PROVEN = "proven"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class TacticEvidence:
    """What one finished experiment found about a tactic.

    ``effect`` is the rise of ``metric`` among those who could see the intervention, absolute, with the 95 % interval
    that the experiment's stopping rule goes by. ``baseline`` is the metric without it, None where it is no share.
    ``verdict`` is ship, stop, inconclusive or invalid.
    """

    experiment: str
    metric: str
    effect: float
    low: float
    high: float
    people: int
    from_us: int
    to_us: int
    verdict: str
    baseline: float | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A test as it is proposed; sizes are None where none can be given, ``reason`` says what is in the way.

    ``per_arm`` and ``people`` are visitors, in one arm and in all.
    """

    hypothesis: str
    metric: str
    per_arm: int | None
    people: int | None
    days: int | None
    reason: str
    drafted_us: int


@dataclass(frozen=True, slots=True)
class Tactic:
    """An intervention against a blocker, for an audience at a stage; ``stage`` and ``audience`` are empty for all.

    ``learning`` is what is known in a sentence; ``source`` what opened it; ``experiment`` the one that tests it now.
    ``evidence`` is that of the experiment which ended first at the front.
    """

    id: int
    blocker: str
    stage: str
    audience: str
    intervention: str
    owner: str
    status: TacticStatus
    learning: str
    source: str
    experiment: str
    draft: Draft | None
    created_us: int
    changed_us: int
    evidence: tuple[TacticEvidence, ...] = ()

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What no two tactics of a journey have in common."""
        return self.blocker, self.stage, self.audience, self.intervention
