"""Policies that learn take each reward in once, in revisions that every worker answers with within seconds."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decisions.bayes_policy import BayesPolicy
from decisions.logged_ledger import gather, read_ledger
from decisions.policy import PriorPolicy
from decisions.policy_files import read_posterior, save_policy
from journeys.journey import Journey
from journeys.policies import declared_policy, ground_of
from serving.configuration import Configuration
from serving.duty import Duty
from serving.learning import learn_once
from serving.open_runtime import open_runtime
from serving.policies import PolicyUnusable, find_policy, renew_policy, watch_policy
from serving.runtime import Runtime
from storage.ledger import LedgerEntry
from storage.matured import MaturedDecision
from storage.policies import point_live, policy_folder, publish_policy
from storage.policy_store import PolicyState
from storage.reward_store import Reward

NAMES = ("other_payment", "trust_panel")


@pytest.fixture
def journey(shop: Journey) -> Journey:
    return replace(shop, policy=replace(shop.policy, learns=True))


@pytest.fixture
def open_worker(journey: Journey, shop_model: Any, address: str, tmp_path: Path, clock: Any) -> Iterator[Any]:
    """Open a worker of the shop on the test's database; there may be several at once."""
    opened: list[Runtime] = []

    def opening(declared: Journey = journey, **settings: Any) -> Runtime:
        configuration = Configuration(home=tmp_path, database_url=address, shared=True, **settings)
        opened.append(open_runtime(configuration, declared, shop_model, clock))
        return opened[-1]

    yield opening
    for one in opened:
        one.close()


def entries_of(journey: Journey, count: int, first: int = 0) -> list[LedgerEntry]:
    """Return decisions between two interventions and nothing at known odds."""
    stage, friction = journey.stages[-1].name, journey.frictions[0].name
    odds = {"nothing": 0.5, NAMES[0]: 0.25, NAMES[1]: 0.25}
    names = (None, None, *NAMES)
    return [
        LedgerEntry(
            f"d{number}",
            f"s{number // 2}",
            f"v{number // 2}",
            number,
            number,
            stage,
            1,
            0.9,
            [],
            "",
            list(NAMES),
            {},
            odds,
            names[number % 4],
            0.25,
            None,
            "best_value",
            False,
            None,
            None,
            "x",
            "7",
            confidence={friction: 0.4},
        )
        for number in range(first, first + count)
    ]


def write(runtime: Runtime, entries: list[LedgerEntry], rewarded: list[LedgerEntry] | None = None) -> None:
    def writing(connection: Any) -> None:
        for entry in entries:
            runtime.ledger.append(connection, entry)
        for entry in entries if rewarded is None else rewarded:
            reward = Reward(entry.decision_id, entry.visitor_id, entry.chosen == NAMES[0], None, 1)
            runtime.rewards.add(connection, reward)

    runtime.writer.submit(writing).result(20)


def run(work: Callable[[], Any]) -> Any:
    return asyncio.run(work())


def learn(runtime: Runtime, *, duty: Duty | None = None) -> bool:
    async def once() -> bool:
        mine = duty or Duty(runtime, "learning:ecommerce")
        assert await mine.take()
        more = await learn_once(mine)
        await mine.release()
        return more

    return bool(run(once))


def newest(runtime: Runtime, version: str | None = None) -> PolicyState:
    with runtime.engine.connect() as connection:
        found = runtime.policy_states.newest(connection, version or runtime.declared.version)
    assert found is not None
    return found


def test_what_is_learnt_from_the_database_is_what_the_posterior_learns_from_the_same_decisions(
    open_worker: Any, journey: Journey
) -> None:
    worker = open_worker()
    write(worker, entries_of(journey, 40))
    learn(worker)
    state, ground = newest(worker), ground_of(journey)
    options = [one.name for one in journey.interventions]
    logged = read_ledger(worker.engine, journey.name, options, ground.stages, ground.frictions)
    expected = declared_policy(journey).posterior.learn(logged)
    np.testing.assert_allclose(read_posterior(state.state, ground).mean, expected.mean, rtol=1e-9)
    assert (state.revision, state.decisions, state.learnt_through) == (1, 40, 40)


