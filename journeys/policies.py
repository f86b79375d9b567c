"""The policies of a journey: what they stand on, and the one that learns from what the journey declares."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from decisions.bayes_policy import BayesPolicy
from decisions.logged import LoggedDecisions
from decisions.policy import Policy, Situation
from decisions.policy_files import BAYES, PolicyFilesError, PolicyGround, load_policy, read_posterior
from decisions.posterior import Posterior
from journeys.journey import Journey
from storage.digest import DigestMismatch, verify_digest
from storage.history import Action, Promotion, former_version
from storage.policies import PolicyNotFound, live_history, live_version, point_live, policy_folder, withdraw_live
from storage.registry import ANYONE


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


def learnt_policy(journey: Journey, logged: LoggedDecisions) -> BayesPolicy:
    """Return what the declared policy becomes by logged decisions alone, whatever else has been learnt."""
    declared = declared_policy(journey)
    return replace(declared, posterior=declared.posterior.learn(logged), version=f"{declared.version}+{len(logged)}")


def at_revision(policy: BayesPolicy, version: str, revision: int, state: str, journey: Journey) -> BayesPolicy:
    """Return what a policy has become by a revision of its version; raises ``decisions.policy_files.PolicyFilesError``.

    Its version names both, so that no two that could choose differently have one name.
    """
    return replace(policy, posterior=read_posterior(state, ground_of(journey)), version=f"{version}.{revision}")


def warmed(policy: Policy, journey: Journey) -> Policy:
    """Return a policy that has been asked once: what it makes ready for that is made now, while nobody waits for it."""
    unknown = np.full(len(journey.table.names), np.nan)
    policy.assess(journey.interventions, Situation(None, 1.0, (), {}, unknown))
    return policy


class NoFormerPolicy(LookupError):
    """There is no policy to go back from; the text says what decides."""


def roll_back_policy(journey: Journey, home: Path, *, reason: str = "", instead_of: str | None = ANYONE) -> Promotion:
    """Let the policy decide that was live before the present one, with all that it had learnt.

    Before the first one, and where the former one can no longer decide, that is what the journey declares: what is
    taken back has to go in any case. The line's version is empty then, and its reason says what was wrong. A former
    policy that learns goes on from where it stood. Raises :class:`NoFormerPolicy`, and ``storage.policies.LiveMoved``
    where another than ``instead_of`` is live by now; nothing is changed then.
    """
    name, live = journey.name, live_version(home, journey.name)
    if live is None:
        raise NoFormerPolicy(
            f"no policy is live for {name}, so there is none to go back from: what the journey declares decides"
        )
    standing = live if instead_of == ANYONE else instead_of
    former = former_version(live_history(home, name).promotions, live)
    if former is not None:
        try:
            folder = policy_folder(home, name, former)
            verify_digest(folder)
            load_policy(folder, ground_of(journey))
        except (PolicyNotFound, DigestMismatch, PolicyFilesError, OSError) as error:
            reason = f"{reason}; version {former}, which was live before, can no longer decide: {error}".lstrip("; ")
        else:
            return point_live(home, name, former, action=Action.ROLLBACK, reason=reason, instead_of=standing)
    return withdraw_live(home, name, reason=reason, instead_of=standing)
