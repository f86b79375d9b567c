"""Contrasts of two groups as figures: shares, money and time have a table each, as their units differ."""

from collections.abc import Sequence

from insights.cohort_tables import MOST_ROWS, figure_name
from insights.contrasts import Contrast
from insights.pages.figure import Bars, Column, Figure, Table, Unit

_UNITS = {"revenue": Unit.MONEY, "seconds": Unit.SECONDS}
_NAMES = {Unit.SHARE: "", Unit.MONEY: "_money", Unit.SECONDS: "_time"}
_TOLD = {
    Unit.SHARE: "Shares (Newcombe's interval of the difference, chi-squared test)",
    Unit.MONEY: "Means of a session (Welch's interval and test)",
    Unit.SECONDS: "Medians of a session (order statistics, median test)",
}


def contrast_figures(name: str, title: str, contrasts: Sequence[Contrast], note: str) -> list[Figure]:
    """Return a figure for each unit that occurs, the surest contrasts first; one without rows where there are none."""
    ordered = sorted(contrasts, key=lambda one: (one.adjusted or 0.0, -abs(one.difference.value)))
    units = list(dict.fromkeys(_unit(one) for one in ordered)) or [Unit.SHARE]
    units.sort(key=list(_NAMES).index)
    return [
        _figure(name, title, unit, [one for one in ordered if _unit(one) == unit], note if unit == units[0] else "")
        for unit in units
    ]


def _figure(name: str, title: str, unit: Unit, contrasts: Sequence[Contrast], note: str) -> Figure:
    columns = (
        Column("what", "What"),
        Column("one", "Its own", unit),
        Column("other", "The other's", unit),
        Column("difference", "Difference", unit),
        Column("low", "From", unit),
        Column("high", "To", unit),
        Column("ratio", "Ratio", Unit.NUMBER),
        Column("ratio_low", "Ratio from", Unit.NUMBER),
        Column("ratio_high", "Ratio to", Unit.NUMBER),
        Column("chance", "Adjusted p-value", Unit.NUMBER),
    )
    several = len({(one.one, one.other) for one in contrasts}) > 1 or name == "differences"
    rows = tuple(
        (
            f"{one.one}: {figure_name(one.kind, one.label)}" if several else figure_name(one.kind, one.label),
            one.of_one.value,
            one.of_other.value,
            one.difference.value,
            one.difference.low,
            one.difference.high,
            *((one.ratio.value, one.ratio.low, one.ratio.high) if one.ratio else (None,) * 3),
            one.adjusted,
        )
        for one in contrasts[:MOST_ROWS]
    )
    definition = (
        f"{_TOLD[unit]} side by side, with the difference and the ratio, both with 95 % intervals. The p-value is how "
        "often chance would make them differ as much did they not, adjusted for all comparisons."
    )
    chart = Bars("what", ("difference",), "low", "high", horizontal=True) if rows else None
    title = {Unit.MONEY: f"{title}: revenue", Unit.SECONDS: f"{title}: time"}.get(unit, title)
    return Figure(f"{name}{_NAMES[unit]}", title, definition, Table(columns, rows), chart, note)


def _unit(one: Contrast) -> Unit:
    return _UNITS.get(one.kind, Unit.SHARE)
