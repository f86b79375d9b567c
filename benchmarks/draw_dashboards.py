"""Pictures of the dashboards: Grafana's JSON laid out as Grafana does, with what a real Prometheus answers."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from benchmarks.prometheus import Labels, Prometheus

mpl.use("Agg")

from matplotlib import dates
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

_CELL_INCHES = (0.62, 0.30)
_GRID = 24
_MOST_LABELS = 9


@dataclass(frozen=True, slots=True)
class Span:
    """The stretch of time that is shown, in seconds since 1970, and how far apart its points are."""

    since: float
    until: float
    step: float

    def put_into(self, expression: str) -> str:
        """Return a query as Grafana asks it for this stretch."""
        interval = f"{max(30, round(4 * self.step))}s"
        variables = {"$job": "dropoff", "$__rate_interval": interval, "$__range": f"{self.until - self.since:.0f}s"}
        for name, value in variables.items():
            expression = expression.replace(name, value)
        return expression


def draw(dashboard: Path, prometheus: Prometheus, span: Span, out: Path) -> None:
    """Draw a dashboard's file as a picture."""
    described = json.loads(dashboard.read_text(encoding="utf-8"))
    panels = described["panels"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels) + 2
    width, height = _GRID * _CELL_INCHES[0], rows * _CELL_INCHES[1]
    figure = plt.figure(figsize=(width, height), facecolor="#f4f5f7")
    figure.text(0.012, 1 - 0.9 / rows, described["title"], fontsize=15, fontweight="bold", va="center")
    figure.text(0.988, 1 - 0.9 / rows, described["description"], fontsize=8, color="#555", va="center", ha="right")
    for panel in panels:
        at = panel["gridPos"]
        top = 1 - (at["y"] + 2) / rows
        if panel["type"] == "row":
            figure.text(
                0.012, top - 0.55 / rows, panel["title"], fontsize=11, fontweight="bold", color="#333", va="center"
            )
            continue
        left, right = at["x"] / _GRID, (at["x"] + at["w"]) / _GRID
        bottom = top - at["h"] / rows
        frame = figure.add_axes(
            (left + 0.004, bottom + 0.12 / rows, right - left - 0.008, at["h"] / rows - 0.24 / rows)
        )
        frame.set(xticks=[], yticks=[], facecolor="white")
        frame.spines[:].set_color("#d8dbe0")
        frame.set_title(panel["title"], fontsize=8.5, loc="left", y=1.0, pad=-11, x=0.015)
        inner = figure.add_axes(
            (
                left + (0.052 if panel["type"] != "bargauge" else 0.10),
                bottom + 1.25 / rows,
                right - left - (0.068 if panel["type"] != "bargauge" else 0.116),
                (at["h"] - 2.6) / rows,
            )
        )
        _draw_panel(panel, prometheus, span, inner)
    figure.savefig(out, dpi=80)
    plt.close(figure)


def _draw_panel(panel: Mapping[str, Any], prometheus: Prometheus, span: Span, axes: Axes) -> None:
    unit = panel["fieldConfig"]["defaults"].get("unit", "")
    axes.tick_params(labelsize=6.5, length=2)
    axes.spines[["top", "right"]].set_visible(False)
    queries = [(span.put_into(one["expr"]), one["legendFormat"]) for one in panel["targets"]]
    match panel["type"]:
        case "stat":
            _draw_number(axes, [found for query, legend in queries for found in _now(prometheus, query, legend)], unit)
        case "bargauge":
            _draw_bars(axes, [found for query, legend in queries for found in _now(prometheus, query, legend)], unit)
        case "heatmap":
            _draw_grid(axes, prometheus.follow(queries[0][0], span.since, span.until, span.step), unit)
        case _:
            lines = [
                (_named(legend, labels), values)
                for query, legend in queries
                for labels, values in prometheus.follow(query, span.since, span.until, span.step)
            ]
            stacked = panel["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] == "normal"
            _draw_lines(axes, lines, unit, stacked=stacked)


def _now(prometheus: Prometheus, query: str, legend: str) -> list[tuple[str, float]]:
    return [(_named(legend, labels), value) for labels, value in prometheus.find(query)]


def _draw_number(axes: Axes, found: Sequence[tuple[str, float]], unit: str) -> None:
    axes.axis("off")
    text = ", ".join(name if not unit else say(value, unit) for name, value in found) or "no data"
    axes.text(0.4, 0.5, text, fontsize=17 if len(text) < 12 else 10, ha="center", va="center", transform=axes.transAxes)


def _draw_bars(axes: Axes, found: Sequence[tuple[str, float]], unit: str) -> None:
    shown = sorted(found) if all(name[:1].isdigit() for name, _ in found) else sorted(found, key=lambda one: one[1])
    axes.barh([name for name, _ in shown], [value for _, value in shown], color="#3b7dd8", height=0.7)
    axes.set_xlim(0, max([value for _, value in shown], default=1.0) * 1.18 or 1.0)
    for place, (_, value) in enumerate(shown):
        axes.text(value, place, f" {say(value, unit)}", va="center", fontsize=6.5)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)


