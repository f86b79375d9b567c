"""The policies of a journey: those that were published, and those that have learnt, with what each knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine

from decisions.bayes_policy import BayesPolicy
from decisions.logged import WeighablePolicy
from decisions.off_policy.priors import WeighablePriors
from decisions.policy_files import PRIORS, PolicyFilesError, load_policy, read_card
from journeys.journey import Journey
from journeys.policies import at_revision, declared_policy, ground_of
from storage.audit import AuditEntry, write_audit
from storage.policies import live_version, policy_folder, policy_versions
from storage.policy_store import LearningPolicy, PolicyStates
from storage.registry import DigestMismatch, verify_digest


@dataclass(frozen=True, slots=True)
class ListedPolicy:
    """One policy of a journey; ``learnt`` is None for one that has learnt nothing in the service.

    ``damage`` says why a published version cannot decide, None where it can.
    """

    version: str
    kind: str
    decides: bool
    is_published: bool
    learnt: LearningPolicy | None
    damage: str | None = None

    @property
    def status(self) -> str:
        """What it does at present, in words."""
        if self.damage is not None:
            return "damaged"
        does = "decides" if self.decides else ""
        if self.learnt is not None and self.learnt.paused_us is not None:
            learns = "learns no more"
        else:
            learns = "learns" if self.learnt is not None else ""
        return ", ".join(part for part in (does, learns) if part) or "published"


class NotLearning(LookupError):
    """There is no policy of that version that has learnt anything; the text says which there are."""


def list_policies(journey: Journey, home: Path, engine: Engine | None) -> list[ListedPolicy]:
    """Return every policy of a journey, the one that decides first; without an engine, as they were published."""
    live, declared = live_version(home, journey.name), declared_policy(journey)
    known: Mapping[str, LearningPolicy] = {}
    if engine is not None:
        with engine.connect() as connection:
            known = {one.version: one for one in PolicyStates(engine, journey.name).known(connection)}
    found = []
    if live is None and not journey.policy.learns:
        priors = WeighablePriors(journey.policy, journey.interventions)
        found.append(ListedPolicy(priors.version, PRIORS, decides=True, is_published=False, learnt=None))
    published = policy_versions(home, journey.name)
    for version in published:
        kind, damage = _looked_at(journey, home, version)
        found.append(
            ListedPolicy(version, kind, version == live, is_published=True, learnt=known.get(version), damage=damage)
        )
    for version, one in known.items():
        if version not in published:
            decides = live is None and journey.policy.learns and version == declared.version
            found.append(ListedPolicy(version, one.kind, decides, is_published=False, learnt=one))
    return sorted(found, key=lambda one: not one.decides)


def policy_of(journey: Journey, home: Path, engine: Engine | None, version: str) -> WeighablePolicy:
    """Return a version with all that it has learnt by now; raises what loading a published one raises."""
    declared = declared_policy(journey)
    if version == declared.version:
        policy: WeighablePolicy = declared
    else:
        folder = policy_folder(home, journey.name, version)
        verify_digest(folder)
        policy = load_policy(folder, ground_of(journey))
    if engine is None or not isinstance(policy, BayesPolicy):
        return policy
    with engine.connect() as connection:
        state = PolicyStates(engine, journey.name).newest(connection, version)
    return policy if state is None else at_revision(policy, version, state.revision, state.state, journey)


def pause_learning(connection: Connection, states: PolicyStates, version: str, *, actor: str, now_us: int) -> None:
    """Let a version learn no more, and say so in the audit; raises :class:`NotLearning`."""
    _require(connection, states, version)
    before = states.paused_us(connection, version)
    if before is None:
        states.pause(connection, version, now_us)
        _audit(connection, states, version, "pause learning", actor, now_us)


def resume_learning(
    connection: Connection,
    states: PolicyStates,
    version: str,
    revision: int | None = None,
    *,
    actor: str,
    now_us: int,
) -> None:
    """Let a version learn again, with ``revision`` from what it knew then, and say so in the audit.

    What has become known since that revision is then never learnt. Raises :class:`NotLearning`, also for a revision
    that is not kept any more.
    """
    _require(connection, states, version)
    if revision is not None:
        again = states.return_to(connection, version, revision, now_us)
        if again is None:
            raise NotLearning(f"revision {revision} of policy {version} is not kept; the latest ones and one a day are")
        _audit(connection, states, version, f"return to revision {revision}", actor, now_us)
    if states.paused_us(connection, version) is not None:
        states.pause(connection, version, None)
        _audit(connection, states, version, "resume learning", actor, now_us)


def _looked_at(journey: Journey, home: Path, version: str) -> tuple[str, str | None]:
    folder = policy_folder(home, journey.name, version)
    kind = "unknown"
    try:
        verify_digest(folder)
        kind = str(read_card(folder)["kind"])
        load_policy(folder, ground_of(journey))
    except (DigestMismatch, PolicyFilesError, OSError) as error:
        return kind, str(error)
    return kind, None


def _require(connection: Connection, states: PolicyStates, version: str) -> None:
    if states.newest_revision(connection, version) is None:
        known = ", ".join(one.version for one in states.known(connection)) or "none"
        raise NotLearning(f"no policy {version!r} of {states.journey} has learnt anything (those that have: {known})")


def _audit(connection: Connection, states: PolicyStates, version: str, action: str, actor: str, now_us: int) -> None:
    entry = AuditEntry(
        None,
        now_us,
        actor,
        action,
        f"policy {version}",
        None,
        {"revision": states.newest_revision(connection, version)},
    )
    write_audit(connection, states.journey, entry)
