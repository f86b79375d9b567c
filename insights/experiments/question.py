"""What an analysis is asked: the metrics, the margins, the errors, and the rule of stopping, as they were declared."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from decisions.experiments import StoppingRule
from insights.experiments.sizing import MetricKind

MOST_CROSSED = 0.01
"""With a larger share of people who met two variants, an experiment is invalid."""


class AnalysisError(ValueError):
    """An analysis that cannot be made as asked; one sentence that says what to change."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric: the sum of ``outcome`` of each person, whether there is any, or over the sum of ``per``.

    ``outcome`` names a metric or column of the outcomes, by default ``name``.
    """

    name: str
    kind: MetricKind = MetricKind.PROPORTION
    outcome: str = ""
    per: str | None = None
    more_is_better: bool = True

    def __post_init__(self) -> None:
        if (self.kind is MetricKind.RATIO) != (self.per is not None):
            raise AnalysisError(f"the metric {self.name!r}: a ratio, and only a ratio, is a sum over another one")
        if not self.outcome:
            object.__setattr__(self, "outcome", self.name)


@dataclass(frozen=True, slots=True)
class Guard:
    """A metric that must not get worse by ``margin``: relative to the control's, .05 is 5 %, or in its own unit."""

    measure: Measure
    margin: float
    absolute: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.margin < math.inf:
            raise AnalysisError(
                f"the guardrail {self.measure.name!r} has the margin {self.margin:g}: give a number above 0"
            )


@dataclass(frozen=True, slots=True)
class Question:
    """All that an analysis goes by besides the data.

    ``control`` is the variant that the others are compared with; by default the one called so, or the first.
    ``shares`` are the planned parts of the variants, equal by default. ``minimum_effect`` is the least relative change
    of the primary metric that is worth having: .2 is a rise by a fifth, -.2 a fall. ``planned_per_arm`` is the planned
    size; ``ends_us`` the planned end. ``covariates`` are those that were asked for; None takes what the exposures have.
    ``slices`` are where the ratio of the arms is checked, ``segments`` by what the primary metric is broken down; None
    takes all that the exposures have. ``window_us`` is how long after the exposure outcomes count.
    """

    primary: Measure
    guards: tuple[Guard, ...] = ()
    secondary: tuple[Measure, ...] = ()
    control: str | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    alpha: float = 0.05
    power: float = 0.8
    minimum_effect: float | None = None
    rule: StoppingRule = StoppingRule.ALWAYS_VALID
    planned_per_arm: int | None = None
    ends_us: int | None = None
    window_us: int | None = None
    covariates: tuple[str, ...] | None = None
    before: bool = False
    """Whether what a person did before the exposure is a covariate, too."""
    slices: tuple[str, ...] | None = None
    segments: tuple[str, ...] | None = None
    most_crossed: float = MOST_CROSSED
    hypothesis: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise AnalysisError(f"alpha {self.alpha:g} is no error rate: give a number between 0 and 1, such as 0.05")
        if not self.alpha < self.power < 1:
            raise AnalysisError(f"the power {self.power:g} must lie between alpha, {self.alpha:g}, and 1: 0.8 is usual")
        if self.minimum_effect is not None and not 0 < abs(self.minimum_effect) < math.inf:
            raise AnalysisError(f"the minimum effect {self.minimum_effect:g} is no change: .1 is a rise by a tenth")
        if self.planned_per_arm is not None and self.planned_per_arm < 1:
            raise AnalysisError(f"{self.planned_per_arm} people per arm are no size: give a number above 0")
        if any(not share > 0 for share in self.shares.values()):
            raise AnalysisError("each variant's planned share must be above 0")

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Every metric, the primary first, each once."""
        guarded = (guard.measure for guard in self.guards)
        return tuple({one.name: one for one in (*reversed(self.secondary), *guarded, self.primary)}.values())[::-1]
