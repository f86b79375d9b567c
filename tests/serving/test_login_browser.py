"""The login in a real browser: it can be used by all, lets in, and lets out."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from browsers import chromium, violations
from servers import free_port, wait_for

from decisions.risk import RiskModel
from journeys.journey import Journey
from serving.app import attach, create_app
from serving.configuration import Configuration
from serving.connections import uvicorn_options
from serving.guard import Guard
from serving.open_runtime import open_runtime
from serving.runtime import Runtime
from storage.key_store import Grant

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]


@pytest.fixture
def runtime(tmp_path: Path, shop: Journey, shop_model: RiskModel) -> Iterator[Runtime]:
    opened = open_runtime(Configuration(home=tmp_path), shop, shop_model)
    yield opened
    opened.close()


@pytest.fixture
def url(runtime: Runtime) -> Iterator[str]:
    app = create_app()
    attach(app, runtime)
    options = {**uvicorn_options(runtime.configuration), "lifespan": "off"}
    server = uvicorn.Server(uvicorn.Config(Guard(app, 100_000, app), port=free_port(), **options))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started)
    yield f"http://127.0.0.1:{server.config.port}"
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


def test_somebody_logs_in_by_the_keyboard_and_out_again(url: str, runtime: Runtime) -> None:
    grant = Grant("Ada", frozenset({"admin"}))
    made = runtime.writer.submit(
        lambda connection: runtime.keys.add(connection, grant, actor="test", now_us=runtime.now_us())
    ).result(5)
    runtime.renew_keys()
    with chromium() as browser:
        page = browser.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.goto(f"{url}/alerts")
            assert page.url == f"{url}/login?next=%2Falerts"
            assert violations(page) == []
        # The field has the focus; what is typed cannot be read over a shoulder.
        page.keyboard.type("do_wrong")
        assert page.get_by_label("Admin key").get_attribute("type") == "password"
        page.keyboard.press("Enter")
        page.wait_for_selector("[role=alert]")
        assert "mistyped" in page.locator("[role=alert]").inner_text()
        assert violations(page) == []
        page.keyboard.type(made.text)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{url}/alerts")
        assert "No figures yet" in page.content()
        # Scripts cannot see the login, and other sites do not send it.
        assert page.evaluate("document.cookie") == ""
        [cookie] = page.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        page.goto(f"{url}/logout")
        assert violations(page) == []
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url(f"{url}/login")
        page.goto(f"{url}/alerts")
        assert page.url.startswith(f"{url}/login")
        # A failed login is answered with 401, which the browser's console calls an error.
        assert [one for one in complaints if "401" not in one] == []
