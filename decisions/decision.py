"""A decision as it is answered and kept: all that is needed to weigh it later."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from decisions.diagnosis import Blocker


class Reason(StrEnum):
    """Why a decision came out as it did."""

    ENDED = "ended"
    LOW_RISK = "low_risk"
    NO_BLOCKER = "no_blocker"
    HOLDOUT = "holdout"
    NOT_ELIGIBLE = "not_eligible"
    NOT_WORTH_IT = "not_worth_it"
    BEST_VALUE = "best_value"
    EXPLORED = "explored"
    EXPERIMENT = "experiment"


@dataclass(frozen=True, slots=True)
class Score:
    """How likely a session is to be abandoned, and to be left soon, at a moment (microseconds).

    ``leaving_soon`` and how far it looks ahead are None where the model has not learnt it.
    """

    session_id: str
    journey: str
    stage: str | None
    risk: float
    events_seen: int
    model_version: str
    at_us: int
    leaving_soon: float | None = None
    leaving_soon_within_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The intervention to show; ``expected_uplift`` is the expected rise of the goal's probability."""

    intervention: str
    title: str
    message: str
    channel: str
    expected_uplift: float
    cost: float


@dataclass(frozen=True, slots=True)
class Met:
    """A variant of an experiment that a decision exposes to.

    ``other_blocker`` is the friction that might have been treated in place of the named one, where the experiment
    compares the two.
    """

    experiment: str
    variant: str
    other_blocker: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """One answer to "what should be done about this session now", as the ledger keeps it.

    ``propensities`` hold the probability of every option, doing nothing included; ``propensity`` is that of what
    happened. ``confidence`` maps frictions by name to the probability that a visitor who leaves now leaves for them,
    named among the blockers or not. ``drawn`` is the uniform number that chose, None when nothing was drawn.
    ``excluded`` says why each other intervention was not eligible. ``met`` are the experiments whose variants could
    have made a difference; the last is the one that decided. ``withheld`` are the propensities that a visitor in the
    holdout would have had.
    """

    decision_id: str
    visitor_id: str
    score: Score
    blockers: tuple[Blocker, ...]
    confidence: Mapping[str, float]
    narrative: str
    recommendation: Recommendation | None
    reason: Reason
    holdout: bool
    propensity: float
    propensities: Mapping[str, float]
    eligible: tuple[str, ...]
    excluded: Mapping[str, str]
    drawn: float | None
    policy_version: str
    met: tuple[Met, ...] = ()
    withheld: Mapping[str, float] | None = None

    @property
    def experiment(self) -> str | None:
        """The experiment that decided."""
        return self.met[-1].experiment if self.met else None

    @property
    def variant(self) -> str | None:
        """The variant of the experiment that decided."""
        return self.met[-1].variant if self.met else None
