"""The pages' routes: who may see them, what is refused, and what stands in the answers."""

import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "insights"))

from made_facts import SHOP, MadeSession, write_facts

import serving.pages
from insights.current import current_facts, publish_building
from insights.facts import Facts
from insights.pages.site import PAGES
from serving.app import attach, create_app
from serving.errors import ClientError
from serving.forms import TakenForm
from serving.guard import Guard
from serving.refresh import is_due
from serving.runtime import Runtime

Client = OpenClient = Any  # as the fixtures of this folder make them
HTML = {"accept": "text/html"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def publish(runtime: Runtime, folder: Path, sessions: int = 30) -> Facts:
    made = [MadeSession(number % 5, device="mobile" if number % 3 else "desktop") for number in range(sessions)]
    home = runtime.configuration.home
    return publish_building(home, SHOP.name, write_facts(folder / "facts", made).folder, 0, 1.0)


@pytest.fixture
def opened(open_client: OpenClient, tmp_path: Path) -> tuple[Client, Runtime]:
    client, runtime = open_client()
    publish(runtime, tmp_path / "made")
    return client, runtime


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.slug)
def test_every_page_answers_with_its_title_and_may_not_be_kept(opened: tuple[Client, Runtime], entry: Any) -> None:
    answer = opened[0].request("GET", f"/{entry.slug}", headers=HTML, follow_redirects=True)
    assert answer.status_code == 200
    assert "<h1>" in answer.text
    assert f'aria-current="page">{entry.title}<' in answer.text
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    # Nothing in the page is a script but files of the service, and data.
    assert answer.text.count("<script") == answer.text.count('<script src="/static/') + answer.text.count(
        '<script type="application/json"'
    )


def test_before_there_are_figures_a_page_says_what_to_do(open_client: OpenClient) -> None:
    client, _ = open_client()
    answer = client.request("GET", "/", headers=HTML)
    assert answer.status_code == 200
    assert "No events have been received. Send them to POST /v1/track" in answer.text
    assert client.get("/overview/sessions.csv").json()["error"]["code"] == "no_facts"
    client.post("/v1/track", {"type": "track", "messageId": "m", "anonymousId": "v", "event": "page_view"})
    assert "The figures are being made" in client.request("GET", "/sessions", headers=HTML).text
    client, _ = open_client(insights_refresh=0.0)
    assert "DROPOFF_INSIGHTS_REFRESH is 0" in client.request("GET", "/", headers=HTML).text


def test_figures_of_another_version_are_like_none_and_are_made_anew(opened: tuple[Client, Runtime]) -> None:
    client, runtime = opened
    facts = current_facts(runtime.configuration.home, SHOP.name)
    assert facts is not None
    described = facts.folder / "facts.json"
    described.write_text(described.read_text().replace('"format": ', '"format": 9'))
    client.post("/v1/track", {"type": "track", "messageId": "m", "anonymousId": "v", "event": "page_view"})
    assert "The figures are being made" in client.request("GET", "/", headers=HTML).text
    assert is_due(runtime)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/?devise=mobile", "did you mean device"),
        ("/?since=soon", "is no day"),
        ("/?since=2026-06-02&until=2026-06-01", "after its end"),
        ("/sessions?risk=x", "is no number"),
        ("/overview/sessions.csv?devise=1", "did you mean device"),
    ],
)
def test_an_address_that_cannot_be_understood_is_answered_with_what_to_write(
    opened: tuple[Client, Runtime], address: str, said: str
) -> None:
    client, _ = opened
    answer = client.get(address)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "wrong_filter")
    assert said in answer.json()["error"]["message"]
    page = client.request("GET", address, headers=HTML)
    assert page.status_code == 400
    assert "This address cannot be understood" in page.text


def test_what_an_address_says_cannot_become_markup(opened: tuple[Client, Runtime]) -> None:
    client, _ = opened
    for address in ("/?<script>alert(1)</script>=x", "/?device=<script>alert(1)</script>", "/sessions?find=<script>"):
        assert "<script>" not in client.request("GET", address, headers=HTML).text


def test_filters_choose_and_a_download_has_the_same(opened: tuple[Client, Runtime]) -> None:
    client, _ = opened
    # Of the numbers 0 to 29, ten can be divided by three.
    assert client.get("/overview/sessions.csv?device=desktop").text.startswith("sessions,before\r\n10,")
    answer = client.get("/overview/sessions.csv?device=desktop&device=mobile")
    assert answer.text.startswith("sessions,before\r\n30,")
    assert answer.headers["content-disposition"] == 'attachment; filename="overview-sessions.csv"'
    assert client.get("/overview/nothing.csv").json()["error"]["code"] == "no_such_figure"


def test_newer_figures_are_shown_although_pages_are_kept(opened: tuple[Client, Runtime], tmp_path: Path) -> None:
    client, runtime = opened
    assert client.get("/overview/sessions.csv").text.split("\r\n")[1].startswith("30,")
    publish(runtime, tmp_path / "newer", sessions=40)
    assert client.get("/overview/sessions.csv").text.split("\r\n")[1].startswith("40,")


