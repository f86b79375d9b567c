"""Workers that are killed or stopped in the midst of their work: nothing is lost, and nothing is done twice."""

import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers import Service, serving, wait_for
from sqlalchemy import Engine, create_engine, text

sys.path.insert(0, str(Path(__file__).parents[1] / "insights"))
sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from conftest import shop, shop_model
from receiver import Receiver, receiving

from storage.database import database_url
from storage.models import point_champion, publish

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("workers")]

__all__ = ["shop", "shop_model"]  # fixtures

_JOURNEY = """
from dataclasses import replace
from journeys.ecommerce import JOURNEY as SHOP

every = tuple(friction for friction in SHOP.frictions if friction.addressable)
JOURNEY = replace(
    SHOP,
    interventions=tuple(
        replace(one, treats=every, prior_effect=0.9, prior_deviation=0.1) if one.name == "basket_reminder" else one
        for one in SHOP.interventions
    ),
    policy=replace(SHOP.policy, exploration=0.0, holdout=0.0),
)
"""
_LEASE_SECONDS = 1.0
_STEPS = ("add_to_cart", "payment_failed", "form_error", "payment_failed", "form_error", "payment_failed")


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, shop_model: Any) -> Path:
    folder = tmp_path_factory.mktemp("workers") / "home"
    publish(folder, shop_model.journey, "7", shop_model.save)
    point_champion(folder, shop_model.journey, "7")
    return folder


@pytest.fixture(scope="module")
def service(home: Path, receiver: Receiver) -> Iterator[Service]:
    journey = home.parent / "mine.py"
    journey.write_text(_JOURNEY)
    with serving(
        str(journey),
        home,
        "--workers",
        "2",
        insights_refresh=0,
        lease_seconds=_LEASE_SECONDS,
        sweep_seconds=0.05,
        follow_up_url=receiver.url,
        follow_up_secret="s3cret",  # noqa: S106
        follow_up_pause_seconds=0.2,
        model_watch_seconds=0.2,
    ) as running:
        wait_for(lambda: "Serving" in running.said())
        yield running


@pytest.fixture(scope="module")
def database(home: Path) -> Iterator[Engine]:
    engine = create_engine(database_url(home))
    yield engine
    engine.dispose()


def rows(database: Engine, query: str) -> list[Any]:
    with database.connect() as connection:
        return list(connection.execute(text(query)))


def workers(service: Service) -> set[int]:
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text().split()
    return {int(one) for one in children if b"serving.worker" in Path(f"/proc/{one}/cmdline").read_bytes()}


def holder(database: Engine) -> int:
    [(name,)] = rows(database, "SELECT holder FROM leases WHERE name = 'sweep:ecommerce'")
    return int(name.split(":")[1])


def counted(service: Service, line: str) -> float:
    text = httpx.get(f"{service.url}/metrics").text
    return sum(float(one.rsplit(" ", 1)[1]) for one in text.splitlines() if one.startswith(line))


def test_what_one_worker_was_told_the_others_answer_and_metrics_are_of_all(service: Service) -> None:
    for number in range(20):
        # A connection of its own each time, which either worker takes.
        call = {"anonymousId": "reader", "event": "page_view", "messageId": f"r{number}"}
        assert httpx.post(f"{service.url}/v1/track", json=call).status_code == 200
        told = httpx.post(f"{service.url}/v1/score", json={"visitor_id": "reader"}).json()
        assert told["events_seen"] == number + 1
    for _ in range(5):
        assert counted(service, 'dropoff_requests_total{route="/v1/score",status="200"}') == 20
        assert counted(service, 'dropoff_request_seconds_count{route="/v1/score"}') == 20
        assert counted(service, 'dropoff_model{journey="ecommerce",version="7"}') == 1


