"""A figure's table as the options of an ECharts chart; colours and functions are names that ``pages.js`` fills in.

Every datum carries the text that its tooltip shows, written as the table writes it. ``var(--NAME)`` is a colour of
``pages.css``, ``axis:UNIT`` and ``tooltip:KIND`` are formatters, and ``renderItem: "whisker"`` draws an interval.
"""

from datetime import date

from insights.pages.chart_fields import draw_heat, draw_sankey
from insights.pages.chart_parts import (
    Option,
    axis_label,
    find_column,
    frame,
    groups,
    place_along,
    plain,
    texts,
    tooltip,
    value_axis,
)
from insights.pages.figure import Bars, Column, Figure, Heat, Lines, Sankey, Sentences, Stops, Table, Tile, Unit, Value
from insights.pages.write import write

COLOURS = 8
_BAR_GAPS = {"barGap": "10%", "barCategoryGap": "35%", "barMaxWidth": 46}
_ROW_PX, _HEAT_ROW_PX = 34, 36
_MOST_NAMES = 14
"""Under more bars, some names are left out."""
_NEARLY_ALL = 0.8
"""An axis of shares that reach so far ends at all of them."""
_NARROW_RANGE = 0.7
"""Lines that all stay within less than this part of the largest value start above zero."""
_TIMES = {"year": "{yyyy}", "month": "{MMM} {yyyy}", "day": "{d} {MMM}", "hour": "{HH}:{mm}", "minute": "{HH}:{mm}"}


def draw(figure: Figure, timezone: str = "UTC") -> Option | None:
    """Return the option of a figure's chart; None where it has none, or nothing to show."""
    table = figure.table
    match figure.chart:
        case None | Tile() | Sentences() | Stops():
            return None
        case _ if not table.rows:
            return None
        case Bars() as chart:
            option = _draw_bars(chart, table, timezone)
        case Lines() as chart:
            option = _draw_lines(chart, table, timezone)
        case Heat() as chart:
            option = draw_heat(chart, table, timezone)
        case Sankey() as chart:
            option = draw_sankey(chart, table, timezone)
    return option | {
        "aria": {"enabled": True, "label": {"description": f"{figure.title}. The table has the same figures."}},
        "color": [f"var(--series-{number})" for number in range(1, COLOURS + 1)],
    }


def height_px(figure: Figure) -> int:
    """Return how high a chart has to be for all that it shows."""
    match figure.chart:
        case Bars(horizontal=True) as chart:
            bars = 1 if chart.stacked else len(chart.values)
            legend = 30 if len(chart.values) > 1 else 0
            return 56 + legend + max(3, len(figure.table.rows)) * max(_ROW_PX, 22 * bars)
        case Heat(y=y):
            return 120 + _HEAT_ROW_PX * len(set(figure.table.column(y)))
        case Sankey() as chart:
            many = max(len(set(figure.table.column(name))) for name in (chart.source, chart.target))
            return min(760, max(320, 44 * many))
        case _:
            return 320


