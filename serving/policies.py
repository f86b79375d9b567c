"""The policy that decides: the one that is live, or what the journey declares, with what was learnt so far.

Every worker looks for it by itself, every few seconds, and no request waits for that.
"""

import asyncio
import logging

from sqlalchemy.exc import SQLAlchemyError

from decisions.bayes_policy import BayesPolicy
from decisions.policy import Policy, PriorPolicy
from decisions.policy_files import PolicyFilesError, load_policy
from journeys.policies import at_revision, ground_of, warmed
from serving.budget import charged
from serving.runtime import Deciding, Runtime
from storage.digest import DigestMismatch, verify_digest
from storage.failures import explain
from storage.policies import PolicyNotFound, live_version, policy_folder
from storage.policy_store import PolicyState

_LOG = logging.getLogger("dropoff.serving")


class PolicyUnusable(ValueError):
    """The live policy cannot be used; the text says why and what to do."""


def find_policy(runtime: Runtime, known: Deciding | None = None) -> Deciding:
    """Return the policy that is to decide by now, ready to answer; ``known`` itself where nothing has changed.

    For any thread. Raises :class:`PolicyUnusable`.
    """
    journey, home = runtime.journey, runtime.configuration.home
    live = live_version(home, journey.name)
    if known is None or known.live != live:
        known = _fresh(runtime, live)
    if not isinstance(known.policy, BayesPolicy):
        return known
    version = base_version(live, runtime)
    with runtime.engine.connect() as connection:
        newest = runtime.policy_states.newest_revision(connection, version)
        state = runtime.policy_states.newest(connection, version) if newest != known.revision else None
    if state is None:
        return known
    return Deciding(live, state.revision, _learnt(runtime, known.policy, state))


def base_version(live: str | None, runtime: Runtime) -> str:
    """Return under which version it is kept what the deciding policy learns."""
    return runtime.declared.version if live is None else live


async def watch_policy(runtime: Runtime) -> None:
    """Decide by the policy that is live, and by what it has learnt, within seconds of either, until cancelled."""
    refused = ""
    while True:
        await asyncio.sleep(runtime.configuration.policy_watch_seconds)
        try:
            await renew_policy(runtime)
            refused = ""
        except (PolicyUnusable, SQLAlchemyError) as error:
            # The one that is known goes on; a database that cannot be reached is also told where it is needed.
            said = explain(error) if isinstance(error, SQLAlchemyError) else str(error)
            if said != refused:
                _LOG.warning("The newest policy is not used: %s", said)
            refused = said


async def renew_policy(runtime: Runtime) -> None:
    """Go by the policy as home folder and database have it now; raises :class:`PolicyUnusable`."""
    known = runtime.deciding
    found = await asyncio.to_thread(find_policy, runtime, known)
    if found is known:
        return
    if known is not None and found.live != known.live:
        _LOG.warning("Policy %s decides from now on.", found.live or "as the journey declares it")
    runtime.decide_by(found, await asyncio.to_thread(charged, runtime, found.policy))


def _fresh(runtime: Runtime, live: str | None) -> Deciding:
    journey = runtime.journey
    if live is None:
        policy: Policy = runtime.declared if journey.policy.learns else PriorPolicy(journey.policy)
        return Deciding(None, None, warmed(policy, journey))
    try:
        folder = policy_folder(runtime.configuration.home, journey.name, live)
        verify_digest(folder)
        return Deciding(live, None, warmed(load_policy(folder, ground_of(journey)), journey))
    except (PolicyNotFound, DigestMismatch, PolicyFilesError, OSError) as error:
        raise PolicyUnusable(
            f"the live policy {live} of {journey.name} cannot be used: {error}; "
            f"`dropoff policy rollback {journey.name}` goes back to the one before"
        ) from error


def _learnt(runtime: Runtime, policy: BayesPolicy, state: PolicyState) -> Policy:
    try:
        learnt = at_revision(policy, state.version, state.revision, state.state, runtime.journey)
    except PolicyFilesError as error:
        raise PolicyUnusable(
            f"what policy {state.version} had learnt by revision {state.revision} cannot be used: {error}"
        ) from error
    return warmed(learnt, runtime.journey)
