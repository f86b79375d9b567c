"""A real service on PostgreSQL and Redis, with JSON logs and traces: they tell all of it, and nothing of anybody."""

import json
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from collector import Collector, Received, collecting
from servers import PostgresServer, RedisServer, Service, serving
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from starlette.routing import Route

from serving.app import create_app
from storage.database import open_database, writing
from storage.failures import explain
from storage.key_store import Grant, KeyStore

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("logs")]

MARK = "zq7person"
ADDRESS = f"{MARK}@example.org"
PARAMETERS = {"session_id": f"{MARK}-s", "visitor_id": MARK, "write_key": f"{MARK}key", "call": "track"}
QUERY = {MARK: MARK, "e": "pv", "uid": MARK, "url": f"https://shop.example/{MARK}", "data": MARK, "person": MARK}
WHEN = "2026-01-01T00:00:00Z"
EVENT = {
    "messageId": f"{MARK}-1",
    "anonymousId": MARK,
    "userId": ADDRESS,
    "event": "add_to_cart",
    "properties": {"product": MARK, "email": ADDRESS, MARK: MARK},
    "context": {"userAgent": MARK, "ip": "203.0.113.77", "traits": {"email": ADDRESS}, "sessionId": f"{MARK}-s"},
    "type": "track",
}
BODIES: tuple[Any, ...] = (
    EVENT,
    {**EVENT, "event": MARK, "messageId": f"{MARK}-2"},
    {**EVENT, "timestamp": MARK},
    {"batch": [EVENT, {**EVENT, "anonymousId": [MARK]}, {**EVENT, "messageId": f"{MARK}\u0000"}, {"type": MARK}]},
    {
        "schema": f"iglu:{MARK}",
        "data": [{"e": "pv", "duid": MARK, "uid": ADDRESS, "tna": MARK, "url": f"https://{MARK}"}],
    },
    {
        "client_id": MARK,
        "user_id": ADDRESS,
        "events": [{"name": "add_to_cart", "params": {MARK: MARK}}, {"name": MARK}],
    },
    {"session_id": MARK},
    {"visitor_id": MARK},
    {"user_id": ADDRESS},
    {"visitor_id": MARK, "at": MARK},
    {"visitor_id": [MARK], MARK: MARK},
    {
        "events": [
            {"event_id": MARK, "visitor_id": MARK, "name": "add_to_cart", "occurred_at": WHEN, "user_id": ADDRESS}
        ]
    },
    {"decision_id": MARK, "outcome": "shown"},
    {"decision_id": MARK, "outcome": MARK},
    {"at": WHEN, "kind": "other", "text": MARK, "author": MARK},
    {
        "touchpoints": [
            {"id": MARK, "visitor_id": MARK, "user_id": ADDRESS, "channel": "email", "at": WHEN, "url": MARK}
        ]
    },
    [MARK],
    f'{{"visitor_id": "{MARK}", '.encode(),
    f"{MARK}".encode() + b"\xff\xfe",
)
FORM = {"key": MARK, "text": MARK, "author": MARK, "next": f"//{MARK}", "title": MARK}


