"""A service and a site of test pages, each at an address of its own, and a browser that visits them."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page

from browsers import chromium
from decisions.risk import RiskModel
from features.events import Event
from journeys.journey import Journey
from servers import free_port, wait_for
from serving.app import attach, create_app
from serving.configuration import Configuration
from serving.runtime import Runtime, open_runtime

SOON = 10.0
"""Seconds within which a busy machine has delivered what was sent."""
CONSENTED = 'data-consent="true"'
FAST = '{"idle":[],"every":0,"dead":{"ms":400}}'


class Site:
    """Static pages in memory; every path that is not one of them is answered with an empty page."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.status: dict[str, int] = {}
        self.headers: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, site: Site, *given: Any) -> None:
        self._site = site
        super().__init__(*given)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        body = self._site.pages.get(path, "<!doctype html><title>empty</title>").encode()
        self.send_response(self._site.status.get(path, 200))
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in self._site.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class LiveService:
    """The application in this process, behind a real socket, so that tests see its log; can be stopped for a while."""

    def __init__(self, home: Path, journey: Journey, model: RiskModel) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.runtime: Runtime = open_runtime(Configuration(journey=journey.name, home=home), journey, model)
        self._app = create_app()
        attach(self._app, self.runtime)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        config = uvicorn.Config(self._app, port=self.port, log_level="error", access_log=False, lifespan="off")
        server = self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=server.run, daemon=True)
        self._thread.start()
        wait_for(lambda: server.started)

    def stop(self) -> None:
        if self._server and self._thread:
            self._server.should_exit = True
            self._thread.join()
            self._server = None

    def close(self) -> None:
        self.stop()
        self.runtime.close()


@dataclass
class Visit:
    """One visitor's browser, the page that is open, and what the service has stored of the visitor."""

    site: Site
    service: LiveService
    context: BrowserContext
    page: Page = field(init=False)
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page = self.context.new_page()
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, body: str = "", path: str = "/", *, attributes: str = CONSENTED, options: str = FAST) -> Page:
        """Open a page with the snippet and this content."""
        self.define(body, path, attributes=attributes, options=options)
        self.page.goto(self.site.url + path)
        return self.page

    def define(self, body: str = "", path: str = "/", *, attributes: str = CONSENTED, options: str = FAST) -> None:
        """Make a page with the snippet and this content."""
        script = f"<script src='{self.service.url}/dropoff.js' {attributes} {_written(options)}></script>"
        head = f"<title>A page</title><meta name='viewport' content='width=device-width'>{script}"
        self.site.pages[path] = f"<!doctype html><html lang='en'><head>{head}</head><body>{body}</body></html>"

    def stored(self) -> list[Event]:
        """Return what the service has of whoever visits, in order."""
        kept = self.page.evaluate("JSON.parse(localStorage.getItem('dropoff'))")
        return list(self.service.runtime.log.visitor_events(kept["visitor"])) if kept else []

    def names(self) -> list[str]:
        """Return the names of what was stored, without page views and scrolling."""
        return [event.name for event in self.stored() if event.name not in ("page_view", "scroll")]

    def flush(self) -> None:
        """Send what waits."""
        self.page.evaluate("dropoff.flush()")

    def wait_for(self, condition: Callable[[list[Event]], bool]) -> list[Event]:
        """Return what is stored once the condition holds for it."""
        until = time.monotonic() + SOON
        while not condition(found := self.stored()):
            assert time.monotonic() < until, f"only {[event.name for event in found]} were stored"
            self.page.wait_for_timeout(50)
        return found

    def wait_for_names(self, *names: str) -> list[Event]:
        """Return what is stored once all of these names are there."""
        return self.wait_for(lambda events: set(names) <= {event.name for event in events})


def _written(options: str) -> str:
    import json

    return " ".join(f"data-{name}='{json.dumps(value)}'" for name, value in json.loads(options).items())


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, shop: Journey, shop_model: RiskModel) -> Iterator[LiveService]:
    service = LiveService(tmp_path_factory.mktemp("live"), shop, shop_model)
    service.start()
    yield service
    service.close()


OpenVisit = Callable[..., Visit]


@pytest.fixture
def visiting(browser: Browser, site: Site, live: LiveService) -> Iterator[OpenVisit]:
    """Open a browser of a visitor of its own; arguments are those of a browser context."""
    opened: list[BrowserContext] = []

    def opening(**arguments: Any) -> Visit:
        opened.append(browser.new_context(**arguments))
        return Visit(site, live, opened[-1])

    yield opening
    for context in opened:
        context.close()
    site.pages.clear()
    site.status.clear()
    site.headers.clear()


@pytest.fixture
def visit(visiting: OpenVisit) -> Visit:
    return visiting()
