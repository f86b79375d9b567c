"""Running experiments in the service: known to every worker within seconds, and each first exposure kept."""

import asyncio
import logging

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from decisions.decision import Decision
from decisions.experiments import ExperimentPlan, PlanError, from_json
from decisions.policy import Policy
from decisions.trial import RunningExperiment
from journeys.policies import warmed
from journeys.weigh import published_policy
from serving.budget import charged_experiments
from serving.runtime import Runtime
from storage.experiment_store import KeptExperiment
from storage.exposure_store import Exposure
from storage.failures import explain
from storage.shared_registry import SharedRegistry

_LOG = logging.getLogger("dropoff.serving")
_LOOK_SECONDS = 2.0


async def watch_experiments(runtime: Runtime, look_seconds: float = _LOOK_SECONDS) -> None:
    """Go by the experiments that run, within seconds of their start or stop, until cancelled."""
    unread = False
    while True:
        try:
            await renew_experiments(runtime)
            unread = False
        except SQLAlchemyError as error:
            # Those that are known go on; a database that cannot be reached is also told where it is needed.
            if not unread:
                _LOG.warning("The experiments cannot be read: %s", explain(error))
            unread = True
        await asyncio.sleep(look_seconds)


async def renew_experiments(runtime: Runtime) -> None:
    """Go by the experiments as the database has them now."""
    kept = await asyncio.to_thread(runtime.experiments.running)
    if kept != runtime.running:
        usable = await asyncio.to_thread(_usable, runtime, kept)
        runtime.replace_experiments(kept, usable, await asyncio.to_thread(charged_experiments, runtime, usable))


def keep_exposures(runtime: Runtime, connection: Connection, decision: Decision, assignment: str, visits: int) -> None:
    """Insert the exposures of a decision, in its own transaction; ``visits`` are the sessions before this one.

    Of a visitor who was exposed before, the first exposure stays.
    """
    for met in decision.met:
        runtime.exposures.add(
            connection,
            Exposure(
                experiment=met.experiment,
                visitor_id=decision.visitor_id,
                assignment_id=assignment,
                variant=met.variant,
                first_us=decision.score.at_us,
                session_id=decision.score.session_id,
                decision_id=decision.decision_id,
                stage=decision.score.stage,
                blocker=decision.blockers[0].friction.name if decision.blockers else None,
                visits=visits,
                other_blocker=met.other_blocker,
            ),
        )


def _usable(runtime: Runtime, kept: tuple[KeptExperiment, ...]) -> tuple[RunningExperiment, ...]:
    found = []
    if runtime.configuration.database_url and kept:
        # They may name a policy that came into the shared registry a moment ago.
        try:
            SharedRegistry(runtime.engine).draw(runtime.configuration.home, runtime.journey.name)
        except (ValueError, OSError) as error:
            # Experiments begin and end all the same: those whose policies are here already.
            _LOG.warning("The registry that replicas share cannot be read for the experiments: %s", error)
    for one in kept:
        try:
            plan = from_json(one.declaration)
            found.append(RunningExperiment(plan, one.buckets, _policies(runtime, plan)))
        except (PlanError, LookupError, ValueError, OSError) as error:
            # Written by another version, or with a policy that is gone: nobody is exposed here, rather than to
            # something else.
            _LOG.warning("The experiment %s is not applied: %s", one.name, error)
    return tuple(found)


def _policies(runtime: Runtime, plan: ExperimentPlan) -> dict[str, Policy]:
    """Return the published versions that the variants of a plan decide by."""
    journey, home = runtime.journey, runtime.configuration.home
    return {version: warmed(published_policy(journey, version, home), journey) for version in plan.policy_versions}