def test_every_reward_is_learnt_once_however_often_and_by_whomever_it_is_tried(
    open_worker: Any, journey: Journey
) -> None:
    one, other = open_worker(), open_worker()
    write(one, entries_of(journey, 20))
    learn(one)
    learn(other)
    write(other, entries_of(journey, 10, first=20))
    learn(other)
    learn(one)
    state = newest(one)
    assert (state.revision, state.decisions, state.learnt_through) == (2, 30, 30)


def test_a_process_that_ends_between_learning_and_writing_has_learnt_nothing(
    open_worker: Any, journey: Journey
) -> None:
    worker, second = open_worker(), open_worker()
    write(worker, entries_of(journey, 20))
    learn(worker)
    write(worker, entries_of(journey, 20, first=20))
    before = newest(worker)
    # The revision that would have been written stands on one that another process has followed meanwhile.
    stale = replace(before, revision=before.revision + 1, decisions=999)
    learn(second)
    kept = worker.writer.submit(lambda connection: worker.policy_states.add(connection, stale)).result(5)
    assert not kept
    assert newest(worker).decisions == 40


def test_every_worker_answers_with_the_newest_revision_and_keeps_it_over_a_restart(
    open_worker: Any, journey: Journey
) -> None:
    workers = [open_worker(), open_worker()]
    for worker in workers:
        run(lambda worker=worker: renew_policy(worker))
        assert worker.scorer.policy.version == declared_policy(journey).version
    write(workers[0], entries_of(journey, 20))
    learn(workers[0])
    for worker in (*workers, open_worker()):
        run(lambda worker=worker: renew_policy(worker))
        assert worker.deciding.revision == 1
        assert worker.scorer.policy.version == f"{declared_policy(journey).version}.1"
    same = [worker.scorer.policy.draws for worker in workers]
    np.testing.assert_array_equal(*same)


def test_without_leave_the_declared_effects_decide_and_the_policy_learns_beside_them(
    open_worker: Any, shop: Journey
) -> None:
    worker = open_worker(shop)
    write(worker, entries_of(shop, 20))
    learn(worker)
    run(lambda: renew_policy(worker))
    assert isinstance(worker.scorer.policy, PriorPolicy)
    assert newest(worker).decisions == 20


def test_a_policy_of_other_declarations_begins_anew_and_learns_all_there_is(open_worker: Any, journey: Journey) -> None:
    write(open_worker(), entries_of(journey, 20))
    changed = replace(journey, interventions=tuple(replace(one, prior_effect=0.05) for one in journey.interventions))
    worker = open_worker(changed)
    learn(worker)
    assert worker.declared.version != declared_policy(journey).version
    assert newest(worker).decisions == 20


def test_a_live_version_decides_learns_from_where_it_stood_and_hands_back_what_it_knew(
    open_worker: Any, journey: Journey, tmp_path: Path
) -> None:
    worker = open_worker()
    write(worker, entries_of(journey, 20))
    learn(worker)
    learnt = read_posterior(newest(worker).state, ground_of(journey))
    version = BayesPolicy(learnt, journey.interventions, journey.policy, "1")
    publish_policy(tmp_path, journey.name, "1", lambda folder: save_policy(folder, version, {"learnt_through": 20}))
    point_live(tmp_path, journey.name, "1")
    run(lambda: renew_policy(worker))
    assert (worker.deciding.live, worker.deciding.revision, worker.scorer.policy.version) == ("1", None, "1")
    write(worker, entries_of(journey, 10, first=20))
    learn(worker)
    run(lambda: renew_policy(worker))
    assert worker.scorer.policy.version == "1.1"
    assert (newest(worker, "1").decisions, newest(worker, "1").learnt_through) == (30, 30)
    assert newest(worker).decisions == 30


