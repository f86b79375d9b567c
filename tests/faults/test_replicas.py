"""Replicas on one PostgreSQL and one Redis behind nginx: one killed, hung and renewed under load, and asked together.

`python -m benchmarks replicas` measures the same for longer.
"""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers import PostgresServer, RedisServer, require, wait_for
from sqlalchemy import create_engine, text

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from conftest import model_home, shop, shop_model

from benchmarks.nginx import nginx_binary
from benchmarks.replica_load import STEPS, Checked, Seen, SessionLoad, check
from benchmarks.replica_set import SHARE, ReplicaSet, replica_set
from decisions.budget import BURST

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("replicas")]

__all__ = ["model_home", "shop", "shop_model"]  # fixtures

RATE = 60.0


@pytest.fixture(scope="module")
def running(model_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    require(nginx_binary(), "nginx", "nginx-light")
    folder = tmp_path_factory.mktemp("replicas")
    database, redis = PostgresServer(tmp_path_factory.mktemp("postgres")), RedisServer(folder)
    try:
        database.start()
        redis.start()
        with replica_set(2, model_home, folder, database.url, redis.url, sweep_seconds=0.2) as found:
            yield found
    finally:
        redis.stop()
        database.stop()


def rows(running: ReplicaSet, query: str) -> list[Any]:
    engine = create_engine(running.database_url)
    try:
        with engine.connect() as connection:
            return list(connection.execute(text(query)))
    finally:
        engine.dispose()


def post(running: ReplicaSet, port: int, route: str, body: object) -> httpx.Response:
    headers = {"Authorization": f"Bearer {running.key}"}
    return httpx.post(f"http://127.0.0.1:{port}{route}", json=body, headers=headers, timeout=20)


def sweeper(running: ReplicaSet) -> int:
    [(name,)] = rows(running, "SELECT holder FROM leases WHERE name = 'sweep:ecommerce'")
    return int(name.split(":")[1])


def test_two_replicas_asked_at_the_same_instant_nudge_one_person_once(running: ReplicaSet) -> None:
    devices = [f"{device}-{number}" for number in range(8) for device in ("phone", "laptop")]
    calls = [
        {"type": "track", "anonymousId": one, "userId": f"user-{one[-1]}", "event": name, "messageId": f"{one}-{place}"}
        for one in devices
        for place, name in enumerate(STEPS)
    ]
    assert post(running, running.nginx.port, "/v1/batch", {"batch": calls}).status_code == 200
    answers: list[tuple[str, Any]] = []
    together = threading.Barrier(2 * len(devices))

    def ask(device: str, port: int) -> None:
        together.wait()
        answers.append((device[-1], post(running, port, "/v1/recommend", {"visitor_id": device}).json()))

    # Each device at each replica: four questions about one person at once.
    asking = [threading.Thread(target=ask, args=(one, at.port)) for one in devices for at in running.replicas]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(answers) == 4 * 8
    shown = [person for person, told in answers if told["recommendation"] is not None]
    assert sorted(shown) == sorted(set(shown))
    assert len(shown) == 8
    kept = rows(running, "SELECT visitor_id FROM decisions WHERE chosen IS NOT NULL")
    assert sorted(visitor[-1] for (visitor,) in kept) == sorted(shown)


def test_an_answer_that_did_not_arrive_is_given_again_by_another_replica(running: ReplicaSet) -> None:
    call, question = {"anonymousId": "again", "event": "page_view"}, {"visitor_id": "again"}
    headers = {"Authorization": f"Bearer {running.key}", "Idempotency-Key": "one"}
    told = [
        (
            httpx.post(f"http://127.0.0.1:{at.port}/v1/track", json=call, headers=headers).json(),
            httpx.post(f"http://127.0.0.1:{at.port}/v1/recommend", json=question, headers=headers).json(),
        )
        for at in running.replicas
    ]
    assert told[0] == told[1]
    assert rows(running, "SELECT count(*) FROM events WHERE visitor_id = 'again'") == [(1,)]
    assert rows(running, "SELECT count(*) FROM decisions WHERE visitor_id = 'again'") == [(1,)]


@dataclass(frozen=True)
class Survived:
    """What was seen of a load in which one replica was killed, started again, and the other one renewed."""

    seen: Seen
    checked: Checked
    killed_at: float
    restarted_at: float
    stopped_seconds: float
    said_while_stopping: set[int]
    """Statuses of /readyz once the replica had been asked to stop."""
    sweepers: tuple[int, int]


@pytest.fixture(scope="module")
def survived(running: ReplicaSet) -> Survived:
    first, second = running.replicas
    load = SessionLoad(running.nginx.port, running.key, RATE, name="fault")
    load.start()
    try:
        time.sleep(3.0)
        before = sweeper(running)
        killed, left = (first, second) if first.process and first.process.pid == before else (second, first)
        killed_at = time.monotonic()
        killed.send(signal.SIGKILL)
        wait_for(lambda: sweeper(running) != before, seconds=20)
        after = sweeper(running)
        time.sleep(max(0.0, killed_at + 6.0 - time.monotonic()))
        restarted_at = time.monotonic()
        killed.start()
        killed.wait()
        # A replica that comes back is asked again once nginx tries it.
        time.sleep(1.0)
        stopping = time.monotonic()
        left.send(signal.SIGTERM)
        time.sleep(0.4)
        said = {httpx.get(f"http://127.0.0.1:{left.port}/readyz").status_code for _ in range(3)}
        assert left.process is not None
        left.process.wait(60)
        stopped_seconds = time.monotonic() - stopping
        time.sleep(1.0)
    finally:
        seen = load.finish()
    left.start()
    left.wait()
    checked = check(running.database_url, seen, share=SHARE, at_once=BURST, session_cap=2, pause_seconds=300.0)
    return Survived(seen, checked, killed_at, restarted_at, stopped_seconds, said, (before, after))


def test_a_replica_that_is_killed_under_load_costs_no_request_and_no_event(survived: Survived) -> None:
    assert survived.seen.failed == []
    assert survived.checked.lost_events == survived.checked.repeated_events == survived.checked.lost_decisions == 0
    assert len(survived.seen.acknowledged) > 200


def test_no_cap_pause_or_budget_is_passed_while_replicas_die_and_come_back(survived: Survived) -> None:
    checked = survived.checked
    assert (checked.close_nudges, checked.over_session_cap, checked.uncounted) == (0, 0, 0)
    assert checked.over_budget <= 0
    # There was enough to decide, and more than the twenty at once were shown something.
    assert checked.choices > 150
    assert checked.treated > BURST


def test_answers_are_as_fast_as_before_within_five_seconds(survived: Survived) -> None:
    assert survived.seen.recovery_seconds(survived.killed_at, survived.restarted_at, 2.5) < 5.0


def test_the_sweeper_of_a_killed_replica_is_followed_by_the_other(survived: Survived) -> None:
    before, after = survived.sweepers
    assert before != after


def test_a_replica_that_is_stopped_answers_on_for_a_while_and_then_ends(survived: Survived) -> None:
    # It says for a second that no more should come, and ends then, long before it would be killed.
    assert survived.said_while_stopping == {503}
    assert 1.0 <= survived.stopped_seconds < 10.0


def test_a_replica_that_hangs_is_passed_over_and_what_it_does_when_it_wakes_counts_once(running: ReplicaSet) -> None:
    hanging = running.replicas[0]
    load = SessionLoad(running.nginx.port, running.key, RATE, name="hang")
    load.start()
    try:
        time.sleep(0.5)
        hanging.send(signal.SIGSTOP)
        time.sleep(4.5)
    finally:
        hanging.send(signal.SIGCONT)
        seen = load.finish()
    assert seen.failed == []
    # What it had been sent it works off now, for nobody.
    time.sleep(1.0)
    checked = check(running.database_url, seen, share=SHARE, at_once=BURST, session_cap=2, pause_seconds=300.0)
    assert checked.is_whole, checked
    assert running.nginx.passed_on() > 0


def test_where_no_replica_is_there_clients_are_told_to_send_again(running: ReplicaSet) -> None:
    for one in running.replicas:
        one.send(signal.SIGKILL)
    refused = post(running, running.nginx.port, "/v1/track", {"anonymousId": "late", "event": "page_view"})
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert refused.json()["error"]["code"] == "unavailable"
