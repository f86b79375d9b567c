"""The gates that a new version of the policy passes before it decides: offline value, then shadow, then experiment."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from decisions.experiments import AS_USUAL, ExperimentPlan, Guardrail, Metric, StoppingRule, Variant, decide_by
from decisions.off_policy.estimators import Estimator
from decisions.off_policy.evaluate import Evaluation
from decisions.sequences import Tuning, radii
from storage.records import HoldoutCounts
from storage.rollout_store import ShadowCounts

LIVE, CANDIDATE = "live", "candidate"
"""The variants of a rollout's experiment."""
LEAST_HELD_OUT = 500
"""People held out before the comparison with them says anything: the holdout is small on purpose."""


@dataclass(frozen=True, slots=True)
class Gates:
    """What a version has to show, and when it is taken back.

    ``most_loss`` is how far below the live policy's value a decision the lower end of the DR interval may lie, as a
    share of it. ``compared`` decisions have to be seen in the shadow, ``agreement`` is the least probability of
    choosing as the live policy does, ``slow`` the largest share of them that may take longer than ``slow_seconds``.
    The experiment looks for a rise of the goal rate by ``minimum_effect`` within ``planned_duration``; net value may
    not get worse by ``most_harm``, both relative, nor the share of people who dismiss something by ``most_dismissed``,
    absolute. ``alpha`` is how often a version that does no harm may be taken back, over all looks together.
    """

    most_loss: float = 0.1
    compared: int = 500
    agreement: float = 0.05
    slow: float = 0.01
    slow_seconds: float = 0.02
    minimum_effect: float = 0.1
    planned_duration: str = "28d"
    window: str = "7d"
    most_harm: float = 0.1
    most_dismissed: float = 0.02
    alpha: float = 0.05


DEFAULT_GATES = Gates()


def plan_rollout(version: str, against: str, owner: str, name: str, gates: Gates = DEFAULT_GATES) -> ExperimentPlan:
    """Return the experiment in which a version decides about half of the people, the live policy about the rest."""
    return ExperimentPlan(
        name=name,
        hypothesis=f"More people reach the goal where version {version} of the policy decides than with {against}.",
        variants=(Variant(LIVE, AS_USUAL), Variant(CANDIDATE, decide_by(version))),
        layer="policy",
        primary_metric=Metric.GOAL.value,
        guardrails=(
            Guardrail(Metric.NET_VALUE.value, gates.most_harm),
            Guardrail(Metric.DISMISSED.value, gates.most_dismissed, absolute=True),
        ),
        minimum_effect=gates.minimum_effect,
        alpha=gates.alpha,
        planned_duration=gates.planned_duration,
        window=gates.window,
        owner=owner,
        stopping_rule=StoppingRule.ALWAYS_VALID,
    )


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a gate: what it is, what it has to be, and whether it is."""

    name: str
    value: float | None
    needed: str
    passed: bool


@dataclass(frozen=True, slots=True)
class GateResult:
    """What a gate says: every figure, those that are missing among them."""

    figures: tuple[Figure, ...]

    @property
    def passed(self) -> bool:
        """Whether every figure is as it has to be."""
        return all(figure.passed for figure in self.figures)

    @property
    def missing(self) -> tuple[Figure, ...]:
        """The figures that are not as they have to be."""
        return tuple(figure for figure in self.figures if not figure.passed)

    def to_json(self) -> list[Mapping[str, Any]]:
        """Return the figures as a list of objects."""
        return [asdict(figure) for figure in self.figures]


def offline_gate(evaluation: Evaluation, gates: Gates = DEFAULT_GATES) -> GateResult:
    """Return whether the log supports a version and rules out that it is much worse than the live one.

    The loss that is allowed is a share of the live policy's value, in which the value of goals that come anyway counts
    too: with few decisions it is hardly ever ruled out, and more are needed.
    """
    dr = evaluation.by(Estimator.DR)
    allowed = -gates.most_loss * abs(dr.value.value - dr.over_before.value)
    figures = [Figure("supported by the log", None, "; ".join(evaluation.reasons) or "yes", evaluation.supported)]
    figures.append(
        Figure(
            "DR lower bound of the net value a decision above the live policy",
            dr.over_before.low,
            f"at least {allowed:.4f}",
            bool(dr.over_before.low >= allowed),
        )
    )
    return GateResult(tuple(figures))


def shadow_gate(counts: ShadowCounts, gates: Gates = DEFAULT_GATES) -> GateResult:
    """Return whether a version has been seen long enough beside the live policy, without a fault."""
    answered = counts.compared - counts.failed
    agreement = counts.agreement / answered if answered else None
    slow = counts.slow / counts.compared if counts.compared else None
    return GateResult(
        (
            Figure(
                "decisions compared",
                counts.compared,
                f"at least {gates.compared:,}",
                counts.compared >= gates.compared,
            ),
            Figure("errors", counts.failed, "none", counts.failed == 0),
            Figure("propensities that are none", counts.invalid, "none", counts.invalid == 0),
            Figure(
                "probability of choosing as the live policy does",
                agreement,
                f"at least {gates.agreement:.0%}",
                agreement is not None and agreement >= gates.agreement,
            ),
            Figure(
                f"share that took longer than {gates.slow_seconds * 1_000:g} ms",
                slow,
                f"at most {gates.slow:.0%}",
                slow is not None and slow <= gates.slow,
            ),
        )
    )


def harm_by_holdout(counts: HoldoutCounts | None, gates: Gates = DEFAULT_GATES) -> str:
    """Return why a live version is to be taken back, in a sentence, or nothing.

    The goal rate of those who are not held out minus that of those who are: where its confidence sequence, which holds
    at all looks together, lies below 0, recommending is worse than doing nothing.
    """
    if counts is None or not counts.visitors or not counts.held_out:
        return ""
    rate, held = counts.converted / counts.visitors, counts.held_out_converted / counts.held_out
    error = math.sqrt(rate * (1 - rate) / counts.visitors + held * (1 - held) / counts.held_out)
    smaller, both = np.array([min(counts.visitors, counts.held_out)]), np.array([counts.visitors + counts.held_out])
    high = rate - held + float(radii(np.array([error]), smaller, both, Tuning(LEAST_HELD_OUT), gates.alpha)[0])
    if not error or high >= 0:
        return ""
    return (
        f"{rate:.2%} of {counts.visitors:,} people reached the goal with it and {held:.2%} of {counts.held_out:,} who "
        f"were held out at random; the difference is below {high:+.2%} at all looks together"
    )
