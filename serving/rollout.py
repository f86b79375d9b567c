"""The rollout of a new policy in the service: its shadow in every worker, and one process that takes it back."""

import asyncio
import logging
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from decisions.policy import Policy
from decisions.rollout import DEFAULT_GATES
from insights.rollouts.ground import Ground
from insights.rollouts.take_back import reason_to_take_back, take_back
from insights.rollouts.trial import analyse_trial
from journeys.policies import warmed
from journeys.weigh import published_policy
from serving.duty import Duty
from serving.runtime import Runtime
from serving.shadow import Shadow
from storage.failures import explain
from storage.rollout_store import RolloutStore, Step
from storage.writer import WriterClosed

_LOG = logging.getLogger("dropoff.serving")
_LOOK_SECONDS = 2.0
_GUARD_SECONDS = 60.0


async def watch_shadow(runtime: Runtime, look_seconds: float = _LOOK_SECONDS) -> None:
    """Ask the version in the shadow beside the live one, and keep what it was seen to do, until cancelled."""
    store, refused = RolloutStore(runtime.engine, runtime.journey.name), ""
    try:
        while True:
            try:
                await keep_shadow(runtime, store)
                refused = await renew_shadow(runtime, store, refused)
            except (SQLAlchemyError, WriterClosed) as error:
                _LOG.warning("The rollout cannot be read: %s", explain(error))
            await asyncio.sleep(look_seconds)
    finally:
        end_shadow(runtime)


async def renew_shadow(runtime: Runtime, store: RolloutStore, refused: str = "") -> str:
    """Begin or end the shadow as the rollout says; return the version that could not be loaded, told once."""
    ongoing = await asyncio.to_thread(store.ongoing)
    wanted = ongoing.version if ongoing is not None and ongoing.step is Step.SHADOW else None
    if runtime.shadow is not None and runtime.shadow.version != wanted:
        end_shadow(runtime)
    if wanted is None or runtime.shadow is not None:
        return ""
    try:
        policy = await asyncio.to_thread(_asked_once, runtime, wanted)
    except (LookupError, ValueError, OSError) as error:
        if wanted != refused:
            _LOG.warning("Version %s of the policy is not asked in the shadow: %s", wanted, error)
        return wanted
    runtime.shadow = Shadow(wanted, policy, DEFAULT_GATES.slow_seconds)
    return ""


def _asked_once(runtime: Runtime, version: str) -> Policy:
    return warmed(published_policy(runtime.journey, version, runtime.configuration.home), runtime.journey)


async def keep_shadow(runtime: Runtime, store: RolloutStore) -> None:
    """Keep what the version in the shadow was seen to do since the last time."""
    shadow = runtime.shadow
    if shadow is None:
        return
    counts = shadow.take()
    if not counts.compared and not counts.dropped:
        return
    try:
        await runtime.commit(lambda connection: store.count(connection, shadow.version, counts))
    except (SQLAlchemyError, WriterClosed):
        shadow.give_back(counts)
        raise
    runtime.metrics.count_shadow(counts)


def end_shadow(runtime: Runtime) -> None:
    """Ask nobody any more."""
    shadow, runtime.shadow = runtime.shadow, None
    if shadow is not None:
        shadow.close()


async def guard_rollout(duty: Duty, look_seconds: float = _GUARD_SECONDS) -> None:
    """Take a version back as soon as a guardrail says so, until cancelled."""
    while True:
        await look_once(duty.runtime)
        await asyncio.sleep(look_seconds)


async def look_once(runtime: Runtime) -> None:
    """Take the version that is tried or live back, where a guardrail says so."""
    ground = Ground(
        runtime.engine, runtime.configuration.home, runtime.journey, "service", runtime.now_us(), DEFAULT_GATES
    )
    found = await asyncio.to_thread(reason_to_take_back, ground, partial(analyse_trial, ground))
    if found is None:
        return
    rollout, reason = found
    decides = await asyncio.to_thread(take_back, ground, rollout, reason)
    _LOG.warning("Version %s of the policy was taken back, %s decides: %s", rollout.version, decides, reason)