def test_a_damaged_live_version_is_refused_and_the_one_that_decides_goes_on(
    open_worker: Any, journey: Journey, tmp_path: Path
) -> None:
    worker = open_worker()
    run(lambda: renew_policy(worker))
    policy = replace(declared_policy(journey), version="1")
    publish_policy(tmp_path, journey.name, "1", lambda folder: save_policy(folder, policy))
    point_live(tmp_path, journey.name, "1")
    (policy_folder(tmp_path, journey.name, "1") / "posterior.json").write_text("{}")
    with pytest.raises(PolicyUnusable, match="changed after it was published"):
        find_policy(worker)
    assert worker.deciding.live is None
    # What the journey declares learns on, so that there is something to go back to.
    write(worker, entries_of(journey, 10))
    learn(worker)
    assert newest(worker).decisions == 10


def test_the_service_looks_for_the_policy_by_itself(open_worker: Any, journey: Journey, tmp_path: Path) -> None:
    worker = open_worker(policy_watch_seconds=0.02)
    policy = replace(declared_policy(journey), version="1")
    publish_policy(tmp_path, journey.name, "1", lambda folder: save_policy(folder, policy))
    point_live(tmp_path, journey.name, "1")

    async def watching() -> None:
        task = asyncio.create_task(watch_policy(worker))
        for _ in range(250):
            await asyncio.sleep(0.02)
            if worker.deciding is not None:
                break
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(watching)
    assert worker.deciding.live == "1"


def test_a_paused_policy_learns_later_and_one_that_was_put_back_never_learns_what_it_forgot(
    open_worker: Any, journey: Journey
) -> None:
    worker = open_worker()
    states, version = worker.policy_states, worker.declared.version
    write(worker, entries_of(journey, 20))
    learn(worker)
    worker.writer.submit(lambda connection: states.pause(connection, version, 5)).result(5)
    write(worker, entries_of(journey, 10, first=20))
    learn(worker)
    assert newest(worker).decisions == 20
    worker.writer.submit(lambda connection: states.pause(connection, version, None)).result(5)
    learn(worker)
    assert newest(worker).decisions == 30
    worker.writer.submit(lambda connection: states.return_to(connection, version, 1, 9)).result(5)
    assert (newest(worker).revision, newest(worker).decisions, newest(worker).learnt_through) == (3, 20, 30)
    write(worker, entries_of(journey, 10, first=30))
    learn(worker)
    assert newest(worker).decisions == 30


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, 19), min_size=20, max_size=20, unique=True), st.integers(1, 19))
def test_rewards_in_any_order_and_any_batches_lead_to_nearly_the_same(
    shop: Journey, order: list[int], cut: int
) -> None:
    ground, entries = ground_of(shop), entries_of(shop, 40)
    matured = [_matured(position, entry) for position, entry in enumerate(entries)]
    # Decisions of one session become known together.
    ordered = [matured[2 * session + half] for session in order for half in (0, 1)]
    options = [one.name for one in shop.interventions]
    start = declared_policy(shop).posterior
    at_once = start.learn(gather(matured, options, ground.stages, ground.frictions))
    in_two = start
    for part in (ordered[: 2 * cut], ordered[2 * cut :]):
        in_two = in_two.learn(gather(part, options, ground.stages, ground.frictions))
    assert in_two.decisions == at_once.decisions
    spread = np.sqrt(np.diag(np.linalg.inv(at_once.belief.root @ at_once.belief.root.T)))
    assert np.abs(in_two.mean - at_once.mean).max() <= 0.25 * spread.max()


def _matured(position: int, entry: LedgerEntry) -> MaturedDecision:
    return MaturedDecision(
        position, entry.decision_id, entry.session_id, entry.visitor_id, entry.at_us, entry.stage, entry.risk, [],
        entry.confidence, entry.propensities, entry.chosen, False, "x", entry.chosen == NAMES[0], None,
    )  # fmt: skip
