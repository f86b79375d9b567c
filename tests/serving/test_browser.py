"""Every page in a real browser, on a real service with simulated sessions: what it shows, and whether all can use it.

Screenshots go to ``build/screenshots``.
"""

import csv
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin

import httpx
import pyarrow.parquet as pq
import pytest
from browsers import chromium, violations
from playwright.sync_api import Browser, Page

from features.events import Event
from insights.current import facts_home, publish_building
from insights.facts import Facts
from insights.filters import Filters
from insights.pages.figure import Unit, View
from insights.pages.site import PAGES, Entry
from insights.pages.tables import MOST_ROWS
from journeys.journey import Journey
from serving.configuration import Configuration
from serving.make_facts import FACTS, make
from storage.database import database_url, open_database
from storage.event_log import EventLog
from storage.record_store import load_records
from training.simulator import simulate

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "build" / "screenshots"
SESSIONS = 1_200
DESKTOP, PHONE = (1280, 900), (390, 844)
_START_SECONDS = 90


@dataclass(frozen=True)
class Service:
    """A running service and what it was fed with."""

    url: str
    home: Path
    facts: Facts


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def service(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, model_home: Path, shop: Journey
) -> Iterator[Service]:
    """The service on simulated sessions, with figures made of all of them; the browser first, as it may be absent."""
    home = tmp_path_factory.mktemp("browser") / "home"
    shutil.copytree(model_home, home)
    simulate(shop.name, sessions=SESSIONS, seed=5, out=home.parent / "shop")
    _fill(home, shop, home.parent / "shop" / "events")
    # Made here, at the tests' own priority: what the service makes by itself waits while a machine is busy.
    making = facts_home(home, shop.name) / "here"
    making.mkdir(parents=True)
    position = make(making, Configuration(journey=shop.name, home=home), lambda _phase, _fraction: None)
    facts = publish_building(home, shop.name, making / FACTS, position, 1.0)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-c", f"from serving.run import serve; serve({shop.name!r}, port={port})"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DROPOFF_HOME": str(home), "DROPOFF_JOURNEY": ""}
    process = subprocess.Popen(command, env=environment, cwd=home.parent, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(lambda: httpx.get(f"{url}/readyz", timeout=1).status_code == 200, _START_SECONDS, process)
        yield Service(url, home, facts)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _fill(home: Path, journey: Journey, events: Path) -> None:
    engine = open_database(database_url(home))
    rows = [row for file in sorted(events.glob("*.parquet")) for row in pq.read_table(file).to_pylist()]
    with engine.connect().execution_options(immediate=True) as connection, connection.begin():
        EventLog(engine, journey.name).append(connection, [_event(row) for row in rows])
    engine.dispose()


def _event(row: dict[str, Any]) -> Event:
    at_us = round(row["occurred_at"].replace(tzinfo=UTC).timestamp() * 1e6)
    kept = {name: row.get(name) for name in ("session_id", "user_id", "channel", "device", "source", "campaign")}
    properties = json.loads(row["properties"] or "{}")
    return Event(
        row["event_id"], row["name"], at_us, row["visitor_id"], received_at_us=at_us, properties=properties, **kept
    )


def _wait(done: Any, seconds: float, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert process.poll() is None, "the service has ended"
        try:
            if done():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} seconds")


class Watched:
    """A page of the browser that remembers what it asked for and what it complained about."""

    def __init__(self, browser: Browser, size: tuple[int, int], scheme: Any = "light") -> None:
        self.context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce"
        )
        self.page: Page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def __enter__(self) -> "Watched":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def shoot(self, name: str) -> None:
        """Draw every chart, and keep a picture of the whole page."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        width = self.page.viewport_size["width"] if self.page.viewport_size else 0
        height = self.page.evaluate("document.documentElement.scrollHeight")
        self.page.set_viewport_size({"width": width, "height": min(height, 12_000)})
        drawn = "[...document.querySelectorAll('[data-chart]')].every((one) => one.querySelector('svg'))"
        until = time.monotonic() + 10
        while not self.page.evaluate(drawn):
            assert time.monotonic() < until, f"charts of {name} are not drawn"
            self.page.wait_for_timeout(50)
        self.page.screenshot(path=SHOTS / f"{name}.png")


def _address(entry: Entry) -> str:
    return "/" if entry is PAGES[0] else f"/{entry.slug}"


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.slug)
def test_a_page_is_whole_and_accessible_in_every_light_and_width_and_asks_nobody_else(
    browser: Browser, service: Service, entry: Entry
) -> None:
    with Watched(browser, DESKTOP) as watched:
        page = watched.page
        response = page.goto(service.url + _address(entry))
        assert response is not None
        assert response.status == 200
        for size, scheme in ((DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light")):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
            watched.shoot(f"{entry.slug}-{'phone' if size is PHONE else 'desktop'}-{scheme}")
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
            if size is DESKTOP:
                assert violations(page) == []
        assert watched.complaints == []
        assert [url for url in watched.requests if not url.startswith(f"{service.url}/")] == []


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.slug)
def test_a_page_shows_the_figures_of_its_function_and_hands_them_out(
    browser: Browser, service: Service, entry: Entry, shop: Journey
) -> None:
    engine = open_database(database_url(service.home))
    records = load_records(engine, shop.name, service.home)
    engine.dispose()
    made = entry.make(View(shop, service.facts, records=records, live=NOBODY))
    with Watched(browser, DESKTOP) as watched:
        watched.page.goto(service.url + _address(entry))
        shown = watched.page.evaluate(_READ_TABLES)
    assert list(shown) == [figure.name for figure in made.figures]
    for figure in made.figures:
        rows = shown[figure.name]
        assert len(rows) == min(len(figure.table.rows), MOST_ROWS), figure.name
        for row, values in zip(rows, figure.table.rows, strict=False):
            for column, value in zip(figure.table.columns, values, strict=True):
                if value is not None and column.unit is Unit.TEXT:
                    assert str(value) in row, figure.name
                # The ends of an interval share a cell, which says "4 to 5".
                if isinstance(value, int) and column.unit is Unit.COUNT:
                    assert f"{value:,}" in row or any(f"{value:,}" in cell.split(" to ") for cell in row), figure.name
    for figure in made.figures[:3]:
        download = httpx.get(f"{service.url}/{entry.slug}/{figure.name}.csv", timeout=20).text
        header, *cells = csv.reader(io.StringIO(download, newline=""))
        assert header == [column.name for column in figure.table.columns]
        assert len(cells) == len(figure.table.rows)
        for row, values in zip(cells, figure.table.rows, strict=True):
            for cell, value in zip(row, values, strict=True):
                # Threads add numbers in any order: the last digits of a sum differ from one time to the next.
                given = float(cell) if isinstance(value, float) else cell
                assert given == (
                    pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True)
                    if isinstance(value, float)
                    else ""
                    if value is None
                    else str(value)
                )


_READ_TABLES = """() => Object.fromEntries([...document.querySelectorAll("figure")].map((figure) =>
    [figure.id, [...figure.querySelectorAll("tbody tr")].map((row) =>
        [...row.children].map((cell) => cell.textContent.trim()))]))"""


class _Nobody:
    """No session is known but those of the facts."""

    def tell(self, session_id: str) -> None:
        """Return nothing."""

    def find(self, _text: str) -> list[str]:
        """Return nothing."""
        return []


NOBODY = _Nobody()


def test_every_link_of_every_page_leads_somewhere(browser: Browser, service: Service) -> None:
    asked: dict[str, str] = {}
    with Watched(browser, DESKTOP) as watched, httpx.Client(timeout=20) as client:
        for entry in PAGES:
            watched.page.goto(service.url + _address(entry))
            links = watched.page.eval_on_selector_all("a[href]", "all => all.map(one => one.getAttribute('href'))")
            # Two of many sessions and downloads are as good as all of them.
            alike = [[link for link in links if part in link] for part in ("session=", ".csv")]
            for link in {link for link in links if not any(link in some[2:] for some in alike)}:
                address, fragment = urldefrag(urljoin(watched.page.url, link))
                if address not in asked:
                    answer = client.get(address, follow_redirects=True)
                    assert answer.status_code == 200, f"{link} on {entry.slug}"
                    asked[address] = answer.text
                assert not fragment or f'id="{fragment}"' in asked[address], f"{link} on {entry.slug}"


def test_filters_choose_sessions_stay_in_the_address_and_go_along(browser: Browser, service: Service) -> None:
    with service.facts.connect() as connection:
        device, count = connection.execute(
            "SELECT device, count(*) FROM sessions WHERE device IS NOT NULL GROUP BY 1 ORDER BY 2 DESC LIMIT 1"
        ).fetchall()[0]
    with Watched(browser, DESKTOP) as watched:
        page = watched.page
        page.goto(service.url)
        page.get_by_text("Filter", exact=True).click()
        page.get_by_label("Device").select_option(device)
        page.get_by_role("button", name="Show").click()
        assert f"device={device}" in page.url
        assert page.locator("#sessions .big").inner_text() == f"{count:,}"
        page.get_by_role("navigation", name="Pages").get_by_role("link", name="Live sessions").click()
        assert page.url == f"{service.url}/sessions?device={device}"
        page.get_by_role("link", name=f"Remove the filter device: {device}").click()
        assert page.url == f"{service.url}/sessions"
        page.get_by_role("link", name="7 days").click()
        with service.facts.connect(_of_address(page.url)) as connection:
            latest = connection.execute(
                "SELECT session_id FROM sessions ORDER BY last_at DESC, session LIMIT 1"
            ).fetchall()[0][0]
        assert page.locator("#list tbody th").first.inner_text() == latest


def _of_address(url: str) -> Filters:
    from journeys.load import load_journey

    return Filters.from_query(dict(httpx.URL(url).params), load_journey("ecommerce"))


def test_a_session_is_found_and_retold_with_its_risk_after_each_event(browser: Browser, service: Service) -> None:
    with service.facts.connect() as connection:
        session_id, visitor_id, events = connection.execute(
            "SELECT session_id, visitor_id, events FROM sessions ORDER BY events DESC, session LIMIT 1"
        ).fetchall()[0]
    story = httpx.get(f"{service.url}/v1/sessions/{session_id}").json()
    with Watched(browser, DESKTOP) as watched:
        page = watched.page
        page.goto(f"{service.url}/sessions")
        page.get_by_label("Session, visitor or user").fill(visitor_id)
        page.get_by_role("button", name="Show").last.click()
        page.locator("#found").get_by_role("link", name=session_id).click()
        rows = page.locator("#timeline_steps tbody tr")
        assert rows.count() == events == len(story["events"])
        # The first event is well before any end, so something was foreseen.
        told = rows.first.locator("td").all_inner_texts()
        assert told[1] == story["events"][0]["name"]
        assert float(told[3].rstrip("%")) / 100 == pytest.approx(story["events"][0]["risk"], abs=0.0006)
        watched.shoot("session-desktop-light")
        assert watched.complaints == []


def test_the_keyboard_reaches_the_content_the_filters_and_on_a_phone_the_menu(
    browser: Browser, service: Service
) -> None:
    with Watched(browser, PHONE) as watched:
        page = watched.page
        page.goto(service.url)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"
        menu = page.get_by_role("button", name="Menu")
        assert not page.get_by_role("link", name="Live sessions").is_visible()
        menu.focus()
        page.keyboard.press("Enter")
        assert menu.get_attribute("aria-expanded") == "true"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.getAttribute('aria-current')") == "page"
        menu.press("Enter")
        summary = page.get_by_text("Filter", exact=True)
        summary.focus()
        page.keyboard.press("Enter")
        assert page.get_by_label("From").is_visible()
        assert violations(page) == []
        page.keyboard.press("Escape")
        assert not page.get_by_label("From").is_visible()
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_an_unknown_filter_is_answered_with_what_to_write(browser: Browser, service: Service) -> None:
    with Watched(browser, DESKTOP) as watched:
        response = watched.page.goto(f"{service.url}/?devise=mobile")
        assert response is not None
        assert response.status == 400
        assert "did you mean device" in watched.page.inner_text("main")
        assert violations(watched.page) == []


def test_a_printed_page_has_every_table_open(browser: Browser, service: Service) -> None:
    with Watched(browser, DESKTOP) as watched:
        page = watched.page
        page.goto(service.url)
        assert not page.locator("#stages table").is_visible()
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert page.locator("#stages table").is_visible()
        assert page.locator("#days svg").count() == 1
        page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert not page.locator("#stages table").is_visible()
