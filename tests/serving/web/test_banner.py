"""Advice in a real browser: when it is asked for, and how it is shown, taken up and closed."""

from typing import Any

import pytest
from browsers import violations
from playwright.sync_api import Locator
from web_visits import SHOTS, SOON, OpenVisit, Visit

from serving.snippet import WEB

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

BANNER = "dropoff-banner"
CONTENT = """<style>:root { color-scheme: light dark }</style>
<main><h1>Payment</h1><label>Card <input name=card></label><button>Pay</button></main>"""
TROUBLE = """for (const name of ['view_payment', 'payment_failed', 'payment_failed', 'payment_failed'])
    dropoff.track(name, {code: 'declined', method_count: 2});"""


def shown(visit: Visit, body: str = CONTENT, **options: Any) -> Locator:
    """The banner of a visitor whose payment has failed three times."""
    visit.open(body, **options)
    visit.page.evaluate(TROUBLE)
    banner = visit.page.locator(BANNER)
    banner.get_by_role("heading").wait_for()
    return banner


def outcomes(visit: Visit, *expected: str) -> list[tuple[str, str]]:
    """What was reported in the session, and of which intervention, once as much as that has come."""
    session, ledger = visit.page.evaluate("dropoff.visit.sessionId"), visit.service.runtime.ledger
    for _ in range(int(SOON * 20)):
        chosen = {entry.decision_id: str(entry.chosen) for entry in ledger.session_decisions(session)}
        found = [(str(one.outcome), chosen[one.decision_id]) for one in ledger.session_outcomes(session)]
        if [outcome for outcome, _ in found] == list(expected):
            return found
        visit.page.wait_for_timeout(50)
    raise AssertionError(f"{found} is not {expected}")


def asked(visit: Visit) -> int:
    return sum("/v1/recommend" in url for url in visit.requests)


def test_a_visitor_whose_payment_fails_sees_the_fitting_advice_once_and_goes_on_where_the_focus_was(
    visit: Visit,
) -> None:
    visit.define(CONTENT)
    visit.page.goto(visit.site.url)
    visit.page.get_by_label("Card").focus()
    visit.page.evaluate(TROUBLE)
    banner = visit.page.locator(BANNER)
    assert banner.get_by_role("status").inner_text().startswith("Pay another way")
    assert visit.page.evaluate("document.activeElement.name") == "card"
    visit.page.keyboard.press("Escape")
    assert banner.count() == 0
    assert visit.page.evaluate("document.activeElement.name") == "card"
    assert outcomes(visit, "shown", "dismissed") == [("shown", "other_payment"), ("dismissed", "other_payment")]
    answer = visit.page.evaluate("dropoff.recommend()")
    assert (answer["recommendation"] or {}).get("intervention") != "other_payment"


def test_the_keyboard_reaches_the_banner_and_takes_the_advice_up(visit: Visit) -> None:
    visit.define(path="/invoice")
    banner = shown(visit, banner={"action": "Show me", "actions": {"other_payment": "/invoice"}})
    visit.page.get_by_role("button", name="Pay", exact=True).focus()
    visit.page.keyboard.press("Tab")
    button = banner.get_by_role("button", name="Show me")
    assert button.evaluate("(one) => one.matches(':focus-visible')")
    assert button.evaluate("(one) => getComputedStyle(one).outlineWidth") == "3px"
    visit.page.keyboard.press("Tab")
    assert banner.get_by_role("button", name="Close").evaluate("(one) => one.matches(':focus-visible')")
    visit.page.keyboard.press("Shift+Tab")
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_url("**/invoice")
    assert outcomes(visit, "shown", "clicked")[1] == ("clicked", "other_payment")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (360, 640)])
