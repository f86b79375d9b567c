"""Pages as HTML: the shell, the filters, and figures with chart, definition, table and download."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from insights.filters import Filters
from insights.pages import charts
from insights.pages.choose import FilterBar
from insights.pages.export import to_csv
from insights.pages.figure import Field, Figure, Page, Sentences, Stops, Tile
from insights.pages.links import Links
from insights.pages.stops import ShownStop, show_stops
from insights.pages.tables import ShownTable, ShownTile, show_sentences, show_table, show_tile

STATIC = Path(__file__).parent / "static"
_TEMPLATES = Path(__file__).parent / "templates"
_NARROW_ROWS = 12


@dataclass(frozen=True, slots=True)
class NavEntry:
    """One entry of the navigation."""

    title: str
    address: str
    current: bool


@dataclass(frozen=True, slots=True)
class Shell:
    """What stands around a page: the navigation, the filters, and at the foot what the figures rest on."""

    journey: str
    nav: Sequence[NavEntry]
    bar: FilterBar
    foot: Sequence[str]
    foot_links: Sequence[tuple[str, str]] = ()
    notice: str = ""


@dataclass(frozen=True, slots=True)
class ShownFigure:
    """A figure with all that its template writes; ``wide`` is its share of the page's width."""

    id: str
    title: str
    definition: str
    note: str
    wide: str
    table: ShownTable
    tile: ShownTile | None
    sentences: Sequence[tuple[str, str]]
    stops: Sequence[ShownStop]
    option: Markup | None
    height_px: int
    chart_label: str
    download: str
    file_name: str


def show_figures(page: Page, links: Links, timezone: str, *, prefix: str = "") -> list[ShownFigure]:
    """Return the figures of a page; ``prefix`` stands before ids where several pages share a document."""
    widths = _widths(page.figures)
    return [
        _show_figure(page, figure, wide, links, timezone, prefix)
        for figure, wide in zip(page.figures, widths, strict=True)
    ]


def in_blocks(figures: Sequence[ShownFigure]) -> list[list[ShownFigure]]:
    """Return the figures in order, neighbouring tiles together, so that they share rows evenly."""
    blocks: list[list[ShownFigure]] = []
    for figure in figures:
        if figure.tile and blocks and blocks[-1][0].tile:
            blocks[-1].append(figure)
        else:
            blocks.append([figure])
    return blocks


def render_page(page: Page, shell: Shell, links: Links, timezone: str, filters: Filters) -> str:
    """Return a page of the service as HTML."""
    figures = show_figures(page, links, timezone)
    return (
        _environment()
        .get_template("page.html")
        .render(
            page=page,
            blocks=in_blocks(figures),
            has_charts=any(figure.option for figure in figures),
            shell=shell,
            choices=[field for field in page.choices if field.kind != "hidden"],
            kept=_pairs(filters),
            asset=asset,
        )
    )


def render_message(title: str, text: str, *, links: Sequence[tuple[str, str]] = ()) -> str:
    """Return a page that says one thing, such as what is wrong with an address."""
    return _environment().get_template("message.html").render(title=title, text=text, links=links, asset=asset)


def render_template(name: str, **values: Any) -> str:
    """Return a template filled in; everything in it is escaped unless it is Markup."""
    return _environment().get_template(name).render(**values)


@cache
def asset(name: str) -> str:
    """Return the address of a static file, which changes with its content, so that it can be kept for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:16]
    return f"/static/{name}?v={digest}"


def embed_json(value: Any) -> Markup:
    """Return JSON that can stand in a script element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))  # noqa: S704 (escaped)


def _show_figure(page: Page, figure: Figure, wide: str, links: Links, timezone: str, prefix: str) -> ShownFigure:
    option = charts.draw(figure, timezone)
    file_name = f"{page.slug}-{figure.name}.csv"
    download = links.download(page.slug, figure.name)
    if not download:
        content = base64.b64encode(to_csv(figure.table).encode()).decode()
        download = f"data:text/csv;charset=utf-8;base64,{content}"
    return ShownFigure(
        id=f"{prefix}{figure.name}",
        title=figure.title,
        definition=figure.definition,
        note=figure.note,
        wide=wide,
        table=show_table(figure, links, timezone),
        tile=show_tile(figure, links, timezone) if isinstance(figure.chart, Tile) and figure.table.rows else None,
        sentences=show_sentences(figure, links) if isinstance(figure.chart, Sentences) else (),
        stops=show_stops(figure, timezone) if isinstance(figure.chart, Stops) else (),
        option=None if option is None else embed_json(option),
        height_px=charts.height_px(figure),
        chart_label=f"{figure.title}: a chart; its table has the same figures.",
        download=download,
        file_name=file_name,
    )


def _widths(figures: Sequence[Figure]) -> list[str]:
    """Figures with little in them share a row with their neighbour."""
    widths = ["tile" if isinstance(figure.chart, Tile) else "full" for figure in figures]
    place = 0
    while place < len(figures) - 1:
        if all(widths[place + step] == "full" and _is_narrow(figures[place + step]) for step in (0, 1)):
            widths[place] = widths[place + 1] = "half"
            place += 1
        place += 1
    return widths


def _is_narrow(figure: Figure) -> bool:
    if figure.chart is None or isinstance(figure.chart, Sentences | Stops):
        return False
    return len(figure.table.rows) <= _NARROW_ROWS


def _pairs(filters: Filters) -> list[tuple[str, str]]:
    period = [(name, str(day)) for name, day in (("since", filters.since), ("until", filters.until)) if day]
    return [*period, *filters.cohort]


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


__all__ = ["Field", "NavEntry", "Shell", "ShownFigure", "asset", "render_message", "render_page", "show_figures"]
