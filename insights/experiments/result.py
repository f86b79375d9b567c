"""What an analysis finds. Everything serialises to JSON: ends of intervals that are infinite are null."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from typing import Any

from decisions.experiments import StoppingRule
from insights.experiments.people import RowCounts
from insights.experiments.sizing import MetricKind
from insights.intervals import Estimate


class Verdict(StrEnum):
    """What an experiment comes to."""

    SHIP = "ship"
    STOP = "stop"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"


class Role(StrEnum):
    """What a metric is there for."""

    PRIMARY = "primary"
    GUARDRAIL = "guardrail"
    SECONDARY = "secondary"


class Held(StrEnum):
    """Whether a guardrail is known to hold."""

    HELD = "held"
    """Worse by the margin or more is ruled out."""
    BROKEN = "broken"
    """It is worse by the margin or more."""
    OPEN = "open"
    """Neither is known yet."""


@dataclass(frozen=True, slots=True)
class ArmValue:
    """A metric in one arm; ``value`` is a rate, a mean or a ratio, as observed."""

    variant: str
    people: int
    value: float


@dataclass(frozen=True, slots=True)
class Bayes:
    """What is believed of a difference after the data, with flat priors.

    ``expected_loss`` is by how much the metric is worse in the mean if the variant is shipped, counting nothing where
    it is better.
    """

    probability_better: float
    expected_loss: float
    method: str


@dataclass(frozen=True, slots=True)
class Effect:
    """A variant's randomised effect on a metric: treated minus control, with intervals by both rules.

    The intervals of the primary metric share alpha between the variants (Bonferroni); ``adjusted`` p-values are Holm's
    over the variants. ``difference`` is after the adjustment for covariates, ``unadjusted`` without it.
    ``always_valid`` is None before the sequence's start. Relative ones are None where the control's value is not above
    zero. ``needed_per_arm`` is how many people in each arm the declared rule needs to find the minimum effect.
    """

    measure: str
    kind: MetricKind
    role: Role
    variant: str
    more_is_better: bool
    control: ArmValue
    treated: ArmValue
    difference: Estimate
    always_valid: Estimate | None
    relative: Estimate | None
    relative_always_valid: Estimate | None
    unadjusted: Estimate
    standard_error: float
    p_fixed: float | None
    p_always_valid: float
    adjusted_p_fixed: float | None
    adjusted_p_always_valid: float
    variance_removed: float
    covariates: tuple[str, ...]
    bayes: Bayes
    winsorised_at: float | None = None


@dataclass(frozen=True, slots=True)
class GuardCheck:
    """Whether a variant keeps a guardrail; ``worse`` is by how much it is worse, with a one-sided bound by the rule."""

    effect: Effect
    margin: float
    absolute: bool
    held: Held
    p_not_worse: float
    """The p-value of its being worse by the margin: small where that is ruled out."""


@dataclass(frozen=True, slots=True)
class Look:
    """The primary metric's difference after so many people in the order of their exposure."""

    at_us: int | None
    control: int
    treated: int
    difference: float
    low: float
    high: float
    always_valid_low: float
    always_valid_high: float


@dataclass(frozen=True, slots=True)
class SliceCheck:
    """A slice's numbers of people against those that were planned."""

    name: str
    value: str
    observed: Mapping[str, int]
    expected: Mapping[str, float]
    p: float
    adjusted_p: float
    alarm: bool


@dataclass(frozen=True, slots=True)
class RatioCheck:
    """Whether people came in the planned ratio (sample ratio mismatch); ``slices`` are the least probable ones."""

    observed: Mapping[str, int]
    expected: Mapping[str, float]
    p: float
    alarm: bool
    slices: tuple[SliceCheck, ...]
    slices_tested: int
    adaptive: bool
    """Whether the expected numbers are sums of logged propensities."""

    @property
    def named(self) -> tuple[SliceCheck, ...]:
        """The slices in which the ratio is off."""
        return tuple(one for one in self.slices if one.alarm)

    @property
    def failed(self) -> bool:
        """Whether the ratio is off, overall or in a slice."""
        return self.alarm or bool(self.named)


@dataclass(frozen=True, slots=True)
class SegmentEffect:
    """The primary metric's difference in one segment; ``adjusted_p`` is Benjamini and Hochberg's over all segments."""

    name: str
    value: str
    variant: str
    control: ArmValue
    treated: ArmValue
    difference: Estimate
    always_valid: Estimate | None
    p_fixed: float | None
    adjusted_p: float | None
    shrunk: float
    """The difference drawn towards that of all people, as far as chance alone would make segments differ."""


@dataclass(frozen=True, slots=True)
class NextHypothesis:
    """What to test next: a hypothesis, not a finding. ``per_arm`` is what a test of it needs by the same rule."""

    sentence: str
    segment: str | None
    value: str | None
    variant: str
    expected: float
    per_arm: int | None


@dataclass(frozen=True, slots=True)
class Needed:
    """The sample that is still needed: people in each arm, in all and further ones, for a change of ``change``."""

    per_arm: int
    further_per_arm: int
    change: float
    further_days: int | None


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict with its reasons, each a sentence; the first says most."""

    verdict: Verdict
    variant: str | None
    reasons: tuple[str, ...]
    needed: Needed | None = None
    next_hypothesis: NextHypothesis | None = None


@dataclass(frozen=True, slots=True)
class Analysis:
    """All that an analysis found; ``decision`` is of the experiment, ``by_variant`` of each variant but the control."""

    decision: Decision
    by_variant: Mapping[str, Decision]
    rule: StoppingRule
    alpha: float
    power: float
    hypothesis: str
    variants: tuple[str, ...]
    people: Mapping[str, int]
    began_us: int | None
    ended_us: int | None
    primary: tuple[Effect, ...]
    guards: tuple[GuardCheck, ...]
    secondary: tuple[Effect, ...]
    sequence: Mapping[str, tuple[Look, ...]]
    ratio: RatioCheck
    segments: tuple[SegmentEffect, ...]
    counts: RowCounts
    covariates_refused: Mapping[str, str]
    """Covariates that were not used, each with the reason."""
    start_per_arm: int
    narrowest_per_arm: float
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return everything, as JSON has it."""
        found: dict[str, Any] = plain(self)
        return found


def plain(value: Any) -> Any:
    """Return a result as JSON has it."""
    match value:
        case StrEnum():
            return value.value
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(name): plain(one) for name, one in value.items()}
        case list() | tuple():
            return [plain(one) for one in value]
        case _ if is_dataclass(value):
            return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
        case _:
            return value
