"""The report: one file with everything in it, and nothing from elsewhere."""

import base64
import hashlib
import json
import re
import sys
from collections.abc import Sequence
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_facts import SHOP, MadeSession, write_facts

from insights.facts import Facts
from insights.filters import Filters
from insights.pages.figure import Page, Value
from insights.pages.render import STATIC
from insights.pages.site import PAGES
from insights.report import figures_json, make_pages, write_report


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    sessions = [
        MadeSession(number % 5, "goal" if number % 4 == 0 else "abandoned", device="mobile" if number % 2 else "<b>")
        for number in range(80)
    ]
    return write_facts(tmp_path / "facts", sessions)


class Document(HTMLParser):
    """The elements of a document, and what stands in its scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.inline: dict[str, list[str]] = {"script": [], "style": []}
        self._within = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        self._within = tag if tag in self.inline and dict(attrs).get("type") != "application/json" else ""

    def handle_endtag(self, _tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within:
            self.inline[self._within].append(data)


def write(facts: Facts, out: Path, filters: Filters | None = None) -> str:
    chosen = filters or Filters()
    write_report(make_pages(SHOP, facts, chosen), SHOP, facts, chosen, out)
    return out.read_text(encoding="utf-8")


def test_every_page_is_a_section_that_the_navigation_leads_to_and_no_id_stands_twice(
    facts: Facts, tmp_path: Path
) -> None:
    document = Document(write(facts, tmp_path / "report.html"))
    ids = [attributes["id"] for _, attributes in document.attributes if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {entry.slug for entry in PAGES} <= set(ids)
    places = [str(attributes["href"])[1:] for tag, attributes in document.attributes if tag == "a"]
    inner = [place for place in places if not place.startswith("ata:")]
    assert set(inner) <= set(ids)


def test_nothing_is_loaded_from_elsewhere_and_the_policy_allows_what_is_in_it(facts: Facts, tmp_path: Path) -> None:
    html = write(facts, tmp_path / "report.html")
    document = Document(html)
    for tag, attributes in document.attributes:
        for name in ("src", "href", "action"):
            assert str(attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy
    for kind in ("script", "style"):
        for text in document.inline[kind]:
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"sha256-{digest}" in policy[1]
    assert "'unsafe-inline'" not in policy[1].replace("style-src-attr 'unsafe-inline'", "")


@pytest.mark.parametrize("name", ["echarts.min.js", "pages.js", "pages.css"])
def test_no_file_ends_the_element_that_it_stands_in(name: str) -> None:
    text = (STATIC / name).read_text(encoding="utf-8").lower()
    assert "</script" not in text
    assert "</style" not in text
    assert "<!--" not in text


def test_values_of_the_log_cannot_become_markup(facts: Facts, tmp_path: Path) -> None:
    html = write(facts, tmp_path / "report.html", Filters(cohort=(("device", "<b>"),)))
    assert "<b>" not in html.split("</style>")[1].split("<main")[1]
    assert "device &lt;b&gt;" in html


def test_the_json_has_all_figures_and_what_was_chosen(facts: Facts) -> None:
    filters = Filters(since=date(2026, 6, 1))
    written = json.loads(json.dumps(figures_json(make_pages(SHOP, facts, filters), SHOP, facts, filters)))
    assert (written["journey"], written["filters"], written["sessions"]) == ("ecommerce", "since=2026-06-01", 80)
    assert list(written["pages"]) == [entry.slug for entry in PAGES]
    assert written["pages"]["overview"]["figures"]["sessions"]["rows"][0]["sessions"] == 80


def test_a_report_to_pass_on_shows_no_single_session(facts: Facts) -> None:
    whole, passed_on = make_pages(SHOP, facts), make_pages(SHOP, facts, retell=False)
    assert {page.slug for page in whole} - {page.slug for page in passed_on} == {"sessions"}
    with facts.connect() as connection:
        ids = {
            text for row in connection.execute("SELECT session_id, visitor_id FROM sessions").fetchall() for text in row
        }
    assert not ids.isdisjoint(_values(whole))
    assert ids.isdisjoint(_values(passed_on))


def _values(pages: Sequence[Page]) -> set[Value]:
    return {value for page in pages for figure in page.figures for row in figure.table.rows for value in row}
