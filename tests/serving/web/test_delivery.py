"""Nothing without consent, and with it everything once: across pages, outages and closed tabs, in a real browser."""

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from servers import ROOT
from web_visits import LiveService, Visit

from storage.key_store import Grant

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

KEPT = "JSON.stringify([{...localStorage}, document.cookie])"
NOTHING = '[{},""]'
BLOCKED = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('', 'SecurityError') }})"


def sent(visit: Visit) -> list[str]:
    """The requests that carry something about the visitor."""
    return [url for url in visit.requests if "/v1/" in url]


@pytest.mark.parametrize("consent", [None, False])
def test_without_consent_nothing_is_stored_and_nothing_is_sent(visit: Visit, consent: bool | None) -> None:
    page = visit.open("<button>Buy</button><form><input name=city required></form>", consent=consent, key="k")
    page.get_by_role("button").click(click_count=4)
    page.evaluate("dropoff.track('purchase'); dropoff.identify('u'); dropoff.reset()")
    page.evaluate("document.querySelector('form').reportValidity()")
    page.wait_for_timeout(300)
    page.goto(f"{visit.site.url}/next")
    assert sent(visit) == []
    assert page.evaluate(KEPT) == NOTHING


@pytest.mark.parametrize("asked", ["globalPrivacyControl: {value: true}", "doNotTrack: {value: '1'}"])
def test_a_browser_that_asks_not_to_be_tracked_is_not_whatever_a_page_claims(visit: Visit, asked: str) -> None:
    visit.context.add_init_script(f"Object.defineProperties(Navigator.prototype, {{{asked}}})")
    page = visit.open("<button>Buy</button>")
    page.evaluate("dropoff.consent(true); dropoff.track('purchase')")
    page.get_by_role("button").click(click_count=4)
    page.wait_for_timeout(300)
    page.goto(f"{visit.site.url}/next")
    assert sent(visit) == []
    assert page.evaluate(KEPT) == NOTHING


def test_consent_that_is_given_later_starts_and_holds_on_later_pages_until_it_is_withdrawn(visit: Visit) -> None:
    page = visit.open(path="/first", consent=False)
    page.evaluate("dropoff.track('search')")
    page.evaluate("dropoff.consent(true)")
    visit.define(path="/second", consent=None)
    page.goto(f"{visit.site.url}/second")
    events = visit.wait_for(lambda events: len(events) == 2)
    assert [event.properties["page"] for event in events] == ["/first", "/second"]
    assert {event.properties["consent"] for event in events} == {True}
    other = visit.context.new_page()
    other.goto(f"{visit.site.url}/second")
    page.evaluate("dropoff.consent(false)")
    page.wait_for_timeout(100)
    before = len(sent(visit))
    for tab in (page, other):
        tab.evaluate("dropoff.track('search')")
        assert tab.evaluate("dropoff.visit") is None
    page.goto(f"{visit.site.url}/second")
    page.evaluate("dropoff.track('search')")
    page.wait_for_timeout(300)
    assert page.evaluate(KEPT) == NOTHING
    assert len(sent(visit)) == before


def test_a_page_that_is_left_at_once_has_sent_what_happened_on_it_with_its_key(visit: Visit) -> None:
    visit.define(path="/next", consent=None, key="a key&more")
    page = visit.open("<a href='/next' data-dropoff-event=begin_checkout>on</a>", key="a key&more")
    page.get_by_role("link").click()
    events = visit.wait_for(lambda events: len(events) >= 3)
    assert [event.name for event in events] == ["page_view", "begin_checkout", "page_view"]
    assert len({event.session_id for event in events}) == 1
    first = next(url for url in sent(visit) if "/v1/batch" in url)
    assert parse_qs(urlsplit(first).query) == {"key": ["a key&more"]}


