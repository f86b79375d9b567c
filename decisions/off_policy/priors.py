"""The declared priors, asked about many logged situations at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from decisions.diagnosis import MIN_LISTED_SHARE, NOTHING, first_blockers
from decisions.intervention import Intervention
from decisions.logged import LoggedDecisions
from decisions.off_policy.payoff import net_values
from decisions.policy import Assessment, PolicySettings, PriorPolicy, Situation
from features.events import FloatArray


@dataclass(frozen=True, slots=True)
class WeighablePriors:
    """``PriorPolicy`` as a policy that can be weighed on what was logged."""

    settings: PolicySettings
    interventions: tuple[Intervention, ...]

    @property
    def version(self) -> str:
        """The version of the priors."""
        return PriorPolicy(self.settings).version

    def assess(self, eligible: Sequence[Intervention], situation: Situation) -> Assessment:
        """Return what ``PriorPolicy`` makes of the eligible interventions."""
        return PriorPolicy(self.settings).assess(eligible, situation)

    def net_values(self, logged: LoggedDecisions) -> FloatArray:
        """Return the expected net value of each option (N, A), 0 for doing nothing, -inf for what was not eligible."""
        known = {one.name: one for one in self.interventions}
        offered = [known[name] for name in logged.options[1:]]
        treated = [{friction.name for friction in one.treats} for one in offered]
        treats = np.array([[name in names for name in logged.frictions] for names in treated], np.float64)
        treats = treats.reshape(len(offered), len(logged.frictions))
        effects = np.array([one.prior_effect for one in offered])
        uplift = np.zeros(logged.propensities.shape)
        uplift[:, 1:] = np.minimum(effects * (listed_shares(logged.confidence) @ treats.T), logged.risk[:, None])
        payoff = net_values(logged.options, self.interventions, self.settings)
        reached = 1.0 - logged.risk[:, None]
        # What a conversion with an option costs counts for all of them, also those that would have come anyway.
        found = payoff.expected(reached + uplift) - self.settings.goal_value * reached
        found[:, 0] = 0.0
        found[~logged.eligible] = -np.inf
        return found

    def best(self, logged: LoggedDecisions) -> FloatArray:
        """Return one for the option with the highest net value (N, A), doing nothing before others of the same."""
        found = np.zeros(logged.propensities.shape)
        found[np.arange(len(logged)), self.net_values(logged).argmax(axis=1)] = 1.0
        return found


def listed_shares(confidence: FloatArray) -> FloatArray:
    """Return the shares (N, K) of the blockers that a diagnosis lists; zeros where it abstains."""
    total = confidence.sum(axis=1, keepdims=True)
    listed = np.where(confidence >= MIN_LISTED_SHARE * total, confidence, 0.0)
    listed[first_blockers(confidence) == NOTHING] = 0.0
    whole = listed.sum(axis=1, keepdims=True)
    found: FloatArray = np.divide(listed, whole, out=np.zeros_like(listed), where=whole > 0)
    return found
