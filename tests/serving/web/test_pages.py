"""Pages, reading, leaving, silence and fields, as the snippet notices them in a real browser."""

import pytest
from web_visits import Visit

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

LONG = "<div style='height:3000px'>long</div>"
FORM = """<form onsubmit="event.preventDefault()">
<label>Street <input name=street required></label> <label>Phone <input name=phone></label>
<label>Card <input name=card aria-label=Card></label> <input type=search name=find>
<select name=country><option>DE<option>AT</select> <button>Send</button></form>
<form role=search><input name=query></form> <input name=quantity>"""


def properties(visit: Visit, name: str) -> list[dict[str, object]]:
    found = [dict(event.properties) for event in visit.stored() if event.name == name]
    return [{key: value for key, value in one.items() if key not in ("consent", "definition")} for one in found]


def test_a_page_view_says_which_page_how_long_it_took_and_where_the_visitor_came_from(visit: Visit) -> None:
    visit.site.delays["/lamps"] = 0.3
    visit.define(path="/lamps")
    visit.page.goto(f"{visit.site.url}/lamps?utm_source=letter&utm_campaign=spring&email=anna@shop.example&gclid=c-1")
    [view] = visit.wait_for_names("page_view")
    assert view.properties["page"] == "/lamps"
    # The page kept the browser waiting for 0.3 s.
    assert 0.3 <= view.properties["load_seconds"] < 30
    assert (view.source, view.campaign, view.channel, view.device) == ("ads", "spring", "on_site", "desktop")
    assert view.properties["click_id"] == "c-1"
    assert "anna" not in str(view)


def test_a_page_has_the_name_that_it_gives_itself(visit: Visit) -> None:
    visit.open("<script>document.body.dataset.dropoffPage = 'landing'</script>")
    assert [one["page"] for one in properties(visit, "page_view")] or visit.wait_for_names("page_view")
    assert properties(visit, "page_view")[0]["page"] == "landing"


def test_pages_of_an_app_that_never_loads_are_views_and_going_back_is_noticed(visit: Visit) -> None:
    page = visit.open("<a href='#part'>part</a><p id=part>part</p>", "/home")
    page.evaluate("history.pushState(0, '', '/cart')")
    page.wait_for_timeout(50)
    page.get_by_role("link").click()
    page.evaluate("history.replaceState(0, '', '/cart?sorted')")
    page.go_back()
    page.go_back()
    visit.settle()
    assert [one["page"] for one in properties(visit, "page_view")] == ["/home", "/cart", "/home"]
    assert [event.name for event in visit.stored()].count("go_back") == 1


def test_going_back_to_a_page_before_is_noticed(visit: Visit) -> None:
    visit.define(path="/two")
    visit.open(path="/one")
    visit.page.goto(f"{visit.site.url}/two")
    visit.page.go_back()
    visit.settle()
    events = visit.wait_for(lambda events: [event.name for event in events].count("page_view") == 3)
    assert [event.name for event in events] in (
        ["page_view", "page_view", "page_view", "go_back"],
        ["page_view", "page_view", "go_back", "page_view"],
    )


def test_a_page_that_fails_to_load_is_an_error_with_its_status(visit: Visit) -> None:
    visit.site.statuses["/broken"] = 503
    visit.open(path="/broken")
    visit.wait_for_names("page_error")
    assert properties(visit, "page_error") == [{"status": "503"}]


def test_reading_is_told_in_quarters_each_once_a_page(visit: Visit) -> None:
    page = visit.open(LONG)
    for part in (0.1, 0.4, 0.2, 1, 0):
        page.evaluate(f"scrollTo(0, document.documentElement.scrollHeight * {part} - innerHeight * {part})")
        page.wait_for_timeout(60)
    visit.settle()
    assert [one["depth"] for one in properties(visit, "scroll")] == [0.25, 0.5, 0.75, 1]


def test_a_page_that_is_seen_whole_is_not_scrolled(visit: Visit) -> None:
    page = visit.open("<p>short</p>")
    page.mouse.wheel(0, 300)
    assert visit.settle() == []


def test_leaving_through_the_top_is_an_exit_intent_once_a_page(visit: Visit) -> None:
    page = visit.open("<div style='height:300px'>a</div><div>b</div>")
    # Out at the side, where no tab can be closed.
    for x, y in ((200, 200), (200, 310), (-5, 200), (200, 200), (300, 5), (300, -5), (300, 200), (300, -5)):
        page.mouse.move(x, y)
        page.wait_for_timeout(30)
    assert visit.settle() == ["exit_intent"]


