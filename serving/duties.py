"""What goes on beside answering: duties that one process of all has, and what every worker does for itself."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Coroutine
from typing import Any

from insights.facts import Facts
from serving.alarms import watch_for_alarms
from serving.budget import keep_budget, plan_budget
from serving.deliver import deliver
from serving.duty import Duty, on_duty
from serving.learning import learn
from serving.maturing import mature
from serving.playbook import keep_playbook
from serving.refresh import keep_fresh
from serving.rollout import guard_rollout, watch_shadow
from serving.runtime import Runtime
from serving.sweep import sweep
from storage.database import writing
from storage.secrets import local_secret

_LOG = logging.getLogger("dropoff.serving")
_GAUGE_SECONDS = 2.0
_ALARM_SECONDS = 600.0


def duties_of(runtime: Runtime) -> list[Coroutine[Any, Any, None]]:
    """Return what has to run until the service stops."""
    configuration = runtime.configuration
    found: list[Coroutine[Any, Any, None]] = [runtime.metrics.queues.watch_loop()]
    if configuration.insights_refresh:
        # Figures lie in the home folder: each folder needs somebody who makes them.
        found.append(on_duty(runtime, f"figures:{_home_id(runtime)}", _make_figures))
    if configuration.sweep_seconds:
        found.append(on_duty(runtime, "sweep", sweep))
    if configuration.reward_seconds:
        found.append(on_duty(runtime, "rewards", mature))
    if runtime.till is not None:
        found += [keep_budget(runtime), on_duty(runtime, "budget", plan_budget)]
    if configuration.learn_seconds:
        found.append(on_duty(runtime, "learning", learn))
    if configuration.follow_up_url:
        found.append(on_duty(runtime, "follow-ups", deliver))
    if configuration.policy_watch_seconds:
        found += [watch_shadow(runtime), on_duty(runtime, "rollout", guard_rollout)]
    if configuration.metrics_folder is not None:
        found.append(_keep_gauges(runtime))
    return found


def _make_figures(duty: Duty) -> Awaitable[None]:
    return keep_fresh(duty.runtime, _look_at_figures_once, duty.is_held)


def _look_at_figures_once(runtime: Runtime, facts: Facts) -> None:
    duty = Duty(runtime, f"alarms:{runtime.journey.name}")
    with writing(runtime.engine) as connection:
        if not duty.leases.take(connection, duty.name, duty.holder, _ALARM_SECONDS):
            return
    try:
        watch_for_alarms(runtime, facts)
        keep_playbook(runtime, facts)
    finally:
        with writing(runtime.engine) as connection:
            duty.leases.release(connection, duty.name, duty.holder)


async def _keep_gauges(runtime: Runtime) -> None:
    while True:
        try:
            await asyncio.to_thread(runtime.set_gauges)
        except OSError as error:
            _LOG.warning("The gauges cannot be written: %s", error)
        await asyncio.sleep(_GAUGE_SECONDS)


def _home_id(runtime: Runtime) -> str:
    return hashlib.sha256(local_secret(runtime.configuration.home, "installation")).hexdigest()[:12]
