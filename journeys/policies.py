"""The policies of a journey: what they stand on, and the one that learns from what the journey declares."""

import hashlib
from dataclasses import replace

from decisions.bayes_policy import BayesPolicy
from decisions.policy_files import BAYES, PolicyGround, read_posterior
from decisions.posterior import Posterior
from journeys.journey import Journey


def ground_of(journey: Journey) -> PolicyGround:
    """Return what of a journey its policies stand on."""
    return PolicyGround(
        journey.interventions, journey.policy, tuple(stage.name for stage in journey.stages), journey.table
    )


def declared_policy(journey: Journey) -> BayesPolicy:
    """Return the policy that knows no more than what the journey declares, and can learn from there.

    Its version names the declarations: with others begins another policy, which learns from the first decision on.
    """
    ground = ground_of(journey)
    start = Posterior.start(ground.interventions, ground.settings, ground.stages, ground.frictions)
    digest = hashlib.sha256(start.to_json().encode()).hexdigest()[:8]
    return BayesPolicy(start, ground.interventions, ground.settings, f"{BAYES}-{digest}")


def at_revision(policy: BayesPolicy, version: str, revision: int, state: str, journey: Journey) -> BayesPolicy:
    """Return what a policy has become by a revision of its version; raises ``decisions.policy_files.PolicyFilesError``.

    Its version names both, so that no two that could choose differently have one name.
    """
    return replace(policy, posterior=read_posterior(state, ground_of(journey)), version=f"{version}.{revision}")
