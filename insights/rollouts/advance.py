"""The next step of a version on its way to deciding, once its gate passes: shadow, experiment, live."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from decisions.experiments import ExperimentPlan, decide_by, from_json
from decisions.off_policy.evaluate import Evaluation
from decisions.policy_files import save_policy
from decisions.rollout import CANDIDATE, GateResult, offline_gate, plan_rollout, shadow_gate
from insights.rollouts.experiment_gate import experiment_gate
from insights.rollouts.ground import Ground, RolloutRefused
from insights.rollouts.take_back import Analyse
from journeys.weigh import standing_policy
from storage.database import writing
from storage.experiment_store import ExperimentStore, Status
from storage.history import Action
from storage.policies import live_version, point_live, policy_folder, policy_versions, publish_policy
from storage.record_store import RecordStore
from storage.records import AnnotationKind
from storage.rollout_store import Rollout, RolloutStore, Step

Weigh = Callable[[], Evaluation]
"""Return what the version would bring, against the live policy; raises ``decisions.off_policy.evaluate.NoOdds``."""
Start = Callable[[ExperimentPlan], None]
"""Declare and start an experiment; raises ``decisions.experiments.PlanError``."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """What became of a promotion: the step that the version is at now, and what its gate says.

    ``step`` is None before the first; ``moved`` whether it has come one further.
    """

    version: str
    step: Step | None
    moved: bool
    gate: GateResult


def promote(ground: Ground, version: str, *, weigh: Weigh, start: Start, analyse: Analyse) -> Advanced:
    """Do the next step of a published version where its gate passes; raises :class:`RolloutRefused`.

    A version that was taken back begins anew. One version is on its way at a time.
    """
    policy_folder(ground.home, ground.journey.name, version)
    store = RolloutStore(ground.engine, ground.journey.name)
    found = store.find(version)
    is_live = live_version(ground.home, ground.journey.name) == version
    if is_live and not (found is not None and found.step is Step.EXPERIMENT):
        raise RolloutRefused(f"version {version} of the policy of {ground.journey.name} is live already")
    ongoing = store.ongoing()
    if ongoing is not None and ongoing.version != version:
        raise RolloutRefused(
            f"version {ongoing.version} is in the {ongoing.step} already, and one is on its way at a time: promote it, "
            f"or take it back by `dropoff policy rollback {ground.journey.name}`"
        )
    if found is None or found.step not in (Step.SHADOW, Step.EXPERIMENT):
        return _into_shadow(ground, store, version, offline_gate(weigh(), ground.gates))
    if found.step is Step.SHADOW:
        return _into_experiment(ground, store, found, start)
    return _live(ground, store, found, analyse)


def _into_shadow(ground: Ground, store: RolloutStore, version: str, gate: GateResult) -> Advanced:
    if not gate.passed:
        return Advanced(version, None, False, gate)
    against = live_version(ground.home, ground.journey.name) or standing_policy(ground.journey).version
    began = Rollout(version, Step.SHADOW, against, ground.now_us, ground.now_us, figures={"offline": gate.to_json()})
    with writing(ground.engine) as connection:
        overtaken = store.ongoing(connection)
        if overtaken is not None:
            raise RolloutRefused(
                f"version {overtaken.version} came into the {overtaken.step} meanwhile; nothing was changed"
            )
        store.begin(connection, began, actor=ground.actor)
        _annotate(ground, connection, f"Version {version} of the policy is asked in the shadow of {against}")
    return Advanced(version, Step.SHADOW, True, gate)


def _into_experiment(ground: Ground, store: RolloutStore, rollout: Rollout, start: Start) -> Advanced:
    gate = shadow_gate(rollout.shadow, ground.gates)
    if not gate.passed:
        return Advanced(rollout.version, rollout.step, False, gate)
    # After a crash its experiment may run already.
    name = _running_name(ground, rollout.version)
    if name is None:
        plan = plan_rollout(rollout.version, rollout.against, ground.actor, _free_name(ground, rollout), ground.gates)
        start(plan)
        name = plan.name
    moved = replace(
        rollout,
        step=Step.EXPERIMENT,
        experiment=name,
        changed_us=ground.now_us,
        figures={**rollout.figures, "shadow": gate.to_json()},
    )
    text = f"Version {rollout.version} of the policy decides about half of the people, in the experiment {name}"
    with writing(ground.engine) as connection:
        store.move(connection, moved, actor=ground.actor)
        _annotate(ground, connection, text)
    return Advanced(rollout.version, Step.EXPERIMENT, True, gate)


def _live(ground: Ground, store: RolloutStore, rollout: Rollout, analyse: Analyse) -> Advanced:
    analysis = analyse(rollout.experiment or "")
    if analysis is None:
        raise RolloutRefused(f"nobody has taken part in the experiment {rollout.experiment} yet: wait, and ask again")
    gate = experiment_gate(analysis)
    if not gate.passed:
        return Advanced(rollout.version, rollout.step, False, gate)
    publish_standing(ground)
    before = live_version(ground.home, ground.journey.name)
    # After a crash the pointer may have moved already.
    if before != rollout.version:
        reason = f"the experiment {rollout.experiment} says ship"
        point_live(ground.home, ground.journey.name, rollout.version, reason=reason, instead_of=before)
    moved = replace(
        rollout,
        step=Step.LIVE,
        changed_us=ground.now_us,
        figures={**rollout.figures, "experiment": gate.to_json()},
    )
    before_it = [one for one in store.rollouts() if one.step is Step.LIVE]
    with writing(ground.engine) as connection:
        experiments = ExperimentStore(ground.engine, ground.journey.name)
        if experiments.find(plan_name(rollout), connection).status is Status.RUNNING:
            experiments.stop(connection, plan_name(rollout), "it goes live", actor=ground.actor, now_us=ground.now_us)
        for one in before_it:
            store.move(connection, replace(one, step=Step.REPLACED, changed_us=ground.now_us), actor=ground.actor)
        store.move(connection, moved, actor=ground.actor)
        _annotate(ground, connection, f"Version {rollout.version} of the policy decides from now on")
    return Advanced(rollout.version, Step.LIVE, True, gate)


def publish_standing(ground: Ground) -> None:
    """Make what decides without a published policy a version of its own and live, so that it can be gone back to."""
    name = ground.journey.name
    if live_version(ground.home, name) is not None:
        return
    standing = standing_policy(ground.journey)
    if standing.version not in policy_versions(ground.home, name):
        publish_policy(ground.home, name, standing.version, lambda folder: save_policy(folder, standing))
    point_live(
        ground.home, name, standing.version, action=Action.PROMOTE, reason="what the journey declares", instead_of=None
    )


def plan_name(rollout: Rollout) -> str:
    """Return the name of a rollout's experiment, of which there is one from its step on."""
    if rollout.experiment is None:
        raise RolloutRefused(f"the rollout of version {rollout.version} names no experiment; take it back")
    return rollout.experiment


def _running_name(ground: Ground, version: str) -> str | None:
    """Return the name of the running experiment whose candidate is a version, or None."""
    for kept in ExperimentStore(ground.engine, ground.journey.name).running():
        variants = from_json(kept.declaration).variants
        if any(one.name == CANDIDATE and one.treatment == decide_by(version) for one in variants):
            return kept.name
    return None


def _free_name(ground: Ground, rollout: Rollout) -> str:
    taken = {one.name for one in ExperimentStore(ground.engine, ground.journey.name).all()}
    plain = "".join(sign if sign.isascii() and sign.isalnum() else "_" for sign in rollout.version)[:40]
    names = (f"rollout_{plain}", *(f"rollout_{plain}_{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def _annotate(ground: Ground, connection: Connection, text: str) -> None:
    RecordStore(ground.engine, ground.journey.name).annotate(
        connection,
        at_us=ground.now_us,
        kind=AnnotationKind.POLICY,
        text=text,
        actor=ground.actor,
        now_us=ground.now_us,
    )
