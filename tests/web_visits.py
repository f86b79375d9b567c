"""A service and a site of pages for tests of the browser snippet, and visitors who come with a browser."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import uvicorn
from playwright.sync_api import BrowserContext, Page
from servers import ROOT, free_port, wait_for
from starlette.responses import PlainTextResponse

from decisions.risk import RiskModel
from features.events import Event
from journeys.journey import Journey
from serving.app import attach, create_app
from serving.configuration import Configuration
from serving.open_runtime import open_runtime
from serving.runtime import Runtime

SHOTS = ROOT / "build" / "screenshots"
SOON = 10.0
"""Seconds within which a busy machine has delivered what was sent."""
AGREED: Mapping[str, object] = {"consent": True, "idle": [], "dead": {"ms": 200}, "wait": 10_000}
"""Options of a page whose visitor agreed.

A click is dead after a fifth of a second, to save the tests time, and no advice comes too late on a busy machine.
"""


class Site:
    """Static pages in memory; every path that is not one of them is answered with an empty page."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.statuses: dict[str, int] = {}
        self.delays: dict[str, float] = {}
        self.headers: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def clear(self) -> None:
        for kept in (self.pages, self.statuses, self.delays, self.headers):
            kept.clear()

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
        time.sleep(self._site.delays.get(path, 0))
        body = self._site.pages.get(path, "<!doctype html><title>empty</title>").encode()
        self.send_response(self._site.statuses.get(path, 200))
        kind = "javascript" if path.endswith(".js") else "html"
        self.send_header("Content-Type", f"text/{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in self._site.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class LiveService:
    """The application in this process, behind a real socket, so that tests see its log.

    While it is ``unavailable`` it answers as one does that cannot reach its database.
    """

    def __init__(self, home: Path, journey: Journey, model: RiskModel) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.runtime: Runtime = open_runtime(Configuration(journey=journey.name, home=home), journey, model)
        self.unavailable = False
        self.delays: dict[str, float] = {}
        self._app = create_app()
        attach(self._app, self.runtime)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(self.delays.get(scope["path"], 0))
        if self.unavailable and "/v1/" in scope["path"]:
            await PlainTextResponse("away", 503)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def start(self) -> None:
        config = uvicorn.Config(
            self._serve, port=self.port, log_level="error", access_log=False, lifespan="off", interface="asgi3"
        )
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

    def open(self, body: str = "", path: str = "/", *, bare: bool = False, **options: object) -> Page:
        """Open a page with this content and the snippet, with these options beside those of ``AGREED``."""
        self.define(body, path, bare=bare, **options)
        self.page.goto(self.site.url + path)
        return self.page

    def define(self, body: str = "", path: str = "/", *, bare: bool = False, **options: object) -> None:
        """Make a page with this content and the snippet; a bare one loads it by itself."""
        given = {} if bare else {name: value for name, value in {**AGREED, **options}.items() if value is not None}
        written = " ".join(f"data-{name}='{json.dumps(value)}'" for name, value in given.items())
        script = "" if bare else f"<script src='{self.service.url}/dropoff.js' {written}></script>"
        head = f"<title>A page</title><meta name='viewport' content='width=device-width'>{script}"
        self.site.pages[path] = f"<!doctype html><html lang='en'><head>{head}</head><body>{body}</body></html>"

    def stored(self) -> list[Event]:
        """Return what the service has of whoever visits, in order."""
        kept = self.page.evaluate("JSON.parse(localStorage.getItem('dropoff') || '{}').visitor || ''")
        return list(self.service.runtime.log.visitor_events(kept))

    def settle(self, milliseconds: float = 300) -> list[str]:
        """Return the names of all that was noticed, without page views, once a click would have been found dead."""
        self.page.wait_for_timeout(milliseconds)
        self.page.evaluate("dropoff.flush()")
        return [event.name for event in self.stored() if event.name != "page_view"]

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


OpenVisit = Callable[..., Visit]
"""Opens the browser of another visitor; arguments are those of a browser context."""
