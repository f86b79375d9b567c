"""Heat maps and streams as options of ECharts."""

from insights.pages.chart_parts import Option, axis_label, find_column, finite, frame, plain, tooltip
from insights.pages.figure import Heat, Sankey, Table
from insights.pages.write import write

_MOST_NAMES = 14
"""Under more fields, some names are left out."""


def draw_heat(chart: Heat, table: Table, timezone: str) -> Option:
    """Return a field for each pair of x and y, the darker the larger; below nothing, in another colour."""
    across, down, shown = (find_column(table, name) for name in chart.names)
    xs = list(dict.fromkeys(table.column(chart.x)))
    ys = list(dict.fromkeys(table.column(chart.y)))
    numbers = [value for value in plain(table.column(chart.value)) if value is not None]
    x_names = [write(value, across.unit, timezone) for value in xs]
    y_names = [write(value, down.unit, timezone) for value in ys]
    data = []
    for x, y, value in zip(*(table.column(name) for name in chart.names), strict=True):
        text = write(value, shown.unit, timezone)
        place = [xs.index(x), ys.index(y)]
        if (number := finite(value)) is not None:
            named = f"{y_names[place[1]]}, {x_names[place[0]]}"
            data.append({"value": [*place, number], "text": text, "name": named})
    low, high, colours = _scale(numbers)
    scale: Option = {
        "min": low,
        "max": high,
        "calculable": False,
        "orient": "horizontal",
        "left": "center",
        "bottom": 0,
        "itemHeight": 130,
        "itemWidth": 10,
        "textStyle": {"color": "var(--muted)"},
        "formatter": f"axis:{shown.unit}",
        "inRange": {"color": colours},
    }
    axis = {"type": "category", "axisTick": {"show": False}, "axisLine": {"show": False}}
    option = frame(legend=False, names=())
    option["grid"] |= {"bottom": 46}
    # The page turns names round where all of them are shown and do not fit side by side.
    whole: Option = {"interval": 0} if len(x_names) <= _MOST_NAMES else {}
    return {
        **option,
        "xAxis": axis | {"data": x_names, "axisLabel": axis_label() | {"hideOverlap": True} | whole},
        "yAxis": axis
        | {"data": y_names, "inverse": True, "axisLabel": axis_label() | {"width": 130, "overflow": "truncate"}},
        "visualMap": scale,
        "series": [
            {
                "type": "heatmap",
                "name": shown.label,
                "data": data,
                "itemStyle": {"borderColor": "var(--card)", "borderWidth": 2, "borderRadius": 4},
                "emphasis": {"itemStyle": {"borderColor": "var(--text)"}},
            }
        ],
        "tooltip": tooltip("item"),
    }


def _scale(numbers: list[float]) -> tuple[float, float, list[str]]:
    """Return the ends of the scale and its colours; nothing has the palest one, whichever way the rest lies."""
    warm = [f"var(--heat-{step})" for step in range(4)]
    low, high = min([*numbers, 0.0]), max([*numbers, 0.0])
    if low < 0:
        reach = max(-low, high)
        return -reach, reach, [*(f"var(--cold-{step})" for step in (3, 2, 1)), *warm]
    return low, high if high > low else low + 1, warm


def draw_sankey(chart: Sankey, table: Table, timezone: str) -> Option:
    """Return streams between what stands in two columns, as wide as a third says."""
    shown = find_column(table, chart.value)
    sources, targets = ([str(value) for value in table.column(name)] for name in (chart.source, chart.target))
    links = [
        {
            "source": source,
            "target": target,
            "value": number,
            "name": f"{source} → {target}",
            "text": write(number, shown.unit, timezone),
        }
        for source, target, number in zip(sources, targets, plain(table.column(chart.value)), strict=True)
        if number
    ]
    return {
        "series": [
            {
                "type": "sankey",
                "left": 4,
                "right": 120,
                "top": 8,
                "bottom": 8,
                "nodeGap": 14,
                "nodeWidth": 12,
                "data": [{"name": name} for name in dict.fromkeys([*sources, *targets])],
                "links": links,
                "lineStyle": {"color": "gradient", "opacity": 0.35},
                "emphasis": {"focus": "adjacency"},
                "label": {"color": "var(--text)", "width": 110, "overflow": "truncate"},
            }
        ],
        "tooltip": tooltip("item"),
    }
