"""From an address to a page: the filters and choices in it are understood, and the page is made."""

from collections.abc import Sequence
from dataclasses import dataclass

from features.table import nearest
from insights.facts import Facts
from insights.filters import FilterError, Filters, dimensions
from insights.pages.choose import make_bar
from insights.pages.figure import Figure, Page, View
from insights.pages.links import ServiceLinks
from insights.pages.render import NavEntry, Shell, render_page
from insights.pages.site import PAGES, Entry
from insights.sessions import LiveSessions
from journeys.journey import Journey
from storage.records import Records

FIRST = PAGES[0].slug
"""The page that answers at ``/``."""
_SLUGS = tuple(entry.slug for entry in PAGES)


@dataclass(frozen=True, slots=True)
class MadePage:
    """A page with the view that it was made from."""

    page: Page
    view: View

    def figure(self, name: str) -> Figure | None:
        """Return the figure of a name; None for an unknown one."""
        return next((figure for figure in self.page.figures if figure.name == name), None)


def make_page(
    entry: Entry,
    journey: Journey,
    facts: Facts,
    records: Records,
    query: Sequence[tuple[str, str]],
    live: LiveSessions | None = None,
) -> MadePage:
    """Return the page at an address; raises :class:`FilterError` for what it does not know."""
    chosen = ("since", "until", *dimensions(journey))
    choices = tuple((name, value) for name, value in query if name not in chosen)
    filters = Filters.from_query([pair for pair in query if pair[0] in chosen], journey)
    view = View(journey=journey, facts=facts, filters=filters, records=records, query=choices, live=live)
    page = entry.make(view)
    known = [field.name for field in page.choices]
    for name, _ in choices:
        if name not in known:
            alike = " or ".join(nearest(name[:60], (*chosen, *known)))
            raise FilterError(f"the page {entry.title} has no filter {name[:60]!r}; did you mean {alike}?")
    return MadePage(page, view)


def render_made(
    made: MadePage, foot: Sequence[str], foot_links: Sequence[tuple[str, str]] = (), notice: str = ""
) -> str:
    """Return a page of the service as HTML; ``foot`` says what serves it, ``notice`` what has just been done."""
    page, view = made.page, made.view
    query = tuple((name, value) for name, value in view.query if value)
    links = ServiceLinks(_SLUGS, view.filters, query)
    nav = [NavEntry(entry.title, links.page(entry.slug), entry.slug == page.slug) for entry in PAGES]
    bar = make_bar(view.journey, view.facts, view.filters, page.slug, _SLUGS, query)
    shell = Shell(view.journey.title, nav, bar, foot, foot_links, notice)
    return render_page(page, shell, links, view.facts.timezone, view.filters)
