"""Clicks in anger and clicks that nothing answers, in a real browser; and what must not be taken for them."""

import pytest
from web_visits import Visit

from features.events import Event

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

STEPPER = """<button onclick="count.textContent = +count.textContent + 1">+</button><span id="count">1</span>
<button class="next" onclick="setTimeout(() => picture.textContent += '!', 5)">Next picture</button>
<span id="picture">a</span>"""


ANSWERED = """<button onclick="out.textContent = 'saved'">the content</button><p id=out></p>
<button onclick="this.classList.add('on')">an attribute</button>
<button onclick="history.replaceState(0, '', '?filter=blue')">the address</button>
<button onclick="city.focus()">the focus</button><input id=city>
<button onclick="setTimeout(() => out.textContent = 'x', 90)">a bit later</button>
<button onclick="window.scrollTo(0, 300)">the position</button>
<details><summary>something unfolds</summary>2 days</details>
<button popovertarget=pop>a popover</button><div id=pop popover>tip</div>
<form><input required name=name><button>a form</button></form>
<a href="mailto:help@shop.example">another program</a><div style="height:3000px"></div>"""
DEAD = """<a href="javascript:void(0)">details</a> <button>buy</button> <div role=button tabindex=0>buy</div>
<div style="cursor:pointer">a card</div> <button aria-disabled=true>buy</button>"""


def found(visit: Visit, name: str) -> list[Event]:
    return [event for event in visit.stored() if event.name == name]


def test_three_quick_clicks_on_one_spot_that_the_page_leaves_unanswered_are_one_rage_click(visit: Visit) -> None:
    page = visit.open("<button id='pay' style='margin:40px'>Pay</button>")
    for shift in (0, 8, 0, 8, 0):
        page.mouse.click(60 + shift, 55)
    visit.settle()
    [rage] = found(visit, "rage_click")
    # Three clicks within 30 pixels and a second, by the first definition.
    assert rage.properties["definition"] == "1:3,30,1000"
    assert rage.properties["element"] == "button.pay"
    [dead] = found(visit, "dead_click")
    assert dead.properties == {"element": "button.pay", "definition": "1:200", "consent": True}


def test_clicks_far_apart_or_slow_or_fewer_are_no_rage(visit: Visit) -> None:
    page = visit.open("<div style='height:400px'>a picture</div>")
    for x in (50, 90, 130, 170):
        page.mouse.click(x, 100)
    page.wait_for_timeout(1_100)
    page.mouse.click(50, 100)
    page.mouse.click(50, 100)
    assert visit.settle() == []


def test_the_definition_of_rage_is_the_pages_own_where_it_gives_one(visit: Visit) -> None:
    page = visit.open("<div style='height:400px'>a picture</div>", rage={"clicks": 2, "px": 5})
    page.mouse.click(50, 100)
    page.mouse.click(54, 100)
    visit.settle()
    assert [event.properties["definition"] for event in found(visit, "rage_click")] == ["1:2,5,1000"]


@pytest.mark.parametrize("name", ["+", "Next picture"])
def test_a_stepper_or_gallery_that_answers_each_click_makes_nobody_angry(visit: Visit, name: str) -> None:
    page = visit.open(STEPPER)
    for _ in range(5):
        page.get_by_role("button", name=name, exact=True).click()
    assert visit.settle() == []


def test_selecting_a_word_or_paragraph_is_neither_rage_nor_dead(visit: Visit) -> None:
    page = visit.open("<p>Delivered within two days.</p>")
    page.get_by_text("Delivered").dblclick()
    page.wait_for_timeout(1_100)
    page.get_by_text("Delivered").click(click_count=3)
    assert page.evaluate("`${getSelection()}`.trim()") == "Delivered within two days."
    assert visit.settle() == []


def test_clicks_into_fields_are_neither_rage_nor_dead(visit: Visit) -> None:
    fields = "<input name=city><textarea></textarea><input type=checkbox><input type=number><label>A label</label>"
    page = visit.open(fields)
    for field in page.locator("body > *").all():
        for _ in range(4):
            field.click()
    assert visit.settle() == []


def test_a_click_that_the_page_answers_is_not_dead(visit: Visit) -> None:
    page = visit.open(ANSWERED)
    for clickable in page.locator("button, summary, a").all():
        clickable.click()
        assert "dead_click" not in visit.settle(), clickable.inner_text()


def test_a_link_into_a_new_tab_and_a_slow_page_are_answers(visit: Visit) -> None:
    page = visit.open("<a href='/other' target='_blank'>opens elsewhere</a> <a id=slow href='/slow'>slow</a>")
    with page.expect_popup() as popup:
        page.get_by_text("opens elsewhere").click()
    popup.value.close()
    assert visit.settle() == []
    visit.site.delays["/slow"] = 0.6
    page.locator("#slow").click()
    page.wait_for_url("**/slow")
    assert [event.name for event in visit.wait_for_names("page_view")] == ["page_view"]


def test_a_click_on_what_looks_clickable_and_does_nothing_is_dead(visit: Visit) -> None:
    page = visit.open(DEAD)
    for number, element in enumerate(page.locator("body > *").all(), start=1):
        # Playwright itself would wait until it is enabled.
        element.click(force=True)
        assert visit.settle() == ["dead_click"] * number


def test_text_that_does_not_look_clickable_may_be_clicked(visit: Visit) -> None:
    page = visit.open("<p>Just words.</p>")
    page.locator("p").click()
    assert visit.settle() == []


def test_a_part_of_the_page_that_asks_to_be_left_alone_is(visit: Visit) -> None:
    page = visit.open("<div data-dropoff-ignore><button>a game</button></div>")
    for _ in range(4):
        page.get_by_text("a game").click()
    assert visit.settle() == []


def test_what_an_element_says_is_never_sent(visit: Visit) -> None:
    page = visit.open("<button class='primary big'>Anna Example, 12 Main Street</button>")
    page.locator("button").click()
    visit.settle()
    [dead] = found(visit, "dead_click")
    assert dead.properties["element"] == "button.primary"
    assert "Anna" not in str(visit.stored())
