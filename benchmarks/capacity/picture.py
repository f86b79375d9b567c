"""The picture of the simulation beside the real service."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.capacity.check import Check
from training.pictures.canvas import BLUE, GREY, ORANGE, entitle, panels, save, style

_NAMES = {"event": "one event", "batch": "100 events", "score": "a score", "recommend": "a decision"}


def draw_check(check: Check, path: Path) -> None:
    """Write a PNG or SVG, by the ending of the path."""
    every = [one.errors for one in (*check.fastest, *check.rising)]
    rate, half, slow = (sum(abs(one[place]) for one in every) / len(every) for place in range(3))
    with style():
        figure, axes = panels(2, 4.6)
        _draw_fastest(axes[0], check)
        _draw_rising(axes[1], check)
        entitle(
            figure,
            f"The simulation is off by {rate:.0%} in requests a second, {half:.0%} in medians and {slow:.0%} in p99",
            "One worker on one core; PostgreSQL, Redis and the load share another. Simulated from costs of single "
            "kinds, then measured.",
        )
        save(figure, path)


def _draw_fastest(axes: Axes, check: Check) -> None:
    places = range(len(check.fastest))
    axes.barh([one - 0.19 for one in places], [one.measured_per_second for one in check.fastest], 0.36, color=BLUE)
    axes.barh([one + 0.19 for one in places], [one.simulated_per_second for one in check.fastest], 0.36, color=ORANGE)
    for place, one in enumerate(check.fastest):
        for shift, value in ((-0.19, one.measured_per_second), (0.19, one.simulated_per_second)):
            axes.text(value, place + shift, f" {value:,.0f}", va="center", fontsize=10)
    axes.set_yticks(places, [_NAMES.get(one.name, one.name) for one in check.fastest])
    axes.invert_yaxis()
    axes.set(xlabel="requests a second", title="As fast as it goes", xscale="log")
    axes.set_xlim(
        left=1, right=4 * max(max(one.measured_per_second, one.simulated_per_second) for one in check.fastest)
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _draw_rising(axes: Axes, check: Check) -> None:
    rates = [one.measured_per_second for one in check.rising]
    for place, (name, line) in enumerate((("p50", "-"), ("p99", "--"))):
        measured = [one.measured_ms[place] for one in check.rising]
        simulated = [one.simulated_ms[place] for one in check.rising]
        axes.plot(rates, measured, line, color=BLUE, marker="o", linewidth=2.2, label=f"measured, {name}")
        axes.plot(rates, simulated, line, color=ORANGE, marker="s", linewidth=2.2, label=f"simulated, {name}")
    axes.set(xlabel="mixed requests a second", ylabel="milliseconds", title="At rising loads", yscale="log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:,g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    # Room for the legend above the curves.
    axes.set_ylim(top=8 * axes.get_ylim()[1])
    axes.grid(visible=True, which="minor", axis="y", color=GREY, alpha=0.15)
    axes.legend(loc="upper left", ncols=2, handlelength=4)
