"""Taking a version of the policy back: by hand, or because a guardrail says so."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection

from decisions.rollout import harm_by_holdout
from insights.experiments.result import Analysis
from insights.rollouts.experiment_gate import harm_in_experiment
from insights.rollouts.ground import Ground, RolloutRefused
from journeys.policies import roll_back_policy
from journeys.weigh import standing_policy
from storage.database import writing
from storage.experiment_store import ExperimentStore, Status
from storage.holdout import count_holdout
from storage.policies import live_version
from storage.record_store import RecordStore
from storage.records import AnnotationKind
from storage.rollout_store import Rollout, RolloutStore, Step

Analyse = Callable[[str], Analysis | None]
"""Return what an experiment of the journey has come to by now; None before anybody has taken part."""


def reason_to_take_back(ground: Ground, analyse: Analyse) -> tuple[Rollout, str] | None:
    """Return the version that a guardrail takes back, and why; None where there is nothing to take back."""
    store = RolloutStore(ground.engine, ground.journey.name)
    ongoing = store.ongoing()
    if ongoing is not None and ongoing.step is Step.EXPERIMENT and ongoing.experiment is not None:
        analysis = analyse(ongoing.experiment)
        reason = "" if analysis is None else harm_in_experiment(analysis)
        if reason:
            return ongoing, reason
    live = next((one for one in store.rollouts() if one.step is Step.LIVE), None)
    if live is None:
        return None
    reason = harm_by_holdout(count_holdout(ground.engine, ground.journey.name, since_us=live.changed_us), ground.gates)
    return (live, reason) if reason else None


def version_to_take_back(ground: Ground) -> Rollout:
    """Return the rollout that is under way, else that of the live version; raises :class:`RolloutRefused` for none.

    A version that went live by other ways than a rollout counts as one.
    """
    store, live = RolloutStore(ground.engine, ground.journey.name), live_version(ground.home, ground.journey.name)
    ongoing = store.ongoing()
    if ongoing is not None:
        return ongoing
    if live is None:
        raise RolloutRefused(f"no version of the policy of {ground.journey.name} is live or on its way")
    found = store.find(live)
    if found is not None and found.step is Step.LIVE:
        return found
    return Rollout(live, Step.LIVE, "", ground.now_us, ground.now_us)


def take_back(ground: Ground, rollout: Rollout, reason: str) -> str:
    """End a rollout, whatever its step, and return the version that decides from now on.

    Writes the audit, an annotation and the history of the live pointer. The version that decides again is watched as
    it was when it went live.
    """
    home, name, store = ground.home, ground.journey.name, RolloutStore(ground.engine, ground.journey.name)
    # After a crash the pointer may have gone back already.
    if rollout.step is Step.LIVE and live_version(home, name) == rollout.version:
        reason = roll_back_policy(ground.journey, home, reason=reason, instead_of=rollout.version).reason
    decides = live_version(home, name) or standing_policy(ground.journey).version
    with writing(ground.engine) as connection:
        _end_experiment(ground, connection, rollout, reason)
        moved = replace(rollout, step=Step.ROLLED_BACK, reason=reason, changed_us=ground.now_us)
        store.move(connection, moved, actor=ground.actor)
        again = next((one for one in store.rollouts(connection) if one.version == decides), None)
        if again is not None and again.step is Step.REPLACED:
            store.move(connection, replace(again, step=Step.LIVE, changed_us=ground.now_us), actor=ground.actor)
        RecordStore(ground.engine, name).annotate(
            connection,
            at_us=ground.now_us,
            kind=AnnotationKind.POLICY,
            text=f"Version {rollout.version} of the policy was taken back ({rollout.step}): {reason}",
            actor=ground.actor,
            now_us=ground.now_us,
        )
    return decides


def _end_experiment(ground: Ground, connection: Connection, rollout: Rollout, reason: str) -> None:
    if rollout.experiment is None:
        return
    experiments = ExperimentStore(ground.engine, ground.journey.name)
    if experiments.find(rollout.experiment, connection).status is Status.RUNNING:
        experiments.stop(connection, rollout.experiment, reason, actor=ground.actor, now_us=ground.now_us)
