"""What the options of all charts have in common: axes, tooltips, texts of values."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from insights.pages.figure import Column, Table, Unit, Value
from insights.pages.write import local_time, write, write_interval

Option = dict[str, Any]


def frame(legend: bool, names: Sequence[str]) -> Option:
    """Return the space around a chart, with a legend where it has several series."""
    space: Option = {"grid": {"left": 12, "right": 30, "top": 44 if legend else 34, "bottom": 8, "containLabel": True}}
    if legend:
        space["legend"] = {
            "type": "scroll",
            "data": list(names),
            "top": 0,
            "left": 0,
            "icon": "roundRect",
            "itemWidth": 12,
            "itemHeight": 8,
            "textStyle": {"color": "var(--muted)"},
            "pageTextStyle": {"color": "var(--muted)"},
            "pageIconColor": "var(--accent)",
        }
    return space


def value_axis(unit: Unit, label: str, numbers: Sequence[float | None]) -> Option:
    """Return the axis along which sizes are read, in a unit; shares of a whole need no room above it."""
    fills = unit is Unit.SHARE and 0.9 < max((number for number in numbers if number is not None), default=0.0) <= 1
    axis: Option = {
        **({"max": 1, "interval": 0.25} if fills else {}),
        "type": "value",
        "axisLabel": axis_label() | {"formatter": f"axis:{unit}", "hideOverlap": True},
        "splitLine": {"lineStyle": {"color": "var(--line)"}},
        "splitNumber": 4,
    }
    if label:
        axis |= {"name": label, "nameLocation": "end", "nameTextStyle": {"color": "var(--muted)", "align": "left"}}
    return axis


def axis_label() -> Option:
    """Return how the words along an axis look."""
    return {"color": "var(--muted)", "fontSize": 12}


def tooltip(trigger: str, pointer: Mapping[str, str] | None = None) -> Option:
    """Return a tooltip that shows the text of each datum."""
    return {
        "trigger": trigger,
        "formatter": f"tooltip:{trigger}",
        "confine": True,
        "backgroundColor": "var(--card)",
        "borderColor": "var(--line-strong)",
        "textStyle": {"color": "var(--text)", "fontSize": 13},
        **({"axisPointer": {**pointer, "lineStyle": {"color": "var(--line-strong)"}}} if pointer else {}),
    }


def texts(table: Table, column: Column, low: str | None, high: str | None, timezone: str) -> list[str]:
    """Return a column's values as people read them, with their intervals where they have any."""
    values = [write(value, column.unit, timezone) for value in table.column(column.name)]
    if not (low and high) or find_column(table, low).unit is not column.unit:
        return values
    intervals = zip(table.column(low), table.column(high), strict=True)
    return [
        f"{text} ({write_interval(*ends, column.unit, timezone)})" if None not in ends else text
        for text, ends in zip(values, intervals, strict=True)
    ]


def groups(table: Table, name: str | None) -> list[tuple[str, list[tuple[Value, ...]]]]:
    """Return the rows for each value of a column, in order of appearance; all in one where none is named."""
    if name is None:
        return [("", list(table.rows))]
    grouped: dict[str, list[tuple[Value, ...]]] = {}
    unit = find_column(table, name).unit
    for value, row in zip(table.column(name), table.rows, strict=True):
        grouped.setdefault(write(value, unit), []).append(row)
    return list(grouped.items())


def place_along(value: Value, unit: Unit, timezone: str) -> Value:
    """Return where a value stands on an axis of its unit."""
    match unit:
        case Unit.DAY:
            return str(value)[:10]
        case Unit.TIME:
            # The clocks of the journey, whatever those of the reader say.
            return local_time(str(value), timezone).replace(tzinfo=None).isoformat(timespec="seconds")
        case Unit.TEXT:
            return write(value, unit)
        case _:
            return finite(value)


def plain(values: Sequence[Value]) -> list[float | None]:
    """Return a column's numbers, None for what is no number."""
    return [finite(value) for value in values]


def finite(value: Value) -> float | None:
    """Return a number that can be drawn, None for anything else."""
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def find_column(table: Table, name: str) -> Column:
    """Return the column of a name; the figure has checked that there is one."""
    return next(column for column in table.columns if column.name == name)
