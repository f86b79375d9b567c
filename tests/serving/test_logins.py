"""The pages behind their login: who comes in, for how long, and what somebody else cannot do with it."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "insights"))

from made_facts import SHOP, MadeSession, write_facts

from insights.current import publish_building
from serving.app import attach, create_app
from serving.clients import parse_networks
from serving.guard import Guard
from serving.runtime import Runtime
from storage.key_store import Grant
from storage.record_store import load_records

Client = Clock = OpenClient = Any  # as the fixtures of this folder make them
HTML = {"accept": "text/html"}
FORM = {"content-type": "application/x-www-form-urlencoded", "origin": "http://127.0.0.1", **HTML}
HOUR = 3_600


class Visit:
    """A browser at a service in this process: it keeps cookies, and sends forms as pages do."""

    def __init__(self, client: Client, runtime: Runtime) -> None:
        self.client = client
        self.runtime = runtime

    def key(self, *permissions: str, name: str = "Ada", **more: Any) -> str:
        runtime, grant = self.runtime, Grant(name, frozenset(permissions), **more)
        made = runtime.writer.submit(
            lambda connection: runtime.keys.add(connection, grant, actor="ada", now_us=runtime.now_us())
        ).result(5)
        runtime.renew_keys()
        return made.text

    def see(self, address: str, **headers: str) -> httpx.Response:
        answer: httpx.Response = self.client.request("GET", address, headers={**HTML, **headers})
        return answer

    def send(self, address: str, headers: Mapping[str, str] = FORM, **fields: str) -> httpx.Response:
        answer: httpx.Response = self.client.request("POST", address, data=fields, headers=dict(headers))
        return answer

    def log_in(self, key: str) -> None:
        assert self.send("/login", key=key).status_code == 303


@pytest.fixture
def visit(open_client: OpenClient, tmp_path: Path) -> Visit:
    client, runtime = open_client(login_seconds=float(HOUR))
    made = [MadeSession(number % 5) for number in range(30)]
    publish_building(runtime.configuration.home, SHOP.name, write_facts(tmp_path / "facts", made).folder, 0, 1.0)
    return Visit(client, runtime)


def test_without_keys_there_is_nothing_to_log_in_to(visit: Visit) -> None:
    assert visit.see("/").status_code == 200
    for address in ("/login", "/logout"):
        answer = visit.see(address)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "Log out" not in visit.see("/").text


def test_whoever_is_not_logged_in_is_led_to_the_login_and_back(visit: Visit) -> None:
    key = visit.key("admin")
    answer = visit.see("/sessions?device=mobile")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fsessions%3Fdevice%3Dmobile")
    form = visit.see(answer.headers["location"])
    assert 'name="next" value="/sessions?device=mobile"' in form.text
    assert key not in form.text
    done = visit.send("/login", key=key, next="/sessions?device=mobile")
    assert (done.status_code, done.headers["location"]) == (303, "/sessions?device=mobile")
    page = visit.see("/sessions?device=mobile")
    assert page.status_code == 200
    assert 'href="/logout"' in page.text
    # Nothing to fill in for those who are in already.
    assert visit.see("/login?next=/alerts").headers["location"] == "/alerts"


def test_programs_are_answered_with_401_and_let_in_with_the_key_itself(visit: Visit) -> None:
    key = visit.key("admin")
    for address in ("/sessions", "/overview/sessions.csv", "/metrics"):
        refused = visit.client.get(address)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "no_key")
        assert visit.see(address, authorization=f"Bearer {key}").status_code == 200


def test_the_cookie_is_kept_from_scripts_other_sites_and_plain_http(visit: Visit) -> None:
    key = visit.key("admin")
    plain = visit.send("/login", key=key).headers["set-cookie"]
    assert plain.startswith("dropoff_login=")
    attributes = {part.strip() for part in plain.split(";")[1:]}
    assert attributes == {"Path=/", f"Max-Age={HOUR}", "HttpOnly", "SameSite=Strict"}
    app = create_app()
    attach(app, visit.runtime)
    behind = type(visit.client)(Guard(app, 1_000, app, parse_networks("127.0.0.1")))
    headers = {**FORM, "origin": "https://127.0.0.1", "x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.7"}
    answer = behind.request("POST", "/login", data={"key": key}, headers=headers)
    assert answer.status_code == 303
    assert answer.headers["set-cookie"].startswith("__Host-dropoff_login=")
    assert "Secure" in {part.strip() for part in answer.headers["set-cookie"].split(";")}
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    behind.close()


@pytest.mark.parametrize(
    "address",
    [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "/%5cevil.example",
        "javascript:alert(1)",
        "/nowhere",
        "//",
        "/sessions\r\nset-cookie: a=b",
        "http:///sessions",
        "/login",
        "",
    ],
)
def test_nobody_is_led_elsewhere_by_an_address(visit: Visit, address: str) -> None:
    key = visit.key("admin")
    assert (
        f'value="{address}"' not in visit.client.request("GET", "/login", params={"next": address}).text or not address
    )
    assert visit.send("/login", key=key, next=address).headers["location"] == "/"


def test_only_an_admin_key_of_this_journey_lets_in(visit: Visit) -> None:
    for key in (visit.key("write", "read"), visit.key("admin", journey="onboarding")):
        answer = visit.send("/login", key=key)
        assert answer.status_code == 403
        assert 'role="alert"' in answer.text
        assert "set-cookie" not in answer.headers
    wrong = visit.send("/login", key="<script>alert(1)</script>")
    assert wrong.status_code == 401
    assert "<script>alert" not in wrong.text
    assert visit.see("/").status_code == 303


def test_failed_logins_are_slowed_down(visit: Visit, clock: Clock) -> None:
    key = visit.key("admin")
    assert [visit.send("/login", key="do_guess").status_code for _ in range(6)] == [401] * 5 + [429]
    waiting = visit.send("/login", key=key)
    assert (waiting.status_code, waiting.headers["retry-after"]) == (429, "10")
    clock.advance(10)
    assert visit.send("/login", key=key).status_code == 303


def test_forms_of_other_sites_neither_log_in_nor_out_nor_write(visit: Visit) -> None:
    key = visit.key("admin")
    for headers in ({**FORM, "origin": "http://evil.example"}, {**FORM, "sec-fetch-site": "cross-site"}, {**HTML}):
        assert visit.send("/login", headers, key=key).status_code == 403
    visit.log_in(key)
    for address in ("/logout", "/governance/review"):
        assert visit.send(address, {**FORM, "origin": "http://evil.example"}, until="2026-03-01").status_code == 403
    assert visit.see("/").status_code == 200


def test_a_login_ends_after_its_time(visit: Visit, clock: Clock) -> None:
    key = visit.key("admin")
    visit.log_in(key)
    cookie = visit.client._client.cookies["dropoff_login"]
    clock.advance(HOUR - 1)
    assert visit.see("/", cookie=f"dropoff_login={cookie}").status_code == 200
    clock.advance(1)
    assert visit.see("/", cookie=f"dropoff_login={cookie}").status_code == 303


def test_a_login_ends_with_its_key(visit: Visit) -> None:
    key = visit.key("admin")
    visit.log_in(key)
    runtime = visit.runtime
    runtime.writer.submit(
        lambda connection: runtime.keys.revoke(connection, key.split("_")[1], actor="a", now_us=runtime.now_us())
    ).result(5)
    runtime.renew_keys()
    assert visit.see("/").status_code == 303


def test_a_login_that_was_ended_cannot_be_used_again_here_or_by_another_process(visit: Visit) -> None:
    visit.log_in(visit.key("admin"))
    cookie = f"dropoff_login={visit.client._client.cookies['dropoff_login']}"
    assert "You are logged in with the key Ada." in visit.see("/logout").text
    out = visit.send("/logout")
    assert (out.status_code, out.headers["location"]) == (303, "/login")
    assert "Max-Age=0" in out.headers["set-cookie"]
    assert visit.see("/", cookie=cookie).status_code == 303
    # Another process learns it from the database.
    visit.runtime.access.ended_logins = frozenset()
    assert visit.see("/", cookie=cookie).status_code == 200
    visit.runtime.renew_keys()
    assert visit.see("/", cookie=cookie).status_code == 303


def test_a_changed_cookie_and_one_of_another_server_let_nobody_in(visit: Visit, open_client: OpenClient) -> None:
    visit.log_in(visit.key("admin"))
    other = visit.key("admin", name="Bob").split("_")[1]
    cookie = visit.client._client.cookies["dropoff_login"]
    login_id, key_id, until, signature = cookie.split(".")
    visit.client._client.cookies.clear()
    for changed in (
        f"{login_id}.{key_id}.{int(until) + 1}.{signature}",
        f"{login_id}x.{key_id}.{until}.{signature}",
        f"{login_id}.{other}.{until}.{signature}",
        f"{login_id}.{key_id}.{until}.{'0' * 64}",
        f"{login_id}.{key_id}.{until}.",
        f"{login_id}.{key_id}.{signature}",
        f"{login_id}.{key_id}.x.{signature}",
        "...",
        "",
        "\N{SNOWMAN}",
        "a" * 5_000,
    ):
        answer = visit.client.request(
            "GET", "/", headers=[(b"accept", b"text/html"), (b"cookie", f"dropoff_login={changed}".encode())]
        )
        assert answer.status_code == 303, changed
    assert visit.see("/", cookie=f"dropoff_login={cookie}").status_code == 200
    client, _ = open_client(cookie_secret="another secret of thirty-two signs")  # noqa: S106
    assert client.request("GET", "/", headers={**HTML, "cookie": f"dropoff_login={cookie}"}).status_code == 303


def test_the_servers_secret_is_a_file_that_nobody_else_reads(visit: Visit) -> None:
    visit.log_in(visit.key("admin"))
    [path] = (visit.runtime.configuration.home / "secrets").glob("cookie")
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_written_on_the_pages_is_by_the_key_that_is_logged_in(visit: Visit) -> None:
    visit.log_in(visit.key("admin", name="Ada's laptop"))
    note = {"at": "2026-03-01T12:00", "kind": "release", "text": "New checkout", "author": "Bob"}
    assert visit.send("/alerts/annotate", **note).status_code == 303
    assert visit.send("/governance/review", until="2026-03-01", author="Bob").status_code == 303
    records = load_records(visit.runtime.engine, SHOP.name)
    assert [one.author for one in records.annotations] == ["Ada's laptop"]
    by = {entry.action: entry.actor for entry in records.audit}
    assert (by["annotate"], by["hold review"]) == ("Ada's laptop", "Ada's laptop")
