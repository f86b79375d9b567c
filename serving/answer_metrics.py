"""What is answered: the steps of the model, the distribution of its risks, what blocks, and what is recommended."""

import math
from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from decisions.decision import Decision, Reason
from decisions.policy import NOTHING

STEPS = ("replay", "predict", "explain", "decide")
STEP_SECONDS = (0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.064)
_RISKS = tuple(tenth / 10 for tenth in range(1, 11))
_NOT_EXPLAINED = frozenset({Reason.ENDED, Reason.LOW_RISK})
NO_BLOCKER = "none"
"""What counts as named where nothing is; no friction may have that name."""


class AnswerMetrics:
    """What the scorer says, by the stages, frictions and interventions of a journey, all of which stand from the start.

    Rates see no rise in a series that begins with it.
    """

    def __init__(
        self, registry: CollectorRegistry, stages: Sequence[str], frictions: Sequence[str], interventions: Sequence[str]
    ) -> None:
        steps = Histogram(
            "dropoff_model_seconds",
            "What the model's answer is made of.",
            ["step"],
            buckets=STEP_SECONDS,
            registry=registry,
        )
        self._steps = {step: steps.labels(step) for step in STEPS}
        risks = Histogram(
            "dropoff_risk",
            "Risks of open sessions as answered, by stage.",
            ["stage"],
            buckets=_RISKS,
            registry=registry,
        )
        # The last is of sessions that have not reached the first stage.
        self._risks = [risks.labels(stage) for stage in (*stages, "")]
        self._decisions = Counter("dropoff_decisions", "Decisions by reason.", ["reason"], registry=registry)
        self._blockers = Counter(
            "dropoff_blockers",
            "Decisions about a risk that is not low, by the blocker that was named first.",
            ["friction"],
            registry=registry,
        )
        self._recommendations = Counter(
            "dropoff_recommendations", "Decisions by what was recommended.", ["intervention"], registry=registry
        )
        for reason in Reason:
            self._decisions.labels(str(reason))
        for friction in (*frictions, NO_BLOCKER):
            self._blockers.labels(friction)
        for intervention in (*interventions, NOTHING):
            self._recommendations.labels(intervention)
        self._least_propensity = Gauge(
            "dropoff_propensity_min",
            "The least probability that any option of a decision had since this process started.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._least_propensity.set(1.0)
        self._least = 1.0

    def observe_step(self, step: str, seconds: float) -> None:
        """Record how long ``replay``, ``predict``, ``explain`` or ``decide`` took."""
        self._steps[step].observe(seconds)

    def observe_risk(self, stage: float, risk: float) -> None:
        """Record a risk that was answered at a stage, by its place; NaN before the first."""
        self._risks[-1 if math.isnan(stage) else int(stage)].observe(risk)

    def count_decision(self, decision: Decision) -> None:
        """Record a decision that is in the ledger."""
        self._decisions.labels(str(decision.reason)).inc()
        chosen = decision.recommendation
        self._recommendations.labels(chosen.intervention if chosen else NOTHING).inc()
        if decision.reason not in _NOT_EXPLAINED:
            self._blockers.labels(decision.blockers[0].friction.name if decision.blockers else NO_BLOCKER).inc()
        if decision.drawn is not None:
            self._observe_propensities(decision.propensities)

    def _observe_propensities(self, propensities: Mapping[str, float]) -> None:
        # An option that had none was none.
        least = min((odds for odds in propensities.values() if odds), default=1.0)
        if least < self._least:
            self._least = least
            self._least_propensity.set(least)
