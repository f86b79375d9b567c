"""A figure's table, tile or sentences with every value written out, for a template to lay out."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from insights.pages.figure import Bars, Column, Figure, Lines, Sentences, Tile, Unit, Value
from insights.pages.links import Links
from insights.pages.write import is_number, write, write_change, write_interval

MOST_ROWS = 300
"""Longer tables end here; the download has all rows."""


@dataclass(frozen=True, slots=True)
class ShownCell:
    """One cell: its text, where it leads, whether it stands right-aligned, and whether on one line."""

    text: str
    address: str = ""
    number: bool = False
    interval: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class ShownTable:
    """A table in words; ``left_out`` rows are only in the download."""

    headers: Sequence[ShownCell]
    rows: Sequence[Sequence[ShownCell]]
    left_out: int


@dataclass(frozen=True, slots=True)
class ShownTile:
    """One figure in large digits."""

    text: str
    interval: str
    change: str
    tone: str
    address: str


@dataclass(frozen=True, slots=True)
class _Single:
    place: int
    column: Column


@dataclass(frozen=True, slots=True)
class _Pair:
    low: int
    high: int
    column: Column


def show_table(figure: Figure, links: Links, timezone: str) -> ShownTable:
    """Return a figure's table; the two ends of an interval stand in one column."""
    shown = _layout(figure)
    headers = [
        ShownCell("Interval", number=True, interval=True)
        if isinstance(one, _Pair)
        else ShownCell(one.column.label, number=is_number(one.column.unit))
        for one in shown
    ]
    rows = [[_cell(one, row, links, timezone) for one in shown] for row in figure.table.rows[:MOST_ROWS]]
    return ShownTable(headers, rows, max(0, len(figure.table.rows) - MOST_ROWS))


def show_tile(figure: Figure, links: Links, timezone: str) -> ShownTile:
    """Return the first row of a figure as a tile."""
    chart = figure.chart
    if not isinstance(chart, Tile):
        raise TypeError(f"the figure {figure.name} is no tile")
    table = figure.table
    values = {column.name: value for column, value in zip(table.columns, table.rows[0], strict=True)}
    unit = next(column.unit for column in table.columns if column.name == chart.value)
    value = values[chart.value]
    before = values[chart.before] if chart.before else None
    change = write_change(value, before, unit)
    interval = write_interval(values[chart.low], values[chart.high], unit, timezone) if chart.low and chart.high else ""
    address = links.page(chart.page) if chart.page else ""
    return ShownTile(write(value, unit, timezone), interval, change, _tone(change, chart.rise_is_good), address)


def show_sentences(figure: Figure, links: Links) -> list[tuple[str, str]]:
    """Return the sentences of a figure, each with the address of what it rests on, empty for none."""
    chart = figure.chart
    if not isinstance(chart, Sentences):
        raise TypeError(f"the figure {figure.name} has no sentences")
    texts = figure.table.column(chart.text)
    pages: Sequence[Value] = figure.table.column(chart.page) if chart.page else [None] * len(texts)
    return [(str(text), links.page(str(page)) if page else "") for text, page in zip(texts, pages, strict=True)]


def _layout(figure: Figure) -> list[_Single | _Pair]:
    columns = figure.table.columns
    places = {column.name: place for place, column in enumerate(columns)}
    pairs: dict[int, _Pair] = {}
    hidden: set[int] = set()
    for low, high in _ends(figure):
        place, other = places[low], places[high]
        if columns[place].unit is columns[other].unit:
            pairs[place] = _Pair(place, other, columns[place])
            hidden.add(other)
    return [pairs.get(place, _Single(place, column)) for place, column in enumerate(columns) if place not in hidden]


def _ends(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of columns that are the ends of an interval: those of the chart, and ``X_low`` with ``X_high``."""
    names = [column.name for column in figure.table.columns]
    found = [(name, f"{name.removesuffix('low')}high") for name in names if name == "low" or name.endswith("_low")]
    chart = figure.chart
    if isinstance(chart, Bars | Lines | Tile) and chart.low and chart.high:
        found.append((chart.low, chart.high))
    return list(dict.fromkeys(pair for pair in found if pair[1] in names))


def _cell(one: _Single | _Pair, row: tuple[Value, ...], links: Links, timezone: str) -> ShownCell:
    if isinstance(one, _Pair):
        text = write_interval(row[one.low], row[one.high], one.column.unit, timezone)
        return ShownCell(text, number=True, interval=True)
    value = row[one.place]
    text = write(value, one.column.unit, timezone)
    address = ""
    if one.column.link and value is not None:
        whole = one.column.link == "{}"
        address = links.page(one.column.link.replace("{}", str(value) if whole else quote(str(value), safe="")))
    return ShownCell(text, address, is_number(one.column.unit), whole=one.column.unit in (Unit.DAY, Unit.TIME))


def _tone(change: str, rise_is_good: bool | None) -> str:
    if rise_is_good is None or not change or change.startswith("±"):
        return ""
    return "good" if change.startswith("+") is rise_is_good else "bad"


__all__ = ["ShownCell", "ShownTable", "ShownTile", "show_sentences", "show_table", "show_tile"]