def _draw_bars(chart: Bars, table: Table, timezone: str) -> Option:
    category = find_column(table, chart.category)
    names = [write(value, category.unit, timezone) for value in table.column(chart.category)]
    columns = [find_column(table, name) for name in chart.values]
    series: list[Option] = []
    for place, column in enumerate(columns):
        told = texts(table, column, chart.low, chart.high, timezone)
        data = [
            {"value": value, "text": text, "name": name}
            for value, text, name in zip(plain(table.column(column.name)), told, names, strict=True)
        ]
        bar: Option = {"type": "bar", "name": column.label, "data": data, **_BAR_GAPS}
        bar["itemStyle"] = {
            "borderRadius": 0 if chart.stacked else ([0, 4, 4, 0] if chart.horizontal else [4, 4, 0, 0])
        }
        series.append(bar | ({"stack": "all"} if chart.stacked else {}))
        if place == 0 and chart.low and chart.high and not chart.stacked:
            series.append(_whiskers(table, chart, len(columns)))
    place_axis: Option = {
        "type": "category",
        "data": [_short(value, category.unit, timezone) for value in table.column(chart.category)],
        "inverse": chart.horizontal,
        "axisTick": {"show": False},
        "axisLine": {"lineStyle": {"color": "var(--line-strong)"}},
        "axisLabel": axis_label()
        | {"interval": 0 if len(names) <= _MOST_NAMES else "auto", "hideOverlap": True}
        | ({"width": 210, "overflow": "truncate"} if chart.horizontal else {}),
    }
    shown = [value for name in (*chart.values, *filter(None, (chart.high,))) for value in plain(table.column(name))]
    size_axis = value_axis(columns[0].unit, "" if len(columns) > 1 or chart.horizontal else columns[0].label, shown)
    axes = {"xAxis": size_axis, "yAxis": place_axis} if chart.horizontal else {"xAxis": place_axis, "yAxis": size_axis}
    ends = (*chart.values, *(name for name in (chart.low, chart.high) if name))
    largest = max((value for name in ends for value in plain(table.column(name)) if value is not None), default=0.0)
    if columns[0].unit is Unit.SHARE and _NEARLY_ALL < largest <= 1 and not chart.stacked:
        size_axis["max"] = 1
    space = frame(len(columns) > 1, [column.label for column in columns])
    if chart.horizontal:
        space["grid"]["left"] = 24
    return {
        **space,
        **axes,
        "series": series,
        "tooltip": tooltip("axis", {"type": "shadow"}),
    }


def _whiskers(table: Table, chart: Bars, bars: int) -> Option:
    lows, highs = plain(table.column(chart.low or "")), plain(table.column(chart.high or ""))
    data = [
        [place, low, high, 0, bars, int(chart.horizontal)]
        for place, (low, high) in enumerate(zip(lows, highs, strict=True))
    ]
    encode = {"x": [1, 2], "y": 0} if chart.horizontal else {"x": 0, "y": [1, 2]}
    return {
        "type": "custom",
        "renderItem": "whisker",
        "data": data,
        "encode": encode,
        "z": 5,
        "silent": True,
        "itemStyle": {"color": "var(--text)"},
        "tooltip": {"show": False},
    }


def _draw_lines(chart: Lines, table: Table, timezone: str) -> Option:
    along = find_column(table, chart.x)
    columns = [find_column(table, name) for name in chart.values]
    kind = {Unit.DAY: "time", Unit.TIME: "time", Unit.TEXT: "category"}.get(along.unit, "value")
    grouped = groups(table, chart.series)
    series: list[Option] = []
    legend: list[str] = []
    for group, rows in grouped:
        for column in columns:
            colour = f"var(--series-{len(legend) % COLOURS + 1})"
            name = " ".join(part for part in (group, column.label if len(columns) > 1 or not group else "") if part)
            legend.append(name)
            part = Table(table.columns, tuple(rows))
            if chart.low and chart.high and column is columns[-1]:
                series += _band(part, chart, along, timezone, f"band {len(legend)}", colour)
            series.append(_line(part, chart, column, along, timezone, name, colour))
    space = frame(len(legend) > 1, legend)
    if chart.marks:
        series[-1]["markLine"] = _marks(chart, table, along, timezone)
        space["grid"]["top"] += 14
    axis: Option = {
        "type": kind,
        "axisLine": {"lineStyle": {"color": "var(--line-strong)"}},
        "axisTick": {"show": False},
        "splitLine": {"show": False},
        "axisLabel": axis_label() | {"hideOverlap": True} | ({"formatter": _TIMES} if kind == "time" else {}),
    }
    if kind == "category":
        axis["data"] = list(dict.fromkeys(write(value, along.unit, timezone) for value in table.column(chart.x)))
    if kind == "value":
        axis |= {
            "name": along.label,
            "nameLocation": "middle",
            "nameGap": 28,
            "nameTextStyle": {"color": "var(--muted)"},
        }
        axis["axisLabel"] |= {"formatter": f"axis:{along.unit}"}
        space["grid"]["bottom"] = 30
    shown = [value for name in (*chart.values, *filter(None, (chart.high,))) for value in plain(table.column(name))]
    size = value_axis(columns[0].unit, "" if len(legend) > 1 else columns[0].label, shown)
    numbers = [value for name in chart.values for value in plain(table.column(name)) if value is not None]
    if columns[0].unit is Unit.SHARE and numbers and _NEARLY_ALL < max(numbers) <= 1:
        size["max"] = 1
    size["scale"] = bool(numbers) and 0 < _NARROW_RANGE * max(numbers) < min(numbers)
    return {
        **space,
        "xAxis": axis,
        "yAxis": size,
        "series": series,
        "tooltip": tooltip("axis", {"type": "line"}),
    }


