"""segment-analytics-python and snowplow-tracker, as published, against the real service."""

import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence

import httpx
import pytest
from real_clients import losing, snippet
from servers import Service

from features.events import Event

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("clients")]

Stored = Callable[[str, int], Sequence[Event]]
SECOND = 1_000_000


def _run(code: str) -> str:
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout + answer.stderr


def test_segments_python_client_sends_its_events_packed(service: Service, stored: Stored) -> None:
    said = _run(snippet("segment-analytics-python", service.url))
    assert "error" not in said.lower()
    page, added, identified = stored("python-1", 3)
    assert [one.name for one in (page, added, identified)] == ["page_view", "add_to_cart", "identify"]
    assert (page.properties["page"], added.properties["product"], added.properties["price"]) == ("Lamps", "lamp", 59.0)
    assert (added.source, added.campaign) == ("letter", "spring")
    assert (page.user_id, identified.user_id, identified.properties["plan"]) == (None, "user-1", "pro")
    assert len({one.session_id for one in (page, added, identified)}) == 1
    for one in (page, added, identified):
        assert one.received_at_us is not None
        assert abs(one.received_at_us - one.occurred_at_us) < 20 * SECOND


@pytest.mark.parametrize("packed", [False, True])
def test_segments_python_client_tries_again_and_the_event_is_stored_once(
    service: Service, stored: Stored, packed: bool
) -> None:
    with losing(service.url, 503, 429) as proxy:
        _run(
            "import segment.analytics as analytics\n"
            f"analytics.write_key, analytics.host, analytics.gzip = 'KEY', {proxy.url!r}, {packed}\n"
            f"analytics.track(anonymous_id='python-again-{packed}', event='page_view')\n"
            "analytics.flush()\n"
        )
        assert len(proxy.asked) >= 3
        assert not proxy.statuses
    assert [one.name for one in stored(f"python-again-{packed}", 1)] == ["page_view"]


def test_segments_python_client_gives_up_at_what_no_try_would_mend(service: Service) -> None:
    code = (
        "import datetime\n"
        "import segment.analytics as analytics\n"
        "given_up, then = [], datetime.datetime(1971, 1, 1)\n"
        "analytics.on_error = lambda error, items: given_up.append((error.status, len(items)))\n"
        "analytics.write_key, analytics.host = 'KEY', {url!r}\n"
        "analytics.track(user_id='python-bad', event='page_view', timestamp=then)\n"
        "analytics.flush()\n"
        "print(given_up)\n"
    )
    with losing(service.url) as proxy:
        assert _run(code.format(url=proxy.url)).startswith("[(422, 1)]")
        assert proxy.asked == [("POST", "/v1/batch")]


def test_one_bad_event_does_not_take_the_others_with_it(service: Service, stored: Stored) -> None:
    _run(
        "import datetime\n"
        "import segment.analytics as analytics\n"
        f"analytics.write_key, analytics.host = 'KEY', {service.url!r}\n"
        "analytics.track(anonymous_id='python-mixed', event='page_view')\n"
        "analytics.track(anonymous_id='python-mixed', event='search', timestamp=datetime.datetime(1971, 1, 1))\n"
        "analytics.track(anonymous_id='python-mixed', event='view_cart')\n"
        "analytics.shutdown()\n"
    )
    assert [one.name for one in stored("python-mixed", 2)] == ["page_view", "view_cart"]


@pytest.mark.parametrize("method", ["post", "get"])
def test_snowplows_tracker_sends_its_events(service: Service, stored: Stored, method: str) -> None:
    visitor = f"snowplow-{method}"
    code = (
        snippet("snowplow-tracker", service.url).replace('"snowplow-1"', f'"{visitor}"').replace("session-1", visitor)
    )
    _run(code.replace('method="post", batch_size=3', f'method="{method}", batch_size=3'))
    page, added, helped = stored(visitor, 3)
    assert [one.name for one in (page, added, helped)] == ["page_view", "add_to_cart", "open_help"]
    assert {one.session_id for one in (page, added, helped)} == {visitor}
    assert {one.user_id for one in (page, added, helped)} == {"user-1"}
    assert (page.source, page.campaign, page.properties["page"]) == ("letter", "spring", "/lamps")
    assert (added.properties["product"], added.properties["price"]) == ("lamp", 59.0)
    assert (helped.properties["category"], helped.properties["label"]) == ("shop", "delivery")
    for one in (page, added, helped):
        assert len(one.event_id) == 36
        assert one.received_at_us is not None
        assert 0 <= one.received_at_us - one.occurred_at_us < 20 * SECOND


def test_snowplows_tracker_tries_again_and_the_event_is_stored_once(service: Service, stored: Stored) -> None:
    with losing(service.url, 503, 429) as proxy:
        _run(
            "import time\n"
            "from snowplow_tracker import Emitter, PageView, Subject, Tracker\n"
            "delivered = []\n"
            f"emitter = Emitter({proxy.url!r}, batch_size=1, on_success=delivered.extend)\n"
            "subject = Subject().set_domain_user_id('snowplow-again')\n"
            "Tracker('shop', emitters=emitter, subject=subject).track(PageView(page_url='https://shop.example/'))\n"
            "until = time.monotonic() + 30\n"
            "while not delivered and time.monotonic() < until:\n"
            "    time.sleep(0.05)\n"
            "assert delivered\n"
        )
        assert len(proxy.asked) == 3
    assert [one.name for one in stored("snowplow-again", 1)] == ["page_view"]


def test_snowplows_tracker_gives_up_at_what_no_try_would_mend(service: Service) -> None:
    with losing(service.url) as proxy:
        _run(
            "import time\n"
            "from snowplow_tracker import Emitter, PageView, Subject, Tracker\n"
            f"emitter = Emitter({proxy.url!r}, batch_size=1)\n"
            "subject = Subject().set_domain_user_id('x' * 300)\n"
            "Tracker('shop', emitters=emitter, subject=subject).track(PageView(page_url='https://shop.example/'))\n"
            "subject.set_domain_user_id('x' * 5_000_000)\n"
            "Tracker('shop', emitters=emitter, subject=subject).track(PageView(page_url='https://shop.example/'))\n"
            "time.sleep(1.5)\n"
        )
        assert len(proxy.asked) == 2


def test_a_request_of_googles_protocol_is_kept_once_however_often_it_is_sent(service: Service, stored: Stored) -> None:
    words = shlex.split(snippet("GA4's Measurement Protocol", service.url))
    for _ in range(2):
        body, kind = words[words.index("-d") + 1], words[words.index("-H") + 1].partition(": ")[2]
        answer = httpx.post(words[words.index("POST") + 1], content=body, headers={"content-type": kind}, timeout=10)
        assert answer.status_code == 204
    (added,) = stored("ga-1", 1)
    assert (added.name, added.session_id, added.user_id) == ("add_to_cart", "ga-1.1772368000", "user-1")
    assert added.occurred_at_us == 1_772_368_200 * SECOND
    assert (added.properties["product"], added.properties["price"]) == ("lamp", 59.0)
    assert (added.source, added.campaign) == ("letter", "spring")
