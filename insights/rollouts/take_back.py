"""Taking a version of the policy back: by hand, or because a guardrail says so."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection

from decisions.rollout import harm_by_holdout
from insights.experiments.result import Analysis
from insights.rollouts.experiment_gate import harm_in_experiment
from insights.rollouts.ground import Ground, RolloutRefused
from storage.database import writing
from storage.experiment_store import ExperimentStore, Status
from storage.history import Action, former_version
from storage.holdout import count_holdout
from storage.policies import live_history, live_version, point_live
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

    Writes the audit, an annotation and the history of the live pointer. Raises :class:`RolloutRefused` where nothing is
    there to go back to.
    """
    home, name = ground.home, ground.journey.name
    decides = live_version(home, name) or rollout.against
    # After a crash the pointer may have gone back already.
    if rollout.step is Step.LIVE and decides == rollout.version:
        decides = _former(ground, rollout)
        point_live(home, name, decides, action=Action.ROLLBACK, reason=reason, instead_of=rollout.version)
    with writing(ground.engine) as connection:
        _end_experiment(ground, connection, rollout, reason)
        moved = replace(rollout, step=Step.ROLLED_BACK, reason=reason, changed_us=ground.now_us)
        RolloutStore(ground.engine, name).move(connection, moved, actor=ground.actor)
        RecordStore(ground.engine, name).annotate(
            connection,
            at_us=ground.now_us,
            kind=AnnotationKind.POLICY,
            text=f"Version {rollout.version} of the policy was taken back ({rollout.step}): {reason}",
            actor=ground.actor,
            now_us=ground.now_us,
        )
    return decides


def _former(ground: Ground, rollout: Rollout) -> str:
    former = former_version(live_history(ground.home, ground.journey.name).promotions, rollout.version)
    if former is None:
        raise RolloutRefused(
            f"there is no policy of {ground.journey.name} before {rollout.version} to go back to; promote another one"
        )
    return former


def _end_experiment(ground: Ground, connection: Connection, rollout: Rollout, reason: str) -> None:
    if rollout.experiment is None:
        return
    experiments = ExperimentStore(ground.engine, ground.journey.name)
    if experiments.find(rollout.experiment, connection).status is Status.RUNNING:
        experiments.stop(connection, rollout.experiment, reason, actor=ground.actor, now_us=ground.now_us)
