"""The policies of a journey: those that were published, and those that have learnt, with what each knows."""

import time
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
from storage.database import writing
from storage.digest import DigestMismatch, verify_digest
from storage.history import account
from storage.policies import PolicyNotFound, live_version, policy_folder, policy_versions
from storage.policy_store import LearningPolicy, PolicyStates


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
            return "live, and damaged" if self.decides else "damaged"
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
    if live is not None and live not in published:
        # Its folder is gone, which whoever looks has to be told.
        published = (*published, live)
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


def chosen_version(journey: Journey, home: Path, version: str | None) -> str:
    """Return the version that is meant: by default the one that is live, else what the journey declares."""
    return version or live_version(home, journey.name) or declared_policy(journey).version


def pause_learning(engine: Engine | None, journey: str, version: str) -> None:
    """Let a version learn no more, and say so in the audit; raises :class:`NotLearning`."""
    states = _states(engine, journey, version)
    with writing(states.engine) as connection:
        if states.paused_us(connection, version) is None:
            states.pause(connection, version, _now_us())
            _audit(connection, states, version, "pause learning")


def resume_learning(engine: Engine | None, journey: str, version: str, revision: int | None = None) -> None:
    """Let a version learn again, with ``revision`` from what it knew then, and say so in the audit.

    What has become known since that revision is then never learnt. Raises :class:`NotLearning`, also for a revision
    that is not kept any more.
    """
    states = _states(engine, journey, version)
    with writing(states.engine) as connection:
        if revision is not None:
            if states.return_to(connection, version, revision, _now_us()) is None:
                raise NotLearning(
                    f"revision {revision} of policy {version} is not kept; the latest ones are, and one of each day"
                )
            _audit(connection, states, version, f"return to revision {revision}")
        if states.paused_us(connection, version) is not None:
            states.pause(connection, version, None)
            _audit(connection, states, version, "resume learning")


def _looked_at(journey: Journey, home: Path, version: str) -> tuple[str, str | None]:
    kind = "unknown"
    try:
        folder = policy_folder(home, journey.name, version)
        verify_digest(folder)
        kind = str(read_card(folder)["kind"])
        load_policy(folder, ground_of(journey))
    except (PolicyNotFound, DigestMismatch, PolicyFilesError, OSError) as error:
        return kind, str(error)
    return kind, None


def _states(engine: Engine | None, journey: str, version: str) -> PolicyStates:
    known: list[LearningPolicy] = []
    if engine is not None:
        states = PolicyStates(engine, journey)
        with engine.connect() as connection:
            known = states.known(connection)
        if any(one.version == version for one in known):
            return states
    named = ", ".join(one.version for one in known) or "none"
    raise NotLearning(f"no policy {version!r} of {journey} has learnt anything (those that have: {named})")


def _audit(connection: Connection, states: PolicyStates, version: str, action: str) -> None:
    after = {"revision": states.newest_revision(connection, version)}
    entry = AuditEntry(None, _now_us(), account(), action, f"policy {version}", None, after)
    write_audit(connection, states.journey, entry)


def _now_us() -> int:
    return time.time_ns() // 1_000
