"""The real service on PostgreSQL: keys are noticed without a restart, and no secret is in anything that it says."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import httpx
import pytest
from servers import PostgresServer, Service, serving, wait_for
from sqlalchemy import Engine

from serving.runtime import now_us
from storage.database import open_database, writing
from storage.key_store import Grant, KeyStore
from storage.key_text import new_key

PASSWORD, COOKIE_SECRET, WEBHOOK_SECRET = "pass-5zP0", "cookie-9Qx7-thirty-two-characters", "webhook-3Rt8"
TRACK = {"type": "track", "messageId": "m", "anonymousId": "v", "event": "page_view"}


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def engine(postgres: PostgresServer) -> Iterator[Engine]:
    opened = open_database(postgres.url)
    yield opened
    opened.dispose()


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, model_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("keys") / "home"
    copytree(model_home, home)
    with serving(
        "ecommerce",
        home,
        database_url=postgres.url.replace("dropoff@", f"dropoff:{PASSWORD}@"),
        cookie_secret=COOKIE_SECRET,
        webhook="http://127.0.0.1:9/hook",
        webhook_secret=WEBHOOK_SECRET,
        key_watch_seconds=0.1,
        bench_routes=1,
    ) as running:
        yield running


def new(engine: Engine, *permissions: str) -> str:
    with writing(engine) as connection:
        grant = Grant("test", frozenset(permissions))
        return KeyStore(engine).add(connection, grant, actor="test", now_us=now_us()).text


@pytest.mark.slow
def test_keys_are_noticed_without_a_restart_and_no_secret_is_told(
    service: Service, engine: Engine, postgres: PostgresServer
) -> None:
    heard: list[str] = []

    with httpx.Client(base_url=service.url, timeout=20) as client:

        def ask(method: str, address: str, key: str = "", **more: object) -> int:
            headers = {**({"authorization": f"Bearer {key}"} if key else {}), **more.pop("headers", {})}  # type: ignore[dict-item]
            answer = client.request(method, address, headers=headers, **more)  # type: ignore[arg-type]
            heard.append(f"{answer.headers} {answer.text}")
            return answer.status_code

        # Without keys it says so, and answers this machine by its own names only.
        assert "There are no keys" in service.said()
        assert ask("POST", "/v1/track", json=TRACK) == 200
        assert ask("POST", "/v1/track", json=TRACK, headers={"host": "evil.example"}) == 403
        assert ask("POST", "/bentoml/score", json={"visitor_id": "v"}, headers={"x-forwarded-for": "192.0.2.7"}) == 403

        # From the first key on everybody needs one.
        admin = new(engine, "admin")
        wait_for(lambda: ask("GET", "/metrics") == 401, seconds=5)
        write, read = new(engine, "write"), new(engine, "read")
        wait_for(lambda: ask("POST", "/v1/track", write, json=TRACK) == 200, seconds=5)
        for address in ("/v1/score", "/v1/recommend", "/bentoml/score", "/bentoml/recommend"):
            assert ask("POST", address, read, json={"visitor_id": "v"}) == 200
            assert ask("POST", address, write, json={"visitor_id": "v"}) == 403
            assert ask("POST", address, json={"visitor_id": "v"}) == 401
        for address in ("/bench/empty", "/bench/empty_api"):
            assert [ask("POST", address, key, json={}) for key in (read, "")] == [200, 401]

        # Mistakes of all kinds, with secrets in them.
        unknown = new_key().text
        assert ask("POST", f"/v1/track?key={write}", content=b"{") == 400
        assert ask("POST", f"/v1/track?key={unknown}", json=TRACK) == 401
        assert ask("POST", f"/v1/nowhere?key={write}") == 404
        assert ask("PATCH", f"/v1/track?key={write}") == 405
        assert ask("POST", "/v1/track", json={**TRACK, "writeKey": write, "event": 5}) == 422
        assert ask("POST", "/v1/batch", json={"writeKey": write, "batch": [{"type": 5}, TRACK]}) == 200
        assert ask("POST", "/login", data={"key": unknown}, headers={"origin": service.url}) == 401
        assert ask("POST", "/login", data={"key": admin}, headers={"origin": service.url}) == 303
        assert ask("GET", "/metrics", admin) == 200
        assert ask("GET", "/docs.json") == 200

        # A revoked key opens nothing a moment later.
        with writing(engine) as connection:
            KeyStore(engine).revoke(connection, write.split("_")[1], actor="test", now_us=now_us())
        wait_for(lambda: ask("POST", "/v1/track", write, json=TRACK) == 401, seconds=5)

        # Without its database it knows the keys that it knew, and says what it cannot reach.
        other = new(engine, "write")
        wait_for(lambda: ask("POST", "/v1/track", other, json=TRACK) == 200, seconds=5)
        engine.dispose()
        postgres.stop()
        assert ask("POST", "/v1/track", other, json={**TRACK, "messageId": "n"}) == 503
        assert ask("POST", "/v1/track", json=TRACK) == 401
        wait_for(lambda: "keys cannot be read" in service.said(), seconds=10)
        postgres.start()
        wait_for(lambda: ask("POST", "/v1/track", other, json={**TRACK, "messageId": "n"}) == 200, seconds=20)

    secrets = [PASSWORD, COOKIE_SECRET, WEBHOOK_SECRET]
    secrets += [key.rpartition("_")[2] for key in (admin, write, read, unknown, other)]
    home = service.output.parent / "home"
    written = {str(path): path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert any("quarantine" in text or "quarantined" in text for text in heard)
    for secret in secrets:
        assert secret not in service.said()
        assert not any(secret in one for one in heard)
        assert not any(secret.encode() in content for content in written.values())
        with engine.connect() as connection:
            for table in ("keys", "audit", "events", "quarantine"):
                rows = str(connection.exec_driver_sql(f"SELECT * FROM {table}").all())
                assert secret not in rows, table