def test_a_hidden_tab_is_told_of_and_its_return(visit: Visit) -> None:
    page = visit.open()
    for state in ("hidden", "visible"):
        page.evaluate(
            "(state) => { Object.defineProperty(document, 'visibilityState', {value: state, configurable: true});"
            "document.dispatchEvent(new Event('visibilitychange', {bubbles: true})) }",
            state,
        )
    assert visit.settle() == ["hide_tab", "show_tab"]


def test_fields_that_are_filled_in_again_or_refused_are_told_by_name_only(
    visit: Visit,
) -> None:
    page = visit.open(FORM)
    page.get_by_role("button", name="Send").click()
    for street in ("Anna Street 1", "Anna Street 12"):
        page.get_by_label("Street").fill(street)
        page.keyboard.press("Tab")
    page.get_by_label("Phone").fill("0301234567")
    page.get_by_role("combobox").select_option("AT")
    page.locator("[name=find]").fill("gift for Anna")
    page.locator("[name=query]").fill("gift for Anna")
    page.locator("[name=quantity]").fill("3")
    page.get_by_label("Card").evaluate("(card) => card.setAttribute('aria-invalid', 'true')")
    page.get_by_label("Card").evaluate("(card) => card.setAttribute('aria-invalid', 'true')")
    visit.settle()
    edited = [one["field"] for one in properties(visit, "edit_field")]
    assert edited == ["street", "street", "country", "phone"]
    assert properties(visit, "form_error") == [{"field": "street"}, {"field": "card"}]
    sent = str(visit.stored())
    assert "Anna" not in sent
    assert "0301234567" not in sent


def test_markup_declares_the_events_of_a_journey(visit: Visit) -> None:
    page = visit.open(
        """<main data-dropoff-event=view_product data-dropoff-props='{"product":"lamp","price":59}'>
        <button data-dropoff-event=add_to_cart data-dropoff-props='{"product":"lamp"}'><b>Buy</b></button>
        <form data-dropoff-event=submit_address onsubmit="event.preventDefault();this.hidden=1">
        <input name=city required><button>Send</button></form>
        <label>Way <select data-dropoff-event=choose_payment_method><option>card<option>bill</select></label>
        <div style="height:3000px"></div><section data-dropoff-event=view_reviews>Good lamp</section></main>"""
    )
    page.get_by_text("Buy").click()
    page.get_by_role("button", name="Send").click()
    page.locator("[name=city]").fill("Bonn")
    page.get_by_label("Way").select_option("bill")
    page.get_by_role("button", name="Send").click()
    names = [name for name in visit.settle() if name not in ("scroll", "dead_click")]
    assert names == [
        "view_product",
        "add_to_cart",
        "form_error",
        "choose_payment_method",
        "edit_field",
        "submit_address",
    ]
    assert properties(visit, "view_product") == [{"product": "lamp", "price": 59}]
    page.evaluate("scrollTo(0, 9999)")
    page.evaluate("document.body.insertAdjacentHTML('afterbegin', '<p data-dropoff-event=view_shipping>4.90</p>')")
    page.evaluate("scrollTo(0, 0)")
    visit.wait_for_names("view_reviews", "view_shipping")


def test_names_are_the_journeys_and_an_empty_one_is_not_sent(visit: Visit) -> None:
    page = visit.open(LONG, names={"scroll": "", "exit_intent": "open_help", "script_error": "page_error"})
    page.evaluate("scrollTo(0, 9999)")
    page.evaluate("document.body.dispatchEvent(new MouseEvent('mouseout', {bubbles: true, clientY: -1}))")
    page.evaluate("setTimeout(() => { throw Error('Anna') })")
    page.wait_for_timeout(50)
    assert visit.settle() == ["open_help", "page_error"]
    assert "Anna" not in str(visit.stored())


def test_no_two_events_share_a_moment_and_all_keep_their_order(visit: Visit) -> None:
    page = visit.open()
    page.evaluate("for (let i = 0; i < 30; i++) dropoff.track('search', {results: i})")
    visit.settle()
    events = visit.wait_for(lambda events: len(events) == 31)
    assert [event.properties["results"] for event in events[1:]] == list(range(30))
    assert len({event.occurred_at_us for event in events}) == 31
    assert len({event.session_id for event in events}) == 1
