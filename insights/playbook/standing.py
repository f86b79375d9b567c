"""What is known of a tactic at a moment: its evidence together, what age has left of it, and whether to test again."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from features.duration import parse_duration
from features.events import US_PER_SECOND
from insights.experiments.result import Verdict
from insights.intervals import Estimate
from insights.playbook.combine import Combined, combine, variance_of, weight_at
from journeys.journey import Journey
from storage.playbook import Tactic, TacticEvidence, TacticStatus

INVALID = Verdict.INVALID.value
US_PER_DAY = 86_400 * US_PER_SECOND


@dataclass(frozen=True, slots=True)
class Aging:
    """How evidence ages: in a half-life it comes to count half, and past ``limit_us`` it is too old to rely on."""

    half_life_us: float
    limit_us: float


@dataclass(frozen=True, slots=True)
class Standing:
    """What a tactic's evidence comes to.

    ``counted`` is the evidence that was combined: that of valid experiments on the metric of the latest of them.
    ``measured`` is what it says without its age, ``now`` with it, ``age_us`` the age of the latest. ``why_due`` says
    why a proven tactic is to be tested again, empty where it is not.
    """

    counted: tuple[TacticEvidence, ...]
    measured: Combined
    now: Combined
    age_us: int
    why_due: str

    @property
    def latest(self) -> TacticEvidence:
        """The evidence of the experiment that ended last."""
        return self.counted[-1]

    @property
    def is_share(self) -> bool:
        """Whether the effect is the rise of a share, which is told in points."""
        return self.latest.baseline is not None

    @property
    def weight(self) -> float:
        """What the evidence still counts: the variance without its age over that with it, 1 when all of it is new."""
        fresh, aged = (_width(one.effect) for one in (self.measured, self.now))
        return (fresh / aged) ** 2


def aging_of(journey: Journey) -> Aging:
    """Return how evidence ages in a journey."""
    half_life, limit = (parse_duration(text) for text in (journey.evidence_half_life, journey.evidence_limit))
    return Aging(half_life * US_PER_SECOND, limit * US_PER_SECOND)


def countable(evidence: Sequence[TacticEvidence]) -> tuple[TacticEvidence, ...]:
    """Return the evidence that can be combined, that which ended first at the front.

    It is valid, has an interval of some width, and is on the metric of the latest such: rises of different metrics have
    no mean.
    """
    usable = [one for one in evidence if one.verdict != INVALID and one.low < one.high and math.isfinite(one.effect)]
    usable.sort(key=lambda one: one.to_us)
    return tuple(one for one in usable if one.metric == usable[-1].metric)


def weigh(tactic: Tactic, aging: Aging, now_us: int) -> Standing | None:
    """Return what is known of a tactic at a moment; None where no valid experiment has ended."""
    counted = countable(tactic.evidence)
    if not counted:
        return None
    effects = [one.effect for one in counted]
    variances = [variance_of(one.low, one.high) for one in counted]
    ages = [max(0, now_us - one.to_us) for one in counted]
    aged = [variance / weight_at(age, aging.half_life_us) for variance, age in zip(variances, ages, strict=True)]
    now = combine(effects, aged)
    why = _why_due(now.effect, ages[-1], aging) if tactic.status is TacticStatus.PROVEN else ""
    return Standing(counted, combine(effects, variances), now, ages[-1], why)


def _why_due(effect: Estimate, age_us: int, aging: Aging) -> str:
    days = age_us // US_PER_DAY
    if effect.low <= 0 <= effect.high:
        return f"its evidence, the latest {days:,} days old, no longer excludes that it does nothing"
    if effect.high < 0:
        return "experiments since say that it does harm"
    if age_us > aging.limit_us:
        return f"its latest evidence is {days:,} days old, past the limit of {aging.limit_us / US_PER_DAY:,.0f}"
    return ""


def _width(effect: Estimate) -> float:
    return effect.high - effect.low
