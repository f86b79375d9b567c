"""Segment's and RudderStack's clients for browsers, as published, in Chromium, against the real service."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page
from real_clients import losing, snippet
from servers import Service, wait_for
from web_visits import Site

from features.events import Event

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("clients")]

Stored = Callable[[str, int], Sequence[Event]]
SECOND = 1_000_000
AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148 Safari/604.1"
SEGMENT = "@segment/analytics-next/dist/umd/index.js"
RUDDER = "@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js"
IMPORTS = {
    SEGMENT: "const { AnalyticsBrowser } = AnalyticsNext;",
    RUDDER: "const { RudderAnalytics } = rudderanalytics;",
}
WHO = {
    SEGMENT: "(await analytics.user()).anonymousId()",
    RUDDER: "await new Promise((done) => analytics.ready(() => done(analytics.getAnonymousId())))",
}


@dataclass
class Tab:
    """A page of a shop that is open in a browser, with all that it asked for and complained about."""

    page: Page
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def run(self, modules: Path, package: str, code: str) -> str:
        """Load a package, run a snippet of the guide with it, and return the visitor's id."""
        self.page.add_script_tag(path=modules / package)
        prepared = re.sub(r"^import .*$", IMPORTS[package], code, flags=re.M)
        return str(self.page.evaluate(f"async () => {{ {prepared}\nreturn {WHO[package]}; }}"))


@pytest.fixture
def tab(browser: Browser, site: Site) -> Iterator[Tab]:
    context = browser.new_context(user_agent=AGENT)
    tab = Tab(context.new_page())
    tab.page.on("request", lambda request: tab.asked.append(request.url))
    tab.page.on("console", lambda message: tab.said.append(message.text))
    tab.page.on("pageerror", lambda error: tab.said.append(str(error)))
    tab.page.goto(f"{site.url}/lamps?utm_source=letter&utm_medium=email&utm_campaign=spring&gclid=G1")
    yield tab
    context.close()
    assert {urlsplit(one).hostname for one in tab.asked} == {"127.0.0.1"}


def _check(events: Sequence[Event]) -> None:
    page, added, identified = events
    assert [one.name for one in events] == ["page_view", "add_to_cart", "identify"]
    assert page.properties["page"] == "Lamps"
    assert (added.properties["product"], added.properties["price"]) == ("lamp", 59)
    assert (identified.user_id, identified.properties["plan"]) == ("user-1", "pro")
    for one in events:
        assert (one.source, one.channel, one.campaign, one.device) == ("letter", "email", "spring", "mobile")
        assert one.properties["click_id"] == "G1"
        assert one.received_at_us is not None
        assert 0 <= one.received_at_us - one.occurred_at_us < 20 * SECOND


@pytest.mark.parametrize("package", [SEGMENT, RUDDER], ids=["segment", "rudderstack"])
def test_a_client_of_browsers_sends_its_events_from_a_page_of_another_origin(
    service: Service, stored: Stored, modules: Path, tab: Tab, package: str
) -> None:
    name = "@segment/analytics-next" if package == SEGMENT else "@rudderstack/analytics-js"
    visitor = tab.run(modules, package, snippet(name, service.url))
    _check(stored(visitor, 3))
    assert tab.said == []


def test_segments_browser_client_sends_batches(service: Service, stored: Stored, modules: Path, tab: Tab) -> None:
    batching = '{ integrations: { "Segment.io": { deliveryStrategy: { strategy: "batching", config: { size: 3 } } } } }'
    code = snippet("@segment/analytics-next", service.url).replace(" });\n\nawait", f" }}, {batching});\n\nawait", 1)
    _check(stored(tab.run(modules, SEGMENT, code), 3))
    assert sum(one.endswith("/v1/b") for one in tab.asked) == 1


def test_rudderstacks_browser_client_sends_beacons(service: Service, stored: Stored, modules: Path, tab: Tab) -> None:
    options = "{ useBeacon: true, beaconQueueOptions: { maxItems: 3 }, "
    code = snippet("@rudderstack/analytics-js", service.url).replace("{ configUrl", f"{options} configUrl")
    _check(stored(tab.run(modules, RUDDER, code), 3))
    assert any("/beacon/v1/batch?writeKey=KEY" in one for one in tab.asked)


@pytest.mark.parametrize("package", [SEGMENT, RUDDER], ids=["segment", "rudderstack"])
def test_a_client_of_browsers_tries_again_and_the_event_is_stored_once(
    service: Service, stored: Stored, modules: Path, tab: Tab, package: str
) -> None:
    name = "@segment/analytics-next" if package == SEGMENT else "@rudderstack/analytics-js"
    with losing(service.url) as proxy:
        code = snippet(name, service.url)
        # Only the events go by the way that loses answers: the settings come from the service.
        if package == SEGMENT:
            send = f'{{ integrations: {{ "Segment.io": {{ apiHost: "{urlsplit(proxy.url).netloc}/v1" }} }} }}'
            code = code.replace(" });\n\nawait", f" }}, {send});\n\nawait", 1)
        else:
            code = code.replace(f'"KEY", "{service.url}"', f'"KEY", "{proxy.url}"')
        code = re.sub(r"^(await )?analytics\.(track|identify).*$", "", code, flags=re.M)
        proxy.statuses.append(503)
        visitor = tab.run(modules, package, code)
        wait_for(lambda: len([one for one in proxy.asked if one[0] == "POST"]) >= 2, seconds=20)
        tab.page.wait_for_timeout(200)
        assert len([one for one in proxy.asked if one[0] == "POST"]) == 2
    assert [one.name for one in stored(visitor, 1)] == ["page_view"]
