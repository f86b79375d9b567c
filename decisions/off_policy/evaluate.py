"""What a policy would bring, by five estimators with intervals, and whether the log can tell at all."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from decisions.intervention import Intervention
from decisions.logged import BoolArray, LoggedDecisions
from decisions.off_policy.estimators import Estimator, score, weights
from decisions.off_policy.intervals import Interval, mean_interval
from decisions.off_policy.outcomes import Outcomes, learn_outcomes
from decisions.off_policy.payoff import Payoff, goals, net_values
from decisions.policy import PolicySettings
from features.events import FloatArray

LEAST_EFFECTIVE = 200.0
"""Decisions that the weighted ones have to be worth."""
LEAST_GOALS = 10
"""Goals there have to be among decisions that the policy could have made: fewer tell of no rate."""
MOST_UNSUPPORTED = 0.001
"""The largest share of the policy's decisions for options that the log could not have chosen."""
THIN = 0.01
"""A propensity below which an option is hardly ever seen."""


class NoOdds(ValueError):
    """No decision was made at known odds; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Estimated:
    """One estimator's value of the policy, and by how much it is above doing nothing and above the one before."""

    estimator: Estimator
    value: Interval
    over_nothing: Interval
    over_before: Interval
    threshold: float | None = None
    """SWITCH's: the largest weight that is believed."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """How much of the policy the log has seen.

    ``effective`` is the effective sample size (Kish), (sum w)^2 / sum w^2; ``goals`` those reached where the policy
    could have decided the same; ``unsupported`` the share of its decisions for options that the log could not have
    chosen, ``thin`` that for options chosen with a propensity below :data:`THIN`. ``never`` are options that it wants
    and the log never could have chosen.
    """

    effective: float
    largest_weight: float
    goals: int
    unsupported: float
    thin: float
    never: tuple[str, ...]
    nothing_effective: float
    nothing_unsupported: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a policy would bring per decision, in the journey's value unit and as a rate of goals.

    It is of the ``decisions`` where there was a choice; ``quiet`` further ones left none to any policy, and ``unknown``
    were made at odds that nobody kept. ``reasons`` say why the log cannot tell, where it cannot; ``cautions`` what to
    bear in mind.
    """

    decisions: int
    persons: int
    quiet: int
    unknown: int
    overlap: Overlap
    net_value: tuple[Estimated, ...]
    goal_rate: tuple[Estimated, ...]
    nothing: Interval
    logged: Interval
    reasons: tuple[str, ...]
    cautions: tuple[str, ...]

    @property
    def supported(self) -> bool:
        """Whether the log can tell."""
        return not self.reasons

    def by(self, estimator: Estimator) -> Estimated:
        """Return one estimator's net value."""
        return next(one for one in self.net_value if one.estimator is estimator)

    def to_json(self) -> dict[str, Any]:
        """Return the figures by name; what is infinite is null."""
        found: dict[str, Any] = _finite(asdict(self) | {"supported": self.supported})
        for name in ("net_value", "goal_rate"):
            found[name] = {one.pop("estimator"): one for one in found[name]}
        return found


def evaluate(
    logged: LoggedDecisions,
    target: FloatArray,
    interventions: Sequence[Intervention],
    settings: PolicySettings,
    outcomes: Outcomes | None = None,
    before: FloatArray | None = None,
) -> Evaluation:
    """Return what a policy with the propensities ``target`` (N, A) would have brought in place of the one that decided.

    ``before`` (N, A) are those of the policy that it is compared with, by default of the one that decided. ``outcomes``
    are of the same decisions; by default they are learnt from those that count. Raises :class:`NoOdds`
    where no decision that left a choice has known propensities, and ValueError for targets that do not sum to one.
    """
    if target.shape != logged.propensities.shape or np.any(np.abs(target.sum(axis=1) - 1) > 1e-6):
        raise ValueError("the target's propensities of a decision sum to one, an option a column")
    unknown = np.isnan(logged.propensities).any(axis=1)
    # Of low risk, in the holdout, or without anything eligible: no policy is asked.
    quiet = ~unknown & (logged.propensities[:, 0] == 1)
    counted = ~unknown & ~quiet
    if not counted.any():
        raise NoOdds(
            f"none of {len(logged):,} decisions left a choice that was made at known odds, so that nothing can be said "
            "of another policy: let the service decide with exploration above 0 (every answer of /v1/recommend is kept "
            "with its propensities), wait for the outcomes, and ask again"
        )
    kept, wanted = logged.take(counted), target[counted]
    earlier = kept.propensities if before is None else before[counted]
    learnt = learn_outcomes(kept) if outcomes is None else _part(outcomes, kept, counted)
    overlap = measure_overlap(kept, wanted)
    value, rate = net_values(kept.options, interventions, settings), goals(kept.options)
    brought = value.of(kept.converted, kept.chosen)
    persons = len(np.unique(kept.units))
    return Evaluation(
        decisions=len(kept),
        persons=persons,
        quiet=int(quiet.sum()),
        unknown=int(unknown.sum()),
        overlap=overlap,
        net_value=estimate_all(kept, wanted, earlier, value, learnt),
        goal_rate=estimate_all(kept, wanted, earlier, rate, learnt),
        nothing=mean_interval(score(Estimator.DR, kept, nothing(kept), value, learnt).values, kept.units),
        logged=mean_interval(brought, kept.units),
        reasons=tuple(_reasons(overlap, persons)),
        cautions=tuple(_cautions(overlap, int(unknown.sum()))),
    )


