"""Segment's and RudderStack's clients for Node.js, as published, against the real service."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from real_clients import losing, run_node, snippet
from servers import Service

from features.events import Event

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("clients")]

Stored = Callable[[str, int], Sequence[Event]]
SECOND = 1_000_000
SEGMENT = """
const {{ Analytics }} = require("@segment/analytics-node");
const analytics = new Analytics({{ writeKey: "KEY", host: "{url}", flushAt: 1 }});
analytics.track({{ anonymousId: "{visitor}", event: "page_view" }}, (error) => {{ if (error) throw error; }});
analytics.closeAndFlush({{ timeout: 20000 }});
"""
RUDDER = """
const RudderAnalytics = require("@rudderstack/rudder-sdk-node");
const analytics = new RudderAnalytics("KEY", {{ dataPlaneUrl: "{url}", flushAt: 1 }});
analytics.track({{ anonymousId: "{visitor}", event: "page_view" }}, (error) => {{ if (error) throw error; }});
"""


@pytest.mark.parametrize(
    ("client", "visitor"), [("@segment/analytics-node", "node-1"), ("@rudderstack/rudder-sdk-node", "rudder-node-1")]
)
def test_a_client_of_node_sends_its_events_in_their_order(
    service: Service, stored: Stored, modules: Path, client: str, visitor: str
) -> None:
    run_node(snippet(client, service.url), modules)
    events = {one.name: one for one in stored(visitor, 3)}
    page, added, identified = (events[name] for name in ("page_view", "add_to_cart", "identify"))
    # RudderStack's client sends the first event by itself: within a millisecond nothing tells it from the next.
    assert added.occurred_at_us < identified.occurred_at_us
    assert page.occurred_at_us <= added.occurred_at_us
    assert (page.properties["page"], added.properties["product"], added.properties["price"]) == ("Lamps", "lamp", 59.0)
    assert (added.source, added.campaign) == ("letter", "spring")
    assert (page.user_id, identified.user_id, identified.properties["plan"]) == (None, "user-1", "pro")
    assert len({one.session_id for one in (page, added, identified)}) == 1
    for one in (page, added, identified):
        assert one.received_at_us is not None
        assert 0 <= one.received_at_us - one.occurred_at_us < 20 * SECOND


@pytest.mark.parametrize(("code", "visitor"), [(SEGMENT, "node-again"), (RUDDER, "rudder-node-again")])
def test_a_client_of_node_tries_again_and_the_event_is_stored_once(
    service: Service, stored: Stored, modules: Path, code: str, visitor: str
) -> None:
    with losing(service.url, 503, 429) as proxy:
        run_node(code.format(url=proxy.url, visitor=visitor), modules)
        assert len(proxy.asked) == 3
    assert [one.name for one in stored(visitor, 1)] == ["page_view"]


@pytest.mark.parametrize("code", [SEGMENT, RUDDER])
def test_a_client_of_node_gives_up_at_what_no_try_would_mend(service: Service, modules: Path, code: str) -> None:
    with losing(service.url) as proxy:
        given_up = code.replace("throw error", "console.log(error)").format(url=proxy.url, visitor="x" * 300)
        # RudderStack's client also rejects a promise that nobody can reach.
        run_node(f'process.on("uncaughtException", () => {{}});{given_up}', modules)
        assert proxy.asked == [("POST", "/v1/batch")]
