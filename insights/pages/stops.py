"""The map of stages as its template writes it: a column each, with a band that narrows from one to the next."""

from collections.abc import Sequence
from dataclasses import dataclass

from insights.pages.figure import Column, Figure, Stops, Value
from insights.pages.write import write, write_interval

SEPARATOR = "; "
"""Parts the entries of one cell, which the map shows as a list."""
_MIDDLE, _HALF = 30.0, 27.0


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One row of a stage: its label and its entries."""

    label: str
    entries: Sequence[str]


@dataclass(frozen=True, slots=True)
class ShownStop:
    """One stage: its title, the share that its band stands for, the band's corners, and its rows."""

    title: str
    share: str
    points: str
    rows: Sequence[ShownRow]


def show_stops(figure: Figure, timezone: str) -> list[ShownStop]:
    """Return the stages of a figure's map; what is not known is left out."""
    chart = figure.chart
    if not isinstance(chart, Stops):
        raise TypeError(f"the figure {figure.name} is no map")
    table = figure.table
    columns = {column.name: column for column in table.columns}
    records = [dict(zip(columns, row, strict=True)) for row in table.rows]
    shares = [_share(record[chart.share]) for record in records]
    return [
        ShownStop(
            title=str(record[chart.stage]),
            share=write(record[chart.share], columns[chart.share].unit),
            points=_band(shares[place], shares[min(place + 1, len(shares) - 1)]),
            rows=[
                ShownRow(columns[name].label, entries)
                for name in chart.details
                if (entries := _entries(record, columns, name, timezone))
            ],
        )
        for place, record in enumerate(records)
    ]


def _entries(record: dict[str, Value], columns: dict[str, Column], name: str, timezone: str) -> list[str]:
    value, unit = record[name], columns[name].unit
    if value is None:
        return []
    if isinstance(value, str):
        return value.split(SEPARATOR)
    stem = name.removesuffix("_rate")
    text = write(value, unit, timezone)
    low, high = f"{stem}_low", f"{stem}_high"
    if low in columns and high in columns:
        return [f"{text} ({write_interval(record[low], record[high], unit, timezone)})"]
    return [text]


def _share(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _band(here: float, there: float) -> str:
    """Return the corners of a band, in a field of 100 by 60, as high at its ends as the two shares."""
    ends = [max(0.02, min(1.0, share)) * _HALF for share in (here, there)]
    corners = [
        (0, _MIDDLE - ends[0]),
        (100, _MIDDLE - ends[1]),
        (100, _MIDDLE + ends[1]),
        (0, _MIDDLE + ends[0]),
    ]
    return " ".join(f"{x},{y:.1f}" for x, y in corners)
