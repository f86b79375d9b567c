"""All pages as one HTML file that needs no server and loads nothing: style, scripts, charts and downloads are in it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from insights.facts import Facts
from insights.filters import Filters
from insights.find_alarms import with_alarms
from insights.pages.choose import days_of
from insights.pages.document import write_pages
from insights.pages.export import to_json
from insights.pages.figure import Page, Unit, View
from insights.pages.site import PAGES
from insights.pages.write import write, write_day
from insights.playbook.propose import with_proposals
from journeys.journey import Journey
from storage.records import Records

Progress = Callable[[str, float], None]


def make_pages(
    journey: Journey,
    facts: Facts,
    filters: Filters | None = None,
    records: Records | None = None,
    progress: Progress = lambda _phase, _fraction: None,
    *,
    retell: bool = True,
) -> tuple[Page, ...]:
    """Return all pages, in the order of the navigation; without ``retell`` none shows a single session."""
    known = with_proposals(with_alarms(records or Records(), facts, journey), facts, journey)
    view = View(journey=journey, facts=facts, filters=filters or Filters(), records=known)
    pages = []
    for number, entry in enumerate(PAGES):
        progress(f"making the page {entry.title}", number / len(PAGES))
        page = entry.make(view)
        figures = tuple(figure for figure in page.figures if retell or not figure.retells)
        if figures or not page.figures:
            pages.append(replace(page, figures=figures))
    return tuple(pages)


def write_report(pages: Sequence[Page], journey: Journey, facts: Facts, filters: Filters, out: Path) -> None:
    """Write the pages into one HTML file; it appears under its name only when it is whole."""
    title = f"{journey.title}: where people stop, and why"
    write_pages(
        pages,
        title=title,
        journey=journey.title,
        lede=_describe(facts, filters),
        foot=_foot(facts),
        timezone=facts.timezone,
        out=out,
    )


def figures_json(pages: Sequence[Page], journey: Journey, facts: Facts, filters: Filters) -> dict[str, Any]:
    """Return all figures with what they rest on, for a file that programs read."""
    return {
        "journey": journey.name,
        "timezone": facts.timezone,
        "filters": filters.to_query(),
        "model_version": facts.model_version,
        "sessions": facts.sessions,
        "events": facts.events,
        "pages": to_json(pages),
    }


def _describe(facts: Facts, filters: Filters) -> str:
    began, ended = days_of(facts)
    period = f"{write_day(filters.since or began)} to {write_day(filters.until or ended)}"
    cohort = "".join(f", {name.replace('_', ' ')} {value}" for name, value in filters.cohort)
    return f"{period}{cohort}; days and hours are those of {facts.timezone}."


def _foot(facts: Facts) -> list[str]:
    built = datetime.fromtimestamp(facts.built_at_us / 1e6, UTC).isoformat(timespec="seconds")
    made = write(built, Unit.TIME, facts.timezone)
    model = f"Model version {facts.model_version}" if facts.model_version else "No model, so no risk and no blockers"
    return [f"Figures of {made}, from {facts.events:,} events of {facts.sessions:,} sessions", model]
