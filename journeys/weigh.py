"""The propensities of any policy that a journey can name, on decisions that were logged."""

from pathlib import Path

from decisions.logged import LoggedDecisions
from decisions.off_policy.evaluate import nothing
from decisions.off_policy.priors import WeighablePriors
from decisions.off_policy.targets import PolicyUnreadable, declared, deployed, read_declared
from decisions.policy import MAX_EXPLORATION, NOTHING
from features.events import FloatArray
from journeys.journey import Journey

PRIORS = "priors"


def target_of(
    journey: Journey, policy: str, logged: LoggedDecisions, exploration: float | None = None
) -> tuple[str, FloatArray]:
    """Return what a policy is called, and its propensities (N, A), exploration included.

    ``policy`` is ``nothing``, ``priors`` or a JSON file of rules. Raises
    :class:`decisions.off_policy.targets.PolicyUnreadable`.
    """
    if exploration is not None and not 0 <= exploration <= MAX_EXPLORATION:
        raise PolicyUnreadable(f"exploration is from 0 to {MAX_EXPLORATION:g}, not {exploration:g}")
    explored = journey.policy.exploration if exploration is None else exploration
    if policy == NOTHING:
        return "doing nothing", nothing(logged)
    if policy == PRIORS:
        priors = WeighablePriors(journey.policy, journey.interventions)
        return priors.version, deployed(priors, logged, explored)
    path = Path(policy)
    if path.is_file():
        rules = read_declared(path)
        return rules.name, declared(rules, logged)
    raise PolicyUnreadable(f"{policy!r} is no policy: name {NOTHING}, {PRIORS}, or a JSON file of rules")
