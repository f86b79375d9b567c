"""What a policy that learns believes of each intervention about each blocker, with how sure it is."""

from dataclasses import dataclass, replace

import numpy as np

from decisions.bayes_policy import BayesPolicy
from decisions.policy import Situation

LOW, HIGH = 0.05, 0.95
"""The bounds of the intervals: of all that is believed possible, nine tenths lie within."""


@dataclass(frozen=True, slots=True)
class BelievedEffect:
    """The rise of the goal's probability that is believed of an intervention where a blocker stands in the way.

    ``low`` and ``high`` hold nine tenths of what is believed possible; ``pays`` is the probability that showing it is
    worth more than it costs. ``is_treated`` says whether the journey declares that it treats the blocker.
    """

    blocker: str
    intervention: str
    is_treated: bool
    effect: float
    low: float
    high: float
    pays: float


def believed_effects(policy: BayesPolicy) -> tuple[BelievedEffect, ...]:
    """Return what a policy believes of every intervention and blocker, over the stages in which each may be shown.

    Of somebody of the usual risk, of whom it is sure that the blocker is what stands in the way.
    """
    terms = policy.posterior.terms
    coefficients = terms.coefficients(replace(policy, width=1.0).draws)
    usual_risk = 1.0 / (1.0 + np.exp(terms.usual))
    found = []
    for friction in terms.frictions:
        for option, intervention in enumerate(policy.interventions, start=1):
            uplifts, values = [], []
            for stage in intervention.stages:
                seen, offset = terms.situation(Situation(stage, float(usual_risk), (), {friction: 1.0}))
                base = offset + seen @ coefficients[0]
                untreated, treated = (
                    1.0 / (1.0 + np.exp(-each)) for each in (base, base + seen @ coefficients[option])
                )
                uplifts.append(treated - untreated)
                spent = intervention.cost + policy.settings.annoyance + intervention.cost_if_converted * treated
                values.append(uplifts[-1] * policy.settings.goal_value - spent)
            uplift = np.mean(uplifts, axis=0)
            low, high = np.quantile(uplift, (LOW, HIGH)).tolist()
            found.append(
                BelievedEffect(
                    friction,
                    intervention.name,
                    friction in {one.name for one in intervention.treats},
                    float(uplift.mean()),
                    low,
                    high,
                    float((np.mean(values, axis=0) > 0).mean()),
                )
            )
    return tuple(found)
