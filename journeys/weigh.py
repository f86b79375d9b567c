"""The propensities of any policy that a journey can name, on decisions that were logged."""

from datetime import datetime
from pathlib import Path

from decisions.logged import LoggedDecisions, WeighablePolicy
from decisions.off_policy.evaluate import nothing
from decisions.off_policy.priors import WeighablePriors
from decisions.off_policy.targets import PolicyUnreadable, declared, deployed, read_declared
from decisions.policy import MAX_EXPLORATION, NOTHING
from decisions.policy_files import load_policy, read_card
from decisions.uplift_policy import reads_features
from features.events import US_PER_SECOND, FloatArray
from journeys.journey import Journey
from journeys.policies import declared_policy, ground_of
from storage.digest import verify_digest
from storage.policies import PolicyNotFound, live_version, policy_folder, policy_versions

BAYES, LIVE, PRIORS = "bayes", "live", "priors"
"""Names that are no versions: the declared policies, and whichever decides."""


def standing_policy(journey: Journey) -> WeighablePolicy:
    """Return what decides while no version is live: the policy that learns where the journey says so, or the priors."""
    if journey.policy.learns:
        return declared_policy(journey)
    return WeighablePriors(journey.policy, journey.interventions)


def published_policy(journey: Journey, version: str, home: Path) -> WeighablePolicy:
    """Return a published version.

    Raises ``storage.policies.PolicyNotFound``, ``storage.registry.DigestMismatch`` and
    ``decisions.policy_files.PolicyFilesError``.
    """
    folder = policy_folder(home, journey.name, version)
    verify_digest(folder)
    return load_policy(folder, ground_of(journey))


def live_policy(journey: Journey, home: Path) -> WeighablePolicy:
    """Return the version that decides, as it was published, or what decides without one."""
    version = live_version(home, journey.name)
    return standing_policy(journey) if version is None else published_policy(journey, version, home)


def target_of(
    journey: Journey, policy: str, logged: LoggedDecisions, home: Path, exploration: float | None = None
) -> tuple[str, FloatArray]:
    """Return what a policy is called, and its propensities (N, A), exploration included.

    ``policy`` is a published version, ``nothing``, ``priors``, ``bayes``, ``live``, a folder of a policy's files, or a
    JSON file of rules. Raises :class:`decisions.off_policy.targets.PolicyUnreadable` and what
    :func:`published_policy` raises.
    """
    if exploration is not None and not 0 <= exploration <= MAX_EXPLORATION:
        raise PolicyUnreadable(f"exploration is from 0 to {MAX_EXPLORATION:g}, not {exploration:g}")
    explored = journey.policy.exploration if exploration is None else exploration
    path = Path(policy)
    if policy == NOTHING:
        return "doing nothing", nothing(logged)
    if path.is_file():
        rules = read_declared(path)
        return rules.name, declared(rules, logged)
    found = _named(journey, policy, home)
    return found.version, deployed(found, logged, explored)


def needs_features(journey: Journey, policy: str, home: Path) -> bool:
    """Whether a policy goes by raw features of the sessions; raises what :func:`target_of` raises."""
    return policy != NOTHING and not Path(policy).is_file() and reads_features(_named(journey, policy, home))


def say_older(journey: Journey, policy: str, logged: LoggedDecisions, home: Path) -> str:
    """Return a sentence where decisions are older than a published version, which may have learnt from them."""
    if policy not in policy_versions(home, journey.name):
        return ""
    registered = read_card(policy_folder(home, journey.name, policy)).get("registered_at")
    if not isinstance(registered, str):
        return ""
    older = int((logged.at_us < datetime.fromisoformat(registered).timestamp() * US_PER_SECOND).sum())
    if not older:
        return ""
    return (
        f"{older:,} of the {len(logged):,} decisions are older than version {policy}: where it has learnt from them, "
        "it looks better than it is."
    )


def _named(journey: Journey, policy: str, home: Path) -> WeighablePolicy:
    if policy == PRIORS:
        return WeighablePriors(journey.policy, journey.interventions)
    if policy == BAYES:
        return declared_policy(journey)
    if policy == LIVE:
        return live_policy(journey, home)
    if Path(policy).is_dir():
        return load_policy(Path(policy), ground_of(journey))
    return _published(journey, policy, home)


def _published(journey: Journey, policy: str, home: Path) -> WeighablePolicy:
    try:
        return published_policy(journey, policy, home)
    except PolicyNotFound as error:
        raise PolicyNotFound(
            f"{error}; a policy is a version, {NOTHING}, {PRIORS}, {BAYES}, {LIVE}, or a JSON file of rules"
        ) from error