def test_where_there_are_keys_a_pages_key_opens_and_another_is_refused_once(visit: Visit, live: LiveService) -> None:
    runtime = live.runtime
    grant = Grant("shop", frozenset({"write", "read"}))
    made = runtime.writer.submit(
        lambda connection: runtime.keys.add(connection, grant, actor="ada", now_us=runtime.now_us())
    ).result(5)
    runtime.renew_keys()
    try:
        page = visit.open(key=made.text)
        assert page.evaluate("dropoff.recommend()")["events_seen"] == 1
        assert [url for url in visit.requests if made.text in url and "/v1/recommend" in url] == []
        page.evaluate("localStorage.clear()")
        page = visit.open(path="/other", key="dk_wrong")
        page.evaluate("dropoff.flush()")
        page.wait_for_timeout(1_500)
        assert visit.stored() == []
        # What is refused is given up: trying it again would change nothing.
        assert sum("/v1/batch?key=dk_wrong" in url for url in visit.requests) == 1
        assert page.evaluate("localStorage['dropoff.queue']") is None
    finally:
        runtime.writer.submit(
            lambda connection: runtime.keys.revoke(
                connection, made.text.split("_")[1], actor="ada", now_us=runtime.now_us()
            )
        ).result(5)
        runtime.renew_keys()
        runtime.access.keyed = False


def test_a_closed_tab_has_sent_its_last_event(visit: Visit) -> None:
    page = visit.open()
    kept = page.evaluate("dropoff.track('search', {results: 0}) && dropoff.visit.visitorId")
    page.close(run_before_unload=True)
    visit.page = visit.context.new_page()
    visit.page.goto(f"{visit.site.url}/elsewhere")
    visit.wait_for_names("search")
    assert {event.visitor_id for event in visit.stored()} == {kept}


def test_what_cannot_be_delivered_waits_across_pages_and_arrives_once(visit: Visit) -> None:
    page = visit.open(path="/first")
    visit.wait_for_names("page_view")
    visit.define("<p>second</p>", "/second")
    visit.service.unavailable = True
    try:
        page.evaluate("dropoff.track('search', {results: 1}); dropoff.flush()")
        page.wait_for_timeout(200)
        page.evaluate("dropoff.track('search', {results: 2})")
        # The script comes from the browser's cache while its server is away.
        page.goto(f"{visit.site.url}/second")
        page.evaluate("dropoff.track('search', {results: 3}); dropoff.flush()")
        page.wait_for_timeout(200)
        assert [event.name for event in visit.stored()] == ["page_view"]
    finally:
        visit.service.unavailable = False
    events = visit.wait_for(lambda events: len(events) >= 5)
    visit.settle()
    assert [event.properties.get("results") for event in events] == [None, 1, 2, None, 3]
    assert len(visit.stored()) == 5


def test_a_long_outage_keeps_no_more_than_the_latest_two_hundred(visit: Visit) -> None:
    page = visit.open()
    visit.wait_for_names("page_view")
    visit.service.unavailable = True
    try:
        page.evaluate("for (let i = 0; i < 500; i++) dropoff.track('search', {results: i}); dropoff.flush()")
        page.goto(f"{visit.site.url}/away")
        waiting = json.loads(page.evaluate("localStorage['dropoff.queue']"))
    finally:
        visit.service.unavailable = False
    assert [message["properties"]["results"] for message in waiting] == list(range(300, 500))


def test_a_silence_longer_than_the_journeys_timeout_starts_another_session(visit: Visit) -> None:
    page = visit.open()
    change = """(back) => {
        const kept = JSON.parse(localStorage.dropoff);
        localStorage.dropoff = JSON.stringify({...kept, at: Date.now() - back});
        dropoff.track('search');
        return dropoff.visit.sessionId;
    }"""
    first = page.evaluate("dropoff.visit.sessionId")
    # Half an hour, as the journey has it, less what the test itself may take.
    assert page.evaluate(change, 1_800_000 - 5_000) == first
    assert page.evaluate(change, 1_800_001) != first
    visit.settle()
    assert len({event.session_id for event in visit.stored()}) == 2