def _draw_lines(axes: Axes, lines: Sequence[tuple[str, Mapping[float, float]]], unit: str, *, stacked: bool) -> None:
    moments = sorted({at for _, values in lines for at in values})
    times = _times(moments)
    heights = [np.array([values.get(at, np.nan) for at in moments]) for _, values in lines]
    largest = [float(np.nanmax(height)) if np.isfinite(height).any() else 0.0 for height in heights]
    order = sorted(range(len(lines)), key=lambda place: -largest[place])[:_MOST_LABELS]
    colors = plt.get_cmap("tab10")
    if stacked:
        kept = [np.nan_to_num(heights[place]) for place in order]
        axes.stackplot(
            times, kept, labels=[lines[place][0] for place in order], colors=list(map(colors, range(10))), alpha=0.75
        )
    else:
        for color, place in enumerate(order):
            axes.plot(times, heights[place], label=lines[place][0], color=colors(color), linewidth=1.1)
    top = max(largest, default=0.0) if not stacked else float(np.max(np.sum(kept, axis=0))) if order else 0.0
    # What is none has to be seen, too.
    axes.set_ylim(-0.02 * (top or 1.0), top * 1.1 or 1.0)
    _set_axes(axes, unit)
    axes.legend(
        loc="upper left", bbox_to_anchor=(-0.02, -0.10), ncols=4, fontsize=5.4, frameon=False, columnspacing=0.9,
        handlelength=1.0, borderaxespad=0.2,
    )  # fmt: skip


def _draw_grid(axes: Axes, found: Sequence[tuple[Labels, Mapping[float, float]]], unit: str) -> None:
    buckets = sorted(((float(labels["le"]), values) for labels, values in found), key=lambda one: one[0])
    moments = sorted({at for _, values in buckets for at in values})
    upto = np.array([[values.get(at, 0.0) for at in moments] for _, values in buckets])
    inside = np.diff(upto, axis=0, prepend=0.0)
    times = _times(moments)
    axes.pcolormesh(times, range(len(buckets)), np.sqrt(np.maximum(inside, 0)), cmap="Blues", shading="nearest")
    axes.set_yticks(range(len(buckets)), ["more" if math.isinf(le) else say(le, unit) for le, _ in buckets])
    _set_axes(axes, None)


def _times(moments: Sequence[float]) -> NDArray[np.datetime64]:
    milliseconds: NDArray[np.datetime64] = (np.array(moments) * 1_000).astype("datetime64[ms]")
    return milliseconds


def _set_axes(axes: Axes, unit: str | None) -> None:
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M:%S"))  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(dates.AutoDateLocator(minticks=2, maxticks=5))  # type: ignore[no-untyped-call]
    if unit is not None:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: say(value, unit)))
        axes.grid(axis="y", color="#eceef1", linewidth=0.6)
        axes.set_axisbelow(True)


def say(value: float, unit: str) -> str:
    """Return a value as it is read: shares in percent, seconds and bytes in what keeps them short."""
    match unit:
        case "percentunit":
            return f"{value:.2%}" if 0 < abs(value) < 0.01 else f"{value:.0%}"
        case "s":
            return _scaled(value, (("h", 3_600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3), ("us", 1e-6)))
        case "bytes":
            return _scaled(value, (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0)))
        case "reqps":
            return f"{value:,.3g}/s"
        case _:
            return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def _scaled(value: float, units: Sequence[tuple[str, float]]) -> str:
    name, size = next((one for one in units if abs(value) >= one[1]), units[-1])
    return "0" if value == 0 else f"{value / size:.3g} {name}"


def _named(legend: str, labels: Labels) -> str:
    if legend == "__auto":
        return ", ".join(value for name, value in labels.items() if name != "__name__") or "value"
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], "") or "(none)", legend)