def test_connections_that_come_together_are_shared_by_the_workers(service: Service) -> None:
    def files() -> list[int]:
        return [len(list(Path(f"/proc/{one}/fd").iterdir())) for one in sorted(workers(service))]

    before = files()
    clients = [httpx.Client(base_url=service.url) for _ in range(16)]
    threads = [threading.Thread(target=client.get, args=("/livez",)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Not one of the two has taken them all.
    assert all(now - then >= 2 for now, then in zip(files(), before, strict=True))
    for client in clients:
        client.close()


def test_a_new_champion_answers_from_every_worker(service: Service, home: Path, shop_model: Any) -> None:
    from dataclasses import replace

    call = {"anonymousId": "champion", "event": "page_view"}
    assert httpx.post(f"{service.url}/v1/track", json=call).status_code == 200
    publish(home, shop_model.journey, "8", replace(shop_model, version="8").save)
    point_champion(home, shop_model.journey, "8")

    def ask() -> str:
        return str(httpx.post(f"{service.url}/v1/score", json={"visitor_id": "champion"}).json()["model_version"])

    wait_for(lambda: service.said().count("Version 8 answers from now on.") == 2, seconds=30)
    assert {ask() for _ in range(12)} == {"8"}


def test_a_worker_killed_under_load_loses_nothing_and_another_takes_its_place(
    service: Service, database: Engine
) -> None:
    acknowledged: list[str] = []
    statuses: Counter[int] = Counter()
    over = threading.Event()

    def send(sender: int) -> None:
        client = httpx.Client(base_url=service.url, timeout=20)
        number = 0
        while not over.is_set():
            call = {"messageId": f"load-{sender}-{number}", "anonymousId": f"load-{sender}", "event": "page_view"}
            try:
                answer = client.post("/v1/track", json=call)
            except httpx.TransportError:
                # What was not answered is sent again, as every client does.
                client = httpx.Client(base_url=service.url, timeout=20)
                continue
            statuses[answer.status_code] += 1
            if answer.status_code == 200:
                acknowledged.append(call["messageId"])
                number += 1
        client.close()

    before = workers(service)
    counted_before = counted(service, "dropoff_events_total")
    senders = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in senders:
        thread.start()
    wait_for(lambda: len(acknowledged) > 200)
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    reached = len(acknowledged)
    wait_for(lambda: len(acknowledged) > reached + 300)
    wait_for(lambda: len(workers(service) - before) == 1)
    over.set()
    for thread in senders:
        thread.join()
    assert set(statuses) == {200}
    kept = Counter(row[0] for row in rows(database, "SELECT event_id FROM events WHERE event_id LIKE 'load-%'"))
    assert set(acknowledged) <= set(kept)
    assert set(kept.values()) == {1}
    assert len(acknowledged) == len(set(acknowledged))
    for sender in range(4):
        seen = httpx.post(f"{service.url}/v1/score", json={"visitor_id": f"load-{sender}"}).json()["events_seen"]
        assert seen == sum(name.startswith(f"load-{sender}-") for name in kept)
    # What the killed worker had counted stays: at most what it had not answered when it died is not counted.
    new = counted(service, "dropoff_events_total") - counted_before
    assert len(kept) - 8 <= new <= len(kept) + 8


def leave(service: Service, kind: str, count: int) -> None:
    """Let so many known users, who agreed to e-mails, leave their baskets two hours ago."""
    began = time.time() - 7_200
    calls = []
    for number in range(count):
        for place, name in enumerate(_STEPS):
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began + 5 * place))
            calls.append(
                {
                    "type": "track",
                    "messageId": f"{kind}-{number}-{place}",
                    "anonymousId": f"{kind}-{number}",
                    "userId": f"user-{kind}-{number}",
                    "event": name,
                    "properties": {"email_consent": True},
                    "timestamp": at,
                    "originalTimestamp": at,
                }
            )
    for start in range(0, len(calls), 600):
        answer = httpx.post(f"{service.url}/v1/batch", json={"batch": calls[start : start + 600]}, timeout=30)
        assert (answer.status_code, answer.json()["quarantined"]) == (200, 0)


def check_once(service: Service, database: Engine, receiver: Receiver, kind: str, count: int) -> None:
    """Assert that every session was closed once, and every message delivered under one key."""
    ended = f"SELECT session_id, outcome FROM session_ends WHERE visitor_id LIKE '{kind}-%'"
    sent = f"SELECT id, session_id FROM follow_ups WHERE visitor_id LIKE '{kind}-%' AND delivered_us IS NOT NULL"
    wait_for(lambda: len(rows(database, ended)) == count, seconds=60)
    wait_for(lambda: len(rows(database, sent)) == count, seconds=60)
    assert {outcome for _, outcome in rows(database, ended)} == {"abandoned"}
    decided = rows(database, f"SELECT session_id FROM decisions WHERE visitor_id LIKE '{kind}-%'")
    assert len(decided) == count
    keys: dict[str, set[str]] = {}
    for headers, body in receiver.got:
        told = json.loads(body)
        if told["user_id"].startswith(f"user-{kind}-"):
            keys.setdefault(told["session_id"], set()).add(headers["Idempotency-Key"])
    assert {session: {key} for key, session in rows(database, sent)} == keys


def test_the_sweeper_killed_in_the_midst_closes_every_session_once_and_writes_to_each_once(
    service: Service, database: Engine, receiver: Receiver
) -> None:
    receiver.statuses = [503] * 10
    leave(service, "kill", 80)
    closed = "SELECT count(*) FROM session_ends WHERE visitor_id LIKE 'kill-%'"
    wait_for(lambda: rows(database, closed)[0][0] > 5)
    killed = holder(database)
    os.kill(killed, signal.SIGKILL)
    assert rows(database, closed)[0][0] < 80
    check_once(service, database, receiver, "kill", 80)
    assert holder(database) != killed


def test_a_sweeper_that_is_stopped_is_followed_and_does_not_go_on_when_it_wakes(
    service: Service, database: Engine, receiver: Receiver
) -> None:
    wait_for(lambda: len(workers(service)) == 2)
    stopped = holder(database)
    os.kill(stopped, signal.SIGSTOP)
    try:
        wait_for(lambda: holder(database) != stopped, seconds=60)
        following = holder(database)
        # Sent to the other worker: the stopped one accepts nothing.
        leave(service, "stop", 30)
    finally:
        os.kill(stopped, signal.SIGCONT)
    check_once(service, database, receiver, "stop", 30)
    assert holder(database) == following


def test_workers_whose_supervisor_is_killed_do_not_stay_behind(service: Service) -> None:
    left = workers(service)
    assert len(left) == 2
    os.kill(service.process.pid, signal.SIGKILL)
    service.process.wait()
    wait_for(lambda: not [one for one in left if Path(f"/proc/{one}").exists()], seconds=30)
