"""The picture of what is learnt of interventions: from logged decisions, and while deciding."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from benchmarks.policy_learners import SHIPPED
from benchmarks.policy_online import BATCH
from benchmarks.spread import spread
from training.pictures.canvas import BLUE, GREEN, GREY, ORANGE, entitle, panels, save, style

if TYPE_CHECKING:
    from benchmarks.policies import Measured

_COLOURS = (BLUE, GREEN, ORANGE)
_REFERENCE_STYLES = ("--", ":", "-.", (0, (1, 3)))


def draw_policies(measured: "Measured", path: Path) -> None:
    """Write a PNG or SVG, by the ending of the path."""
    with style():
        figure, axes = panels(2, 5.4)
        _draw_learnt(axes[0], measured)
        _draw_online(axes[1], measured)
        best = max(
            (spread(values)[0], name, size) for (name, size), values in measured.shares.items() if name in SHIPPED
        )
        online = spread([one.share for one in measured.online])[0]
        entitle(
            figure,
            f"{best[0]:.0%} of what can be had is learnt from {best[2]:,} decisions; {online:.0%} comes while learning",
            f"Uplift share on simulated decisions, {len(measured.online)} seeds: 0 never acts, 1 is the best policy on "
            "what is visible. Bands are 95 % intervals over seeds.",
        )
        save(figure, path)


def _draw_learnt(axes: Axes, measured: "Measured") -> None:
    names = list(dict.fromkeys(name for name, _size in measured.shares))
    shipped = [name for name in names if name in SHIPPED]
    for name in names:
        sizes = [size for one, size in measured.shares if one == name]
        found = [spread(measured.shares[name, size]) for size in sizes]
        means, halves = np.array([one[0] for one in found]), np.array([one[1] for one in found])
        if name in SHIPPED:
            colour = _COLOURS[shipped.index(name) % len(_COLOURS)]
            axes.plot(sizes, means, color=colour, linewidth=2.5, marker="o", label=name)
            axes.fill_between(sizes, means - halves, means + halves, color=colour, alpha=0.18, linewidth=0)
        else:
            place = [one for one in names if one not in SHIPPED].index(name)
            axes.plot(sizes, means, color=GREY, linestyle=_REFERENCE_STYLES[place % 4], linewidth=1.6, label=name)
    axes.set_xscale("log")
    axes.set_xticks(sizes)
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set(
        xlabel="logged decisions, drawn evenly", ylabel="uplift share", title="Learnt from a log", ylim=(-0.25, 1.0)
    )
    axes.axhline(0.0, color=GREY, linewidth=1)
    axes.legend(loc="lower right")


def _draw_online(axes: Axes, measured: "Measured") -> None:
    runs = np.stack([one.shares for one in measured.online])
    decisions = BATCH * (1 + np.arange(runs.shape[1]))
    found = [spread(column.tolist()) for column in runs.T]
    means, halves = np.array([one[0] for one in found]), np.array([one[1] for one in found])
    axes.plot(decisions, means, color=BLUE, linewidth=2.5, label="Bayesian, exploration included")
    axes.fill_between(decisions, means - halves, means + halves, color=BLUE, alpha=0.18, linewidth=0)
    axes.axhline(0.0, color=GREY, linewidth=1)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set(
        xlabel="decisions so far", ylabel="uplift share of a batch", title="Learnt while deciding", ylim=(-0.25, 1.0)
    )
    axes.legend(loc="lower right")