def test_a_wrong_clock_does_not_move_what_happened(visit: Visit) -> None:
    visit.context.clock.install()
    visit.context.clock.set_system_time("2031-05-05T05:05:05Z")
    page = visit.open()
    page.evaluate("dropoff.track('search')")
    page.context.clock.run_for(5_000)
    events = visit.wait_for_names("search")
    now_us = visit.service.runtime.now_us()
    assert all(abs(now_us - event.occurred_at_us) < 30_000_000 for event in events)


def test_a_visitor_is_known_by_the_user_and_unknown_again_after_a_reset(visit: Visit) -> None:
    page = visit.open()
    visitor = page.evaluate("dropoff.visit.visitorId")
    visit.define(path="/other", consent=None)
    other = visit.context.new_page()
    other.goto(f"{visit.site.url}/other")
    other.evaluate("dropoff.flush()")
    page.evaluate("dropoff.identify('user-7', {plan: 'pro'}); dropoff.track('log_in')")
    visit.settle()
    assert [(event.name, event.user_id) for event in visit.stored()] == [
        ("page_view", None),
        ("page_view", None),
        ("identify", "user-7"),
        ("log_in", "user-7"),
    ]
    page.evaluate("dropoff.reset(); dropoff.track('search')")
    visit.settle()
    [search] = visit.stored()
    assert (search.name, search.user_id) == ("search", None)
    assert search.visitor_id != visitor
    other.wait_for_timeout(100)
    assert other.evaluate("dropoff.track('search') && dropoff.visit.visitorId") == search.visitor_id


def test_calls_before_the_script_has_come_are_made_up_for_and_a_page_may_name_its_visitor(visit: Visit) -> None:
    page = visit.open(
        f"""<script>
        var dropoff = [['init', {{consent: true, visitorId: 'ours-9'}}], ['track', 'search']];
        const later = document.createElement('script');
        later.src = '{visit.service.url}/dropoff.js';
        document.head.append(later);
        </script>""",
        bare=True,
    )
    page.wait_for_function("window.dropoff.visit")
    visit.wait_for_names("search", "page_view")
    assert {event.visitor_id for event in visit.stored()} == {"ours-9"}


def test_a_browser_that_blocks_its_storage_keeps_the_visitor_in_a_cookie(visit: Visit) -> None:
    visit.context.add_init_script(BLOCKED)
    page = visit.open()
    first = page.evaluate("dropoff.visit")
    page.reload()
    assert page.evaluate("dropoff.visit") == first
    [cookie] = visit.context.cookies()
    assert (cookie["name"], cookie["sameSite"]) == ("dropoff", "Lax")
    page.evaluate("dropoff.consent(false)")
    assert visit.context.cookies() == []


def test_the_examples_of_the_guide_run(visit: Visit) -> None:
    guide = (ROOT / "docs" / "browser.md").read_text(encoding="utf-8")
    found = re.findall(r"^```(html|javascript)\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    pages = "".join(code for language, code in found if language == "html").replace("async ", "")
    scripts = [code for language, code in found if language == "javascript"]
    visit.open(pages.replace("http://127.0.0.1:3000", visit.service.url), bare=True)
    visit.page.evaluate("window.showNudge = () => {}; dropoff.init({wait: 10000})")
    visit.page.get_by_text("Buy").click()
    visit.wait_for_names("page_view", "view_product", "add_to_cart")
    kept = visit.page.evaluate("dropoff.visit.visitorId")
    for script in scripts:
        visit.page.evaluate(f"{{{script}}}")
    # The guide ends the visitor's session: somebody else begins another.
    visit.page.evaluate("dropoff.track('search')")
    assert visit.page.evaluate("dropoff.recommend()") is not None
    events = visit.service.runtime.log.visitor_events(kept)
    assert {"payment_failed", "identify"} <= {event.name for event in events}
    assert visit.complaints == []


def test_a_page_with_a_strict_policy_needs_no_inline_code(visit: Visit) -> None:
    url = visit.service.url
    visit.site.headers["Content-Security-Policy"] = f"default-src 'none'; script-src {url}; connect-src {url}"
    page = visit.open("<p>strict</p>")
    page.evaluate("dropoff.recommend()")
    visit.wait_for_names("page_view")
    assert visit.complaints == []