def _line(table: Table, chart: Lines, column: Column, along: Column, timezone: str, name: str, colour: str) -> Option:
    low, high = (chart.low, chart.high) if len(chart.values) == 1 else (None, None)
    told = texts(table, column, low, high, timezone)
    data = [
        {"value": [place_along(x, along.unit, timezone), value], "text": text, "name": write(x, along.unit, timezone)}
        for x, value, text in zip(table.column(chart.x), plain(table.column(column.name)), told, strict=True)
    ]
    return {
        "type": "line",
        "name": name,
        "data": data,
        "symbol": "circle",
        "symbolSize": 5 if len(data) > 1 else 9,
        "showSymbol": len(data) <= 40,
        "lineStyle": {"width": 2.2},
        "itemStyle": {"color": colour},
        "z": 3,
    }


def _band(table: Table, chart: Lines, along: Column, timezone: str, stack: str, colour: str) -> list[Option]:
    xs = [place_along(x, along.unit, timezone) for x in table.column(chart.x)]
    lows, highs = plain(table.column(chart.low or "")), plain(table.column(chart.high or ""))
    spans = [None if low is None or high is None else high - low for low, high in zip(lows, highs, strict=True)]
    hidden: Option = {
        "type": "line",
        "stack": stack,
        "stackStrategy": "all",
        "symbol": "none",
        "silent": True,
        "lineStyle": {"opacity": 0},
        "itemStyle": {"color": colour},
        "tooltip": {"show": False},
    }
    return [
        hidden | {"data": [[x, low] for x, low in zip(xs, lows, strict=True)]},
        hidden
        | {
            "data": [[x, span] for x, span in zip(xs, spans, strict=True)],
            "areaStyle": {"color": colour, "opacity": 0.16},
        },
    ]


def _marks(chart: Lines, table: Table, along: Column, timezone: str) -> Option:
    numeric = along.unit not in (Unit.DAY, Unit.TIME, Unit.TEXT)
    shown = [str(value) for value in dict.fromkeys(table.column(chart.x))]
    data = []
    for mark in chart.marks:
        # Words that stand in the middle above a line at either end would be cut off.
        share = sum(value < mark.x for value in shown) / max(len(shown) - 1, 1)
        data.append(
            {
                "xAxis": float(mark.x) if numeric else place_along(mark.x, along.unit, timezone),
                "name": mark.text,
                "label": {"formatter": "{b}", "align": "left" if share < 0.3 else "right" if share > 0.7 else "center"},
            }
        )
    return {
        "silent": True,
        "symbol": "none",
        "data": data,
        "lineStyle": {"color": "var(--warn)", "type": "dashed"},
        "label": {"color": "var(--warn)", "position": "end", "width": 150, "overflow": "truncate"},
    }


def _short(value: Value, unit: Unit, timezone: str) -> str:
    if unit is Unit.DAY and value is not None:
        day = date.fromisoformat(str(value)[:10])
        return f"{day.day} {day:%b}"
    return write(value, unit, timezone)