def test_everybody_can_use_the_banner_in_every_light_and_width(
    visiting: OpenVisit, size: tuple[int, int], scheme: str
) -> None:
    visit = visiting(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce")
    banner = shown(visit)
    SHOTS.mkdir(parents=True, exist_ok=True)
    visit.page.screenshot(path=SHOTS / f"banner-{size[0]}-{scheme}.png")
    box = banner.get_by_role("region", name="Pay another way").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= size[0]
    for button in banner.get_by_role("button").all():
        pressed = button.bounding_box()
        assert pressed is not None
        assert min(pressed["width"], pressed["height"]) >= 44
    assert violations(visit.page) == []
    assert banner.locator("section").evaluate("(one) => getComputedStyle(one).animationName") == "none"


def test_the_banner_and_the_page_keep_their_own_looks(visit: Visit) -> None:
    hostile = "<style>section, h2, p, button { display: none !important; position: static !important }</style>"
    banner = shown(visit, f"{hostile}<main>a page</main>")
    assert banner.get_by_role("button", name="OK").is_visible()
    assert banner.locator("section").evaluate("(one) => getComputedStyle(one).position") == "fixed"
    assert visit.page.evaluate("document.styleSheets.length + document.adoptedStyleSheets.length") == 1


def test_the_banner_is_dark_only_where_the_page_can_be_dark_too(visiting: OpenVisit) -> None:
    backgrounds = []
    for scheme in ("normal", "light dark"):
        banner = shown(visiting(color_scheme="dark"), f"<style>:root {{ color-scheme: {scheme} }}</style><p>page</p>")
        backgrounds.append(banner.locator("section").evaluate("(one) => getComputedStyle(one).backgroundColor"))
    assert backgrounds == ["rgb(255, 255, 255)", "rgb(27, 34, 45)"]


def test_where_people_read_from_right_to_left_the_banner_stands_at_the_left(visit: Visit) -> None:
    banner = shown(visit, "<script>document.documentElement.dir = 'rtl'</script>")
    box = banner.locator("section").bounding_box()
    assert box is not None
    assert box["x"] == 16


def test_the_banner_needs_no_exception_from_a_strict_policy(visit: Visit) -> None:
    url = visit.service.url
    visit.site.headers["Content-Security-Policy"] = f"default-src 'none'; script-src {url}; connect-src {url}"
    banner = shown(visit, "<main>strict</main>")
    assert banner.locator("section").evaluate("(one) => getComputedStyle(one).position") == "fixed"
    assert visit.complaints == []


def test_an_app_that_handles_advice_itself_gets_every_answer_and_no_banner(visit: Visit) -> None:
    visit.open(consent=None)
    visit.page.evaluate(
        """dropoff.init({consent: true, handler: (answer, report) => {
            window.answer = answer; report('shown'); report('shown'); report('clicked') }})"""
    )
    visit.page.evaluate("dropoff.track('search'); dropoff.recommend()")
    visit.page.wait_for_function("window.answer")
    answer = visit.page.evaluate("window.answer")
    assert answer["recommendation"] is None
    assert answer["reason"] in ("low_risk", "no_blocker", "not_eligible", "not_worth_it")
    assert visit.page.locator(BANNER).count() == 0
    outcomes(visit, "shown", "clicked")


def test_the_package_does_all_of_it_without_the_services_script(visit: Visit) -> None:
    for source in (WEB / "src").glob("*.js"):
        visit.site.pages[f"/src/{source.name}"] = source.read_text(encoding="utf-8")
    script = f"""<script type=module>
        import dropoff from "/src/module.js";
        dropoff.init({{ host: "{visit.service.url}", consent: true, wait: 10000 }});
        window.dropoff = dropoff;
        </script>"""
    visit.open(CONTENT + script, bare=True)
    visit.page.wait_for_function("window.dropoff")
    visit.page.evaluate(TROUBLE)
    visit.page.locator(BANNER).get_by_role("heading", name="Pay another way").wait_for()
    assert visit.complaints == []


def test_an_app_hears_what_became_of_the_banner(visit: Visit) -> None:
    banner = shown(visit)
    visit.page.evaluate("addEventListener('dropoff:clicked', (event) => window.heard = event.detail.decision_id)")
    banner.get_by_role("button", name="OK").click()
    heard = visit.page.evaluate("window.heard")
    outcomes(visit, "shown", "clicked")
    session = visit.page.evaluate("dropoff.visit.sessionId")
    assert [one.decision_id for one in visit.service.runtime.ledger.session_decisions(session)] == [heard]


def test_many_frictions_are_one_question_until_the_pause_is_over(visit: Visit) -> None:
    page = visit.open(banner=False, every=1)
    page.evaluate("for (let i = 0; i < 9; i++) dropoff.track('form_error', {field: 'city'})")
    page.wait_for_timeout(700)
    assert asked(visit) == 1
    page.evaluate("for (let i = 0; i < 9; i++) dropoff.track('form_error', {field: 'city'})")
    page.wait_for_timeout(200)
    assert asked(visit) == 1
    page.wait_for_timeout(1_000)
    assert asked(visit) == 2


def test_progress_is_no_reason_to_ask_but_silence_and_leaving_are(visit: Visit) -> None:
    page = visit.open("<div style='height:300px'>a</div>", idle=[1, 600], banner=False, every=0)
    page.evaluate("dropoff.track('add_to_cart'); dropoff.track('begin_checkout')")
    page.wait_for_timeout(600)
    assert asked(visit) == 0
    page.wait_for_timeout(1_900)
    # Silence is no event: the model reads how long it lasts.
    assert asked(visit) == 1
    for y in (200, 5, -5):
        page.mouse.move(300, y)
    page.wait_for_timeout(500)
    assert asked(visit) == 2
    assert visit.settle() == ["add_to_cart", "begin_checkout", "exit_intent"]


def test_advice_that_comes_after_a_second_is_not_shown_and_the_page_never_waits(visit: Visit) -> None:
    visit.service.delays["/v1/recommend"] = 1.6
    page = visit.open(CONTENT, wait=1_000)
    page.evaluate(TROUBLE)
    page.get_by_label("Card").fill("4000")
    assert page.evaluate("dropoff.recommend()") is None
    page.wait_for_timeout(1_000)
    assert page.locator(BANNER).count() == 0


def test_after_the_order_nothing_is_asked_any_more(visit: Visit) -> None:
    page = visit.open(banner=False, every=0)
    page.evaluate("dropoff.track('purchase', {revenue: 59})")
    assert page.evaluate("dropoff.recommend()")["reason"] == "ended"
    before = asked(visit)
    page.evaluate("dropoff.track('form_error', {field: 'review'})")
    page.wait_for_timeout(600)
    assert asked(visit) == before
