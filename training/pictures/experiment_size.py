"""The picture by which an experiment's size is chosen: power over time, and people over the change to be found."""

import math
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, PercentFormatter

from insights.experiments.say_size import write
from insights.experiments.sizing import Sizing
from training.pictures.canvas import BLUE, GREY, ORANGE, entitle, panels, save, style

_FIXED, _VALID = "looked at once, in the end", "always valid: looked at every day"


def draw_size(sizing: Sizing, path: Path) -> None:
    """Write a PNG or SVG of a size, by the ending of the path."""
    fixed = sizing.fixed
    with style():
        figure, axes = panels(2, 5.2)
        _draw_power(axes[0], sizing)
        _draw_sizes(axes[1], sizing)
        days = "" if fixed.days is None else f", {fixed.days:,} days"
        entitle(
            figure,
            f"{fixed.per_arm:,} people per arm{days}; {sizing.always_valid.per_arm:,} if it is looked at every day",
            f"{sizing.kind.capitalize()}: from {write(sizing, fixed.baseline)} to {write(sizing, fixed.treated)}, "
            f"power {fixed.power:.0%}, error {fixed.alpha:.0%}, {fixed.arms} arms. Looked at every day, it takes "
            f"{sizing.always_valid.mean_per_arm:,} people per arm on average.",
        )
        save(figure, path)


def _draw_power(axes: Axes, sizing: Sizing) -> None:
    known = sizing.fixed.days is not None
    along = [one.days if known and one.days is not None else one.per_arm for one in sizing.powers]
    for name, colour, powers, needed in (
        (_FIXED, BLUE, [one.fixed for one in sizing.powers], _along(sizing, sizing.fixed.per_arm)),
        (_VALID, ORANGE, [one.always_valid for one in sizing.powers], _along(sizing, sizing.always_valid.per_arm)),
    ):
        axes.plot([0, *along], [0, *powers], color=colour, linewidth=2.5, label=name)
        axes.plot(needed, sizing.fixed.power, color=colour, marker="o", markersize=8)
        point = (needed, sizing.fixed.power)
        axes.annotate(f"{math.ceil(needed):,}", point, xytext=(6, -14), textcoords="offset points", color=colour)
    axes.axhline(sizing.fixed.power, color=GREY, linestyle="--", linewidth=1)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:,.0f}"))
    axes.set(
        xlabel="days" if known else "people per arm",
        ylabel="probability that the change is found by then",
        ylim=(0, 1.02),
        xlim=(0, max(along)),
        title="Power over time" if known else "Power over people",
    )
    axes.legend(loc="lower right")


def _draw_sizes(axes: Axes, sizing: Sizing) -> None:
    relative = [one.relative for one in sizing.sizes]
    for name, colour, counts in (
        (_FIXED, BLUE, [one.fixed for one in sizing.sizes]),
        (_VALID, ORANGE, [one.always_valid for one in sizing.sizes]),
    ):
        axes.plot(relative, counts, color=colour, linewidth=2.5, label=name)
    change = sizing.absolute / abs(sizing.fixed.baseline) if sizing.fixed.baseline else sizing.absolute
    axes.axvline(change, color=GREY, linestyle="--", linewidth=1)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:,.0f}"))
    axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _place: f"{value:,.0f}" if _is_plain(value) else ""))
    if sizing.fixed.baseline:
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set(
        xlabel="change relative to the baseline" if sizing.fixed.baseline else "change",
        ylabel="people per arm",
        title="People over the change to be found",
    )
    axes.legend(loc="upper right" if change > 0 else "upper left")


def _is_plain(value: float) -> bool:
    return f"{value:e}"[0] in "25"


def _along(sizing: Sizing, per_arm: int) -> float:
    per_day = sizing.fixed.visitors_per_day
    return per_arm if per_day is None else per_arm * sizing.fixed.arms / per_day