def _from(app: Any, client: tuple[str, int], host: str, server: str = "127.0.0.1") -> Callable[[str], httpx.Response]:
    import asyncio

    async def asking(address: str) -> httpx.Response:
        transport = httpx.ASGITransport(app, client=client)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{server}") as one:
            return await one.get(address, headers={**HTML, "host": host})

    return lambda address: asyncio.run(asking(address))


@pytest.mark.parametrize(
    ("client", "host", "server", "status"),
    [
        ("127.0.0.1", "127.0.0.1:3000", "127.0.0.1", 200),
        ("127.0.0.1", "localhost:3000", "127.0.0.1", 200),
        ("::1", "[::1]:3000", "[::1]", 200),
        # Somebody else's machine; this one by its address in the network; a name that was made to lead here.
        ("192.0.2.7", "127.0.0.1:3000", "127.0.0.1", 403),
        ("127.0.0.1", "192.0.2.1", "192.0.2.1", 403),
        ("127.0.0.1", "evil.example", "127.0.0.1", 403),
        ("127.0.0.1", "127.0.0.1.evil.example", "127.0.0.1", 403),
    ],
)
def test_pages_answer_this_machine_only(
    opened: tuple[Client, Runtime], client: str, host: str, server: str, status: int
) -> None:
    app = create_app()
    attach(app, opened[1])
    ask = _from(Guard(app, 1_000, app), (client, 5000), host, server)
    for address in ("/", "/sessions", "/overview/sessions.csv"):
        answer = ask(address)
        assert answer.status_code == status
        assert ("this service answers its own machine only" in answer.text) == (status == 403)


def test_static_files_are_kept_for_ever_under_the_address_of_their_content(opened: tuple[Client, Runtime]) -> None:
    client, _ = opened
    page = client.request("GET", "/", headers=HTML).text
    address = page.split('href="/static/pages.css')[1].split('"')[0]
    kept = client.get(f"/static/pages.css{address}")
    assert "immutable" in kept.headers["cache-control"]
    assert kept.headers["content-type"].startswith("text/css")
    plain = client.get("/static/pages.css")
    assert plain.headers["cache-control"] == "no-cache"
    assert plain.content == kept.content
    again = client.request("GET", "/static/pages.css", headers={"if-none-match": plain.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for name in ("..%2fmake.py", "nothing.js", "../pages.py"):
        assert client.get(f"/static/{name}").status_code == 404


@pytest.fixture
def form(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, str]]:
    """A form of the overview that writes down what it is given, and refuses an empty text."""
    taken: list[Mapping[str, str]] = []

    async def change(_runtime: Runtime, given: Mapping[str, str]) -> None:
        if not given.get("text"):
            raise ClientError(422, "invalid_field", "Say what it is.", "text")
        taken.append(given)

    write: Callable[..., Awaitable[None]] = change
    monkeypatch.setattr(serving.pages, "FORMS", {("overview", "note"): TakenForm(write, "It is noted down.")})
    return taken


def test_a_form_is_taken_from_a_page_of_this_service_only(
    opened: tuple[Client, Runtime], form: list[Mapping[str, str]]
) -> None:
    app = create_app()
    attach(app, opened[1])
    client = opened[0].__class__(app)
    own = {"origin": "http://127.0.0.1", "sec-fetch-site": "same-origin"}

    def post(headers: Mapping[str, str], body: str = "text=a+b&more=%3Cb%3E") -> httpx.Response:
        answer: httpx.Response = client.request("POST", "/overview/note", content=body, headers={**FORM, **headers})
        return answer

    for others in (
        {},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8000"},
        {**own, "sec-fetch-site": "cross-site"},
        {**own, "sec-fetch-site": "same-site"},
    ):
        assert post(others).status_code == 403
    assert form == []
    done = post({**own, "referer": "http://127.0.0.1/?device=mobile&done=else"})
    assert (done.status_code, done.headers["location"]) == (303, "/?device=mobile&done=note")
    assert form == [{"text": "a b", "more": "<b>"}]
    assert "It is noted down." in client.request("GET", done.headers["location"], headers=HTML).text
    # Whoever leads people to an address cannot choose what the page says.
    assert "anything" not in client.request("GET", "/?done=anything", headers=HTML).text
    assert post(own, "text=").status_code == 422
    assert post({**own, "content-type": "text/plain"}).status_code == 415
    client.close()


def test_an_erased_visitor_is_in_no_figures_any_more(opened: tuple[Client, Runtime]) -> None:
    client, runtime = opened
    client.post("/v1/track", {"type": "track", "messageId": "m", "anonymousId": "v", "event": "page_view"})
    assert client.request("DELETE", "/v1/visitors/v").status_code == 200
    home = runtime.configuration.home
    assert current_facts(home, SHOP.name) is None
    assert list(home.glob("insights/*/*/*.parquet")) == []


def test_figures_that_vanish_while_a_page_is_made_are_no_mistake_of_the_service(
    opened: tuple[Client, Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, runtime = opened
    facts = current_facts(runtime.configuration.home, SHOP.name)
    assert facts is not None
    shutil.rmtree(facts.folder)
    monkeypatch.setattr(serving.pages, "current_facts", lambda _home, _journey: facts)
    answer = client.get("/overview/sessions.csv?device=mobile")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_facts")
