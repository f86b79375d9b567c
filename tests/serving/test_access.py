"""Keys over HTTP: who is let in, who is not, and what they are told."""

from base64 import b64encode
from typing import Any

import pytest

from serving.app import create_app
from serving.cors import SharedRoute
from serving.runtime import Runtime
from storage.key_store import Grant

Client = Clock = OpenClient = Any  # as the fixtures of this folder make them
SECOND = 1_000_000
TRACK = {"type": "track", "messageId": "m", "anonymousId": "v", "event": "page_view"}
ADDRESS = {"{session_id}": "s", "{visitor_id}": "v", "{write_key}": "k"}
OPEN = {"/v1/projects/k/settings", "/sourceConfig", "/sourceConfig/"}


class Keys:
    """Makes keys for a service in this process, which knows them at once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def new(self, *permissions: str, name: str = "a key", **limits: Any) -> str:
        runtime = self._runtime
        grant = Grant(name, frozenset(permissions), **limits)
        made = runtime.writer.submit(
            lambda connection: runtime.keys.add(connection, grant, actor="ada", now_us=runtime.now_us())
        ).result(5)
        runtime.renew_keys()
        return made.text

    def revoke(self, text: str) -> None:
        runtime = self._runtime
        runtime.writer.submit(
            lambda connection: runtime.keys.revoke(connection, text.split("_")[1], actor="ada", now_us=runtime.now_us())
        ).result(5)
        runtime.renew_keys()


@pytest.fixture
def opened(open_client: OpenClient) -> tuple[Client, Runtime, Keys]:
    client, runtime = open_client()
    return client, runtime, Keys(runtime)


def ask(client: Client, method: str, address: str, key: str | None = None, **more: Any) -> Any:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    if method == "POST" and "content" not in more:
        more.setdefault("json", {})
    return client.request(method, address, headers={**headers, **more.pop("headers", {})}, **more)


def guarded_routes() -> list[tuple[str, str, frozenset[str]]]:
    found = []
    for route in create_app().routes:
        if isinstance(route, SharedRoute) and route.permissions:
            path = route.path.replace(":path}", "}")
            for name, value in ADDRESS.items():
                path = path.replace(name, value)
            method = next(iter((route.methods or set()) - {"HEAD"}))
            if path not in OPEN:
                found.append((method, path, frozenset(map(str, route.permissions))))
    return found


def test_without_keys_everything_is_accepted(opened: tuple[Client, Runtime, Keys]) -> None:
    client, runtime, _ = opened
    assert not runtime.access.keyed
    assert ask(client, "POST", "/v1/track", json=TRACK).status_code == 200
    assert ask(client, "POST", "/v1/track", "do_something", json=TRACK).status_code == 200
    assert ask(client, "GET", "/metrics").status_code == 200


def test_every_route_asks_for_its_permission_and_tells_nothing_to_others(
    opened: tuple[Client, Runtime, Keys], clock: Clock
) -> None:
    client, _, keys = opened
    with_key = {
        permission: keys.new(permission, name=permission) for permission in ("write", "read", "metrics", "admin")
    }
    routes = guarded_routes()
    assert {path for _, path, _ in routes} >= {"/v1/track", "/v1/batch", "/v1/score", "/metrics", "/v1/sessions/s"}
    for method, path, asked in routes:
        clock.advance(1)
        nobody = ask(client, method, path)
        assert (nobody.status_code, nobody.json()["error"]["code"]) == (401, "no_key"), path
        assert nobody.headers["www-authenticate"].startswith("Bearer ")
        for permission, key in with_key.items():
            answer = ask(client, method, path, key)
            if permission in asked:
                assert answer.status_code not in (401, 403, 429), (path, answer.text)
            else:
                assert (answer.status_code, answer.json()["error"]["code"]) == (403, "missing_permission")
                said = answer.json()["error"]["message"].partition(";")[0]
                assert all(one in said for one in asked)
                assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_what_is_open_stays_open(opened: tuple[Client, Runtime, Keys]) -> None:
    client, _, keys = opened
    keys.new("admin")
    for address in ("/livez", "/readyz", "/docs.json", "/static/pages.css"):
        assert client.get(address).status_code == 200


def test_whether_something_exists_is_not_told_to_those_who_may_not_ask(opened: tuple[Client, Runtime, Keys]) -> None:
    client, _, keys = opened
    write = keys.new("write")
    assert ask(client, "POST", "/v1/track", write, json={**TRACK, "context": {"sessionId": "s"}}).status_code == 200
    for key in (None, write):
        known, unknown = (ask(client, "GET", f"/v1/sessions/{one}", key) for one in ("s", "none"))
        assert known.status_code == unknown.status_code
        assert known.content == unknown.content
        known, unknown = (ask(client, "POST", "/v1/score", key, json={"session_id": one}) for one in ("s", "none"))
        assert known.content == unknown.content


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda key: key[:-1] + ("x" if key[-1] != "x" else "y"), "mistyped_key"),
        (lambda key: key[:-1], "mistyped_key"),
        (lambda _: "secret", "unknown_key"),
        (lambda _: "sk_live_1", "unknown_key"),
    ],
)
def test_a_mistyped_key_is_told_from_an_unknown_one(
    opened: tuple[Client, Runtime, Keys], spoil: Any, code: str
) -> None:
    client, _, keys = opened
    answer = ask(client, "POST", "/v1/track", spoil(keys.new("write")), json=TRACK)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_a_key_of_another_installation_is_unknown(opened: tuple[Client, Runtime, Keys]) -> None:
    from storage.key_text import new_key

    client, _, keys = opened
    keys.new("write")
    answer = ask(client, "POST", "/v1/track", new_key().text, json=TRACK)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unknown_key")


def test_a_revoked_and_an_expired_key_open_nothing_and_the_service_stays_closed(
    opened: tuple[Client, Runtime, Keys], clock: Clock
) -> None:
    client, runtime, keys = opened
    revoked, expiring = keys.new("write"), keys.new("write", expires_us=runtime.now_us() + 10 * SECOND)
    assert ask(client, "POST", "/v1/track", revoked, json=TRACK).status_code == 200
    keys.revoke(revoked)
    answer = ask(client, "POST", "/v1/track", revoked, json=TRACK)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "revoked_key")
    clock.advance(9.9)
    assert ask(client, "POST", "/v1/track", expiring, json=TRACK).status_code == 200
    clock.advance(0.1)
    answer = ask(client, "POST", "/v1/track", expiring, json=TRACK)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "expired_key")
    # No key opens anything now: that does not make it the open service of the beginning.
    assert ask(client, "POST", "/v1/track", json=TRACK).status_code == 401


def test_a_key_of_another_journey_opens_nothing_here(opened: tuple[Client, Runtime, Keys]) -> None:
    client, _, keys = opened
    here, elsewhere = keys.new("write", journey="ecommerce"), keys.new("write", journey="onboarding")
    assert ask(client, "POST", "/v1/track", here, json=TRACK).status_code == 200
    answer = ask(client, "POST", "/v1/track", elsewhere, json=TRACK)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "wrong_journey")


def test_clients_send_keys_in_their_own_ways(opened: tuple[Client, Runtime, Keys]) -> None:
    client, _, keys = opened
    key = keys.new("write")
    for user in (f"{key}:", key):
        headers = {"authorization": f"Basic {b64encode(user.encode()).decode()}"}
        assert ask(client, "POST", "/v1/batch", headers=headers, json={"batch": [TRACK]}).status_code == 200
    assert ask(client, "POST", "/v1/track", headers={"x-dropoff-key": key}, json=TRACK).status_code == 200
    for name in ("key", "api_secret", "writeKey"):
        assert ask(client, "POST", f"/v1/track?{name}={key}", json=TRACK).status_code == 200
    assert ask(client, "POST", "/v1/track", json={**TRACK, "writeKey": key}).status_code == 200
    assert ask(client, "POST", "/v1/batch", json={"writeKey": key, "batch": [TRACK]}).status_code == 200
    # A site behind Basic authentication of its own.
    site = {"authorization": f"Basic {b64encode(b'staging:secret').decode()}"}
    assert ask(client, "POST", "/v1/batch", headers=site, json={"writeKey": key, "batch": [TRACK]}).status_code == 200
    for body in (b"{", b"[]", b'{"writeKey": 1}'):
        assert ask(client, "POST", "/v1/batch", content=body).json()["error"]["code"] == "no_key"


def test_addresses_and_bodies_carry_keys_that_write_only(opened: tuple[Client, Runtime, Keys]) -> None:
    client, _, keys = opened
    key = keys.new("write", "read", "admin")
    assert ask(client, "POST", f"/v1/score?key={key}", json={"visitor_id": "v", "writeKey": key}).status_code == 401
    assert client.get(f"/metrics?key={key}").status_code == 401
    assert client.get(f"/v1/annotations?key={key}").status_code == 401


def test_a_key_has_its_own_rate_and_is_told_when_to_try_again(
    opened: tuple[Client, Runtime, Keys], clock: Clock
) -> None:
    client, runtime, keys = opened
    slow, other = keys.new("write", requests_per_second=2.0), keys.new("write")
    statuses = [ask(client, "POST", "/v1/track", slow, json=TRACK).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    answer = ask(client, "POST", "/v1/track", slow, json=TRACK)
    assert (answer.headers["retry-after"], answer.json()["error"]["code"]) == ("1", "too_many_requests")
    assert ask(client, "POST", "/v1/track", other, json=TRACK).status_code == 200
    clock.advance(0.5)
    assert ask(client, "POST", "/v1/track", slow, json=TRACK).status_code == 200
    assert ask(client, "POST", "/v1/track", slow, json=TRACK).status_code == 429
    # Less than one a second: so long that a whole number of seconds says it.
    rare = keys.new("write", requests_per_second=0.1)
    assert ask(client, "POST", "/v1/track", rare, json=TRACK).status_code == 200
    assert ask(client, "POST", "/v1/track", rare, json=TRACK).headers["retry-after"] == "10"
    # One of four processes that serve together gives a quarter.
    runtime.access.share = 0.25
    shared = keys.new("write", requests_per_second=8.0)
    assert [ask(client, "POST", "/v1/track", shared, json=TRACK).status_code for _ in range(3)] == [200, 200, 429]


def test_without_keys_an_address_has_the_services_rate(open_client: OpenClient) -> None:
    client, _ = open_client(requests_per_second=3.0)
    assert [ask(client, "POST", "/v1/track", json=TRACK).status_code for _ in range(4)] == [200, 200, 200, 429]


def test_guessing_is_slowed_down_and_those_with_a_key_go_on(opened: tuple[Client, Runtime, Keys]) -> None:
    client, _, keys = opened
    key = keys.new("write")
    statuses = [ask(client, "POST", "/v1/track", f"do_guess{n}", json=TRACK).status_code for n in range(40)]
    assert statuses == [401] * 20 + [429] * 20
    assert ask(client, "POST", "/v1/track", key, json=TRACK).status_code == 200


def test_a_key_has_its_own_largest_body(opened: tuple[Client, Runtime, Keys]) -> None:
    client, _, keys = opened
    small, usual = keys.new("write", max_body_bytes=200), keys.new("write")
    large = {**TRACK, "properties": {"product": "p" * 300}}
    for how in ({"authorization": f"Bearer {small}"}, None):
        body = large if how else {**large, "writeKey": small}
        answer = ask(client, "POST", "/v1/track", headers=how or {}, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    assert ask(client, "POST", "/v1/track", usual, json=large).status_code == 200


def test_the_description_says_what_each_route_needs_where_there_are_keys(opened: tuple[Client, Runtime, Keys]) -> None:
    client, _, keys = opened
    before = client.get("/docs.json").json()
    assert "security" not in before["paths"]["/v1/track"]["post"]
    keys.new("admin")
    described = client.get("/docs.json").json()
    track, score = described["paths"]["/v1/track"]["post"], described["paths"]["/v1/score"]["post"]
    assert {"basic": []} in track["security"]
    assert {"query": []} in track["security"]
    assert {"query": []} not in score["security"]
    assert {"401", "403", "408", "429"} <= set(score["responses"])
    assert set(described["components"]["securitySchemes"]) == {"basic", "bearer", "header", "query"}
    assert "security" not in described["paths"]["/livez"]["get"]
    assert "security" in described["paths"]["/metrics"]["get"]


def test_the_audit_names_the_key_that_changed_something(opened: tuple[Client, Runtime, Keys]) -> None:
    from storage.record_store import load_records

    client, runtime, keys = opened
    admin = keys.new("admin", name="Ada's laptop")
    note = {"at": "2026-03-01T12:00:00Z", "kind": "release", "text": "New checkout", "author": "somebody else"}
    assert ask(client, "POST", "/v1/annotations", admin, json=note).json()["author"] == "Ada's laptop"
    assert ask(client, "POST", "/v1/track", keys.new("write"), json=TRACK).status_code == 200
    assert ask(client, "DELETE", "/v1/visitors/v", admin).status_code == 200
    audit = load_records(runtime.engine, "ecommerce").audit
    by = {entry.action: entry.actor for entry in audit}
    assert (by["annotate"], by["erase visitor"]) == ("Ada's laptop", "Ada's laptop")


def test_when_a_key_was_used_is_known_to_the_minute(opened: tuple[Client, Runtime, Keys], clock: Clock) -> None:
    client, runtime, keys = opened
    key = keys.new("write")

    def used() -> int | None:
        client.run(runtime.keep_keys())
        [stored] = runtime.keys.all_keys()
        return stored.last_used_us

    assert used() is None
    ask(client, "POST", "/v1/track", key, json=TRACK)
    first = runtime.now_us()
    assert used() == first
    clock.advance(30)
    ask(client, "POST", "/v1/track", key, json=TRACK)
    assert used() == first
    clock.advance(31)
    ask(client, "POST", "/v1/track", key, json=TRACK)
    assert used() == runtime.now_us()


def test_every_protocol_takes_a_key_that_comes_in_the_address_and_in_the_body(
    opened: tuple[Client, Runtime, Keys],
) -> None:
    client, _, keys = opened
    key = keys.new("write")
    written = [path for method, path, asked in guarded_routes() if method == "POST" and "write" in asked]
    assert "/mp/collect" in written
    for path in written:
        for address, body in ((f"{path}?key={key}", {}), (path, {"writeKey": key})):
            answer = ask(client, "POST", address, json=body)
            assert answer.status_code not in (401, 403, 429, 500), (address, answer.text)


def test_a_key_beside_an_event_that_is_refused_is_not_kept_with_it(opened: tuple[Client, Runtime, Keys]) -> None:
    client, runtime, keys = opened
    key = keys.new("write")
    bad = {"type": "track", "anonymousId": "v", "writeKey": key, "properties": {"page": f"/?key={key}"}}
    answer = ask(client, "POST", "/v1/batch", json={"writeKey": key, "batch": [TRACK, bad]})
    assert answer.json()["quarantined"] == 1
    with runtime.engine.connect() as connection:
        kept = str(connection.exec_driver_sql("SELECT * FROM quarantine").all())
    assert key.rpartition("_")[2] not in kept
    pixel = client.get(f"/i?e=pv&p=web&writeKey={key}&tv=x")
    assert pixel.status_code != 401
    with runtime.engine.connect() as connection:
        kept = str(connection.exec_driver_sql("SELECT * FROM quarantine").all())
    assert key.rpartition("_")[2] not in kept