def estimate_all(
    logged: LoggedDecisions, target: FloatArray, before: FloatArray, payoff: Payoff, outcomes: Outcomes
) -> tuple[Estimated, ...]:
    """Return what every estimator makes of a policy; differences are of scores, decision by decision."""
    found = []
    for estimator in Estimator:
        scores = score(estimator, logged, target, payoff, outcomes)
        resting = score(estimator, logged, nothing(logged), payoff, outcomes).values
        earlier = score(estimator, logged, before, payoff, outcomes).values
        found.append(
            Estimated(
                estimator,
                mean_interval(scores.values, logged.units),
                mean_interval(scores.values - resting, logged.units),
                mean_interval(scores.values - earlier, logged.units),
                scores.threshold if estimator is Estimator.SWITCH_DR else None,
            )
        )
    return tuple(found)


def nothing(logged: LoggedDecisions) -> FloatArray:
    """Return the propensities (N, A) of never doing anything."""
    found = np.zeros(logged.propensities.shape)
    found[:, 0] = 1.0
    return found


def measure_overlap(logged: LoggedDecisions, target: FloatArray) -> Overlap:
    """Return how much of a policy the log has seen."""
    weight, idle = weights(logged, target), weights(logged, nothing(logged))
    seen = logged.propensities
    wanted = target.max(axis=0) > 0
    ever = seen.max(axis=0) > 0
    return Overlap(
        effective=effective_size(weight),
        largest_weight=float(weight.max()),
        goals=int(logged.converted[weight > 0].sum()),
        unsupported=float(target[seen == 0].sum() / len(logged)),
        thin=float(target[(seen > 0) & (seen < THIN)].sum() / len(logged)),
        never=tuple(
            name
            for name, needed, had in zip(logged.options, wanted.tolist(), ever.tolist(), strict=True)
            if needed and not had
        ),
        nothing_effective=effective_size(idle),
        nothing_unsupported=float((seen[:, 0] == 0).mean()),
    )


def effective_size(weight: FloatArray) -> float:
    """Return the effective sample size of weights (N,), 0 where all are zero (Kish 1965, section 11.7)."""
    squares = float((weight**2).sum())
    return float(weight.sum() ** 2 / squares) if squares else 0.0


def _part(outcomes: Outcomes, kept: LoggedDecisions, counted: BoolArray) -> Outcomes:
    """Return outcomes of some decisions; what was learnt from others counts as known."""
    return outcomes if counted.all() else Outcomes(kept, outcomes.probabilities[counted])


def _reasons(overlap: Overlap, persons: int) -> list[str]:
    found = [f"the log never could have chosen {name}" for name in overlap.never]
    if overlap.unsupported > MOST_UNSUPPORTED and not overlap.never:
        found.append(f"{overlap.unsupported:.1%} of its decisions are for options that the log could not have chosen")
    if overlap.effective < LEAST_EFFECTIVE:
        found.append(
            f"the decisions that it shares with the log are worth {overlap.effective:,.0f}; at least "
            f"{LEAST_EFFECTIVE:,.0f} are needed"
        )
    if overlap.goals < LEAST_GOALS:
        found.append(
            f"{overlap.goals} goals were reached where it could have decided the same; at least {LEAST_GOALS} are "
            "needed"
        )
    if persons < 2:
        found.append("the decisions are about a single person")
    return found


def _cautions(overlap: Overlap, unknown: int) -> list[str]:
    found = []
    if overlap.nothing_unsupported > MOST_UNSUPPORTED or overlap.nothing_effective < LEAST_EFFECTIVE:
        found.append("doing nothing is too rare in the log for the comparison with it")
    if overlap.thin > MOST_UNSUPPORTED:
        found.append(
            f"{overlap.thin:.1%} of its decisions are for options that the log chose with a probability below {THIN:g}"
        )
    if unknown:
        found.append(f"{unknown:,} decisions without known odds are left out")
    return found


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {name: _finite(one) for name, one in value.items()}
        case list() | tuple():
            return [_finite(one) for one in value]
        case _:
            return value
