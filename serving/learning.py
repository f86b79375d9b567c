"""Learning: policies that learn take in what came of decisions, each reward once, in revisions that all workers read.

A revision is written in one transaction with the position of the last reward that it has learnt from: a process that
is killed has learnt all of a batch or nothing of it, and the next one goes on from there.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

from sqlalchemy import Connection

from decisions.bayes_policy import BayesPolicy
from decisions.logged_ledger import gather
from decisions.policy_files import BAYES, PolicyFilesError, load_policy, read_card, read_posterior
from journeys.policies import ground_of
from serving.duty import Duty
from serving.runtime import Runtime
from storage.digest import DigestMismatch, verify_digest
from storage.matured import MaturedDecision, matured_after
from storage.policies import PolicyNotFound, live_version, policy_folder
from storage.policy_store import PolicyState

_MOST_AT_ONCE = 5_000
_PAUSE = 4.0
"""After a turn, nothing is done for so many times as long: learning takes a fifth of one core at most."""


@dataclass(frozen=True, slots=True)
class Learner:
    """A policy as it was published, and up to which reward it had learnt then; None for all that there are."""

    policy: BayesPolicy
    learnt_through: int | None


async def learn(duty: Duty) -> None:
    """Learn from what has become known, a batch at a time, until cancelled or the duty is another's."""
    runtime = duty.runtime
    while True:
        began = perf_counter()
        is_behind = await learn_once(duty)
        least = 0.0 if is_behind else runtime.configuration.learn_seconds
        await asyncio.sleep(max(least, _PAUSE * (perf_counter() - began)))


async def learn_once(duty: Duty) -> bool:
    """Let every policy that learns take in one batch; return whether there is more to learn at once.

    Raises LeaseLost where the duty is another's by now.
    """
    runtime = duty.runtime
    is_behind = False
    for learner in await asyncio.to_thread(learners, runtime):
        standing = await runtime.commit(partial(_standing, duty, learner))
        if standing is None:
            continue
        learnt, more = await asyncio.to_thread(_take_in, runtime, standing)
        if learnt is not None:
            await runtime.commit(partial(_keep, duty, standing, learnt))
        await asyncio.to_thread(_show, runtime, learnt or standing)
        is_behind |= more
    return is_behind


def learners(runtime: Runtime) -> Sequence[Learner]:
    """Return the policies that learn, as they were published: the one that is live, and what the journey declares.

    The latter learns in the background too, so that it is ready when it is wanted, and goes on where the former is
    damaged: of that whoever looks for the deciding policy tells (``serving.policies``).
    """
    journey, home = runtime.journey, runtime.configuration.home
    live = live_version(home, journey.name)
    found = [Learner(runtime.declared, 0)]
    if live is not None:
        try:
            folder = policy_folder(home, journey.name, live)
            verify_digest(folder)
            policy = load_policy(folder, ground_of(journey))
            through = read_card(folder).get("learnt_through")
        except (PolicyNotFound, DigestMismatch, PolicyFilesError, OSError):
            return found
        if isinstance(policy, BayesPolicy):
            found.append(Learner(policy, int(str(through)) if through is not None else None))
    return found


def _standing(duty: Duty, learner: Learner, connection: Connection) -> PolicyState | None:
    """Return what a policy knows by now, None where it is not to learn; one that nothing is kept of starts here."""
    duty.confirm(connection)
    states, policy = duty.runtime.policy_states, learner.policy
    if states.paused_us(connection, policy.version) is not None:
        return None
    newest = states.newest(connection, policy.version)
    if newest is None:
        through = learner.learnt_through
        if through is None:
            through = states.last_reward(connection)
        text = policy.posterior.to_json()
        newest = PolicyState(policy.version, 0, duty.runtime.now_us(), policy.posterior.decisions, through, text)
        states.start(connection, BAYES, newest)
    return newest


def _take_in(runtime: Runtime, standing: PolicyState) -> tuple[PolicyState | None, bool]:
    """Return what a policy knows after the next rewards, None where there are none, and whether there are more."""
    ground = ground_of(runtime.journey)
    with runtime.engine.connect() as connection:
        found = matured_after(connection, runtime.journey.name, standing.learnt_through, _MOST_AT_ONCE)
    more = len(found) == _MOST_AT_ONCE
    taken = _whole_sessions(found) if more else found
    if not taken:
        return None, False
    options = [intervention.name for intervention in ground.interventions]
    logged = gather(taken, options, ground.stages, ground.frictions)
    before = read_posterior(standing.state, ground)
    after = before.learn(logged) if len(logged) else before
    through = taken[-1].position
    if after is before:
        return replace(standing, learnt_through=through), more
    revision, now_us = standing.revision + 1, runtime.now_us()
    return PolicyState(standing.version, revision, now_us, after.decisions, through, after.to_json()), more


def _whole_sessions(found: Sequence[MaturedDecision]) -> Sequence[MaturedDecision]:
    """Return a batch without its last session, which may go on in the next: together they count as one."""
    last = found[-1].session_id
    end = len(found)
    while end and found[end - 1].session_id == last:
        end -= 1
    return found[:end] or found


def _keep(duty: Duty, before: PolicyState, after: PolicyState, connection: Connection) -> None:
    duty.confirm(connection)
    states = duty.runtime.policy_states
    # Where somebody has paused the policy or put it back meanwhile, the next turn goes by that.
    if after.revision == before.revision:
        states.advance(connection, before, after.learnt_through)
    else:
        states.add(connection, after)


def _show(runtime: Runtime, learnt: PolicyState) -> None:
    with runtime.engine.connect() as connection:
        behind = runtime.policy_states.rewards_after(connection, learnt.learnt_through)
    runtime.metrics.duties.show_learnt(learnt.version, learnt.revision, learnt.decisions, behind)
