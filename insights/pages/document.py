"""Pages as one HTML file that needs no server and loads nothing: style, scripts, charts and downloads are in it."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from features.finished import finished
from insights.pages.figure import Page
from insights.pages.links import ReportLinks
from insights.pages.render import STATIC, NavEntry, ShownFigure, in_blocks, render_template, show_figures


@dataclass(frozen=True, slots=True)
class ReportSection:
    """One page of the report as its template writes it."""

    page: Page
    blocks: Sequence[Sequence[ShownFigure]]


def write_pages(
    pages: Sequence[Page], *, title: str, journey: str, lede: str, foot: Sequence[str], timezone: str, out: Path
) -> None:
    """Write any pages into one HTML file, under a title, with a line on what they show and lines at their foot."""
    links = ReportLinks(tuple(page.slug for page in pages))
    sections = [
        ReportSection(page, in_blocks(show_figures(page, links, timezone, prefix=f"{page.slug}--"))) for page in pages
    ]
    style, script, charts = (_read(name) for name in ("pages.css", "pages.js", "echarts.min.js"))
    html = render_template(
        "report.html",
        title=title,
        journey=journey,
        lede=lede,
        nav=[NavEntry(page.title, f"#{page.slug}", current=False) for page in pages],
        sections=sections,
        style=style,
        scripts=(charts, script),
        policy=_policy(style, charts, script),
        icon=base64.b64encode((STATIC / "icon.svg").read_bytes()).decode(),
        foot=foot,
    )
    with finished(out) as unfinished:
        unfinished.write_text(html, encoding="utf-8")


def _read(name: str) -> Markup:
    # Our own files, none of which ends the element that it stands in: tests/insights/test_report.py looks.
    return Markup((STATIC / name).read_text(encoding="utf-8"))  # noqa: S704


def _policy(style: str, *scripts: str) -> str:
    """Return a content security policy that allows exactly what is in the file, and no request to anywhere."""
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'sha256-{_digest(style)}'; "
        "style-src-attr 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