@dataclass
class Site:
    """The service, what it tells to whom, and what it stands on."""

    service: Service
    collector: Collector
    postgres: PostgresServer
    redis: RedisServer
    key: str

    def client(self) -> httpx.Client:
        headers = {
            "Authorization": f"Bearer {self.key}",
            "User-Agent": MARK,
            "Referer": f"https://shop.example/{MARK}",
            "Cookie": f"session={MARK}; {MARK}=1",
            "X-Forwarded-For": "203.0.113.77",
            "tracestate": f"vendor={MARK}",
            "baggage": f"user={MARK}",
        }
        return httpx.Client(base_url=self.service.url, headers=headers, timeout=30)

    def lines(self) -> list[dict[str, Any]]:
        """Return what was written, which is JSON line by line."""
        return [json.loads(line) for line in self.service.said().splitlines()]

    def requests(self) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["logger"] == "dropoff.requests"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, model_home: Path) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(model_home, folder / "home")
    postgres, redis = PostgresServer(tmp_path_factory.mktemp("postgres")), RedisServer(folder)
    try:
        postgres.start()
        redis.start()
        engine = open_database(postgres.url)
        with writing(engine) as connection:
            grant = Grant("ops", frozenset({"admin", "read", "write"}))
            key = KeyStore(engine).add(connection, grant, actor="ada", now_us=time.time_ns() // 1_000).text
        engine.dispose()
        with (
            collecting() as collector,
            serving(
                "ecommerce",
                folder / "home",
                database_url=postgres.url,
                redis_url=redis.url,
                logs="json",
                traces_url=collector.url,
                traces_sample=1,
                keep_properties="*",
                insights_refresh=0,
            ) as service,
        ):
            yield Site(service, collector, postgres, redis, key)
    finally:
        redis.stop()
        postgres.stop()


def _names(spans: list[Received]) -> dict[str, str]:
    """Return each span's name with that of its parent."""
    by_id = {one.span_id: one.name for one in spans}
    return {one.name: by_id.get(one.parent_id, "") for one in spans}


def test_an_answer_can_be_followed_through_redis_and_the_database(site: Site) -> None:
    visitor = {"anonymousId": "v-1", "event": "add_to_cart"}
    with site.client() as client:
        tracked = client.post("/v1/track", json=visitor)
        asked = client.post("/v1/recommend", json={"visitor_id": "v-1"})
    assert (tracked.status_code, asked.status_code) == (200, 200)
    event = _names(site.collector.wait_for(tracked.headers["traceresponse"][3:35]))
    assert event["log write"] == "POST /v1/track"
    assert event["redis append"] == event["writer queue"] == event["commit"] == "log write"
    assert event["INSERT events"] == "write"
    spans = site.collector.wait_for(asked.headers["traceresponse"][3:35])
    advice = _names(spans)
    assert advice["redis read"] == "session read"
    assert advice["replay"] == advice["predict"] == advice["ledger write"] == "POST /v1/recommend"
    assert advice["INSERT decisions"] == "write"
    assert {one.attributes["db.system.name"] for one in spans if one.kind == 3} == {"redis", "postgresql"}
    [line] = [line for line in site.requests() if line["trace_id"] == asked.headers["traceresponse"][3:35]]
    assert line["decision_id"] == asked.json()["decision_id"]
    [root] = [one for one in spans if one.kind == 2]
    assert root.attributes["dropoff.decision_id"] == line["decision_id"]
    assert root.span_id == line["span_id"]


def test_a_violated_constraint_of_postgresql_is_told_without_the_values(site: Site) -> None:
    engine = open_database(site.postgres.url)
    insert = text("INSERT INTO seen VALUES (:mark)")
    with writing(engine) as connection:
        connection.execute(text("CREATE TEMP TABLE seen (id text PRIMARY KEY)"))
        connection.execute(insert, {"mark": MARK})
        with pytest.raises(IntegrityError) as told:
            connection.execute(insert, {"mark": MARK})
        connection.rollback()
    engine.dispose()
    assert MARK in str(told.value.orig)
    assert explain(told.value) == 'duplicate key value violates unique constraint "seen_pkey"'


def test_whatever_is_asked_no_log_line_and_no_span_has_anything_of_people(site: Site) -> None:
    asked, statuses = set(), set()
    with site.client() as client:
        for route in create_app().routes:
            assert isinstance(route, Route)
            address = route.path.replace(":path", "")
            for name, value in PARAMETERS.items():
                address = address.replace(f"{{{name}}}", value)
            address = address.replace("{", MARK).replace("}", "")
            for method in (route.methods or {"GET"}) - {"HEAD"}:
                asked.add((method, route.path))
                sent: list[dict[str, Any]] = [{"params": QUERY, "headers": {"Accept": "text/html"}}]
                if method == "POST":
                    sent += [
                        {"content" if isinstance(one, bytes) else "json": one, "params": {"k": MARK}} for one in BODIES
                    ]
                    sent.append({"data": FORM})
                for one in sent:
                    statuses.add(client.request(method, address, **one).status_code)
        for address in ("/bentoml/score", "/bentoml/recommend", f"/bentoml/{MARK}"):
            statuses |= {client.post(address, json=body).status_code for body in BODIES if not isinstance(body, bytes)}
        statuses.add(client.get(f"/v1/sessions/{MARK}-s", headers={"Authorization": f"Bearer {MARK}"}).status_code)
        statuses.add(client.request(MARK.upper(), "/v1/score").status_code)
        # The visitor is there: what follows asks about somebody.
        client.post("/v1/track", json={**EVENT, "messageId": f"{MARK}-3"})
        recommended = client.post("/v1/recommend", json={"visitor_id": MARK})
        assert recommended.status_code == 200
        shown = {"decision_id": recommended.json()["decision_id"], "outcome": "shown"}
        assert client.post("/v1/outcome", json=shown).status_code == 200
        story = client.get(f"/v1/sessions/{recommended.json()['session_id']}")
        assert MARK in story.text
        # Nothing is left of what everything stands on.
        site.redis.stop()
        assert client.post("/v1/track", json={**EVENT, "messageId": f"{MARK}-4"}).status_code == 503
        site.postgres.stop()
        last = client.post("/v1/recommend", json={"visitor_id": MARK})
        assert last.status_code == 503
    with socket.create_connection(("127.0.0.1", httpx.URL(site.service.url).port or 0)) as raw:
        raw.sendall(f"GET /{MARK} HTTP/{MARK}\r\n\r\n".encode())
        raw.recv(1_000)
    site.collector.wait_for(last.headers["traceresponse"][3:35])
    site.service.stop()
    assert {200, 204, 400, 401, 404, 405, 422} <= statuses
    lines = site.lines()
    routes = {line["route"] for line in site.requests()}
    assert {"/v1/sessions/{id}", "/v1/visitors/{id}", "/bentoml/score", "unserved", "/login", "/"} <= routes
    assert len(routes) > 50
    assert {line["logger"] for line in lines} >= {"dropoff.requests", "dropoff.serving"}
    # Whoever has written all that would have been seen.
    logged, traced = site.service.said(), b"".join(site.collector.bodies)
    assert len(site.collector.spans()) > len(site.requests())
    for secret in (MARK, ADDRESS, "203.0.113.77", site.key, site.key[len(site.key) // 2 :]):
        assert secret.lower() not in logged.lower()
        assert secret.lower().encode() not in traced.lower()
    assert len(asked) > 60
