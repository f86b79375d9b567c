"""The picture of a plan: what grows with the sessions a day, and what gathering events is worth."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from capacity.costs import BATCH_EVENTS, Costs
from capacity.plan import POSTGRES, WORKERS, Terms, make_plan, most_sessions_of_one_group
from capacity.show import show_count
from capacity.workload import Workload
from training.pictures.canvas import BLUE, GREEN, GREY, ORANGE, entitle, panels, save, style

_DECADES = 4
_GATHERED = (1, 2, 5, 10, 20, 50, BATCH_EVENTS)


def draw_plan(workload: Workload, costs: Costs, terms: Terms, path: Path) -> None:
    """Write a PNG or SVG, by the ending of the path."""
    plan = make_plan(workload, costs, terms)
    with style():
        figure, axes = panels(2, 4.8)
        _draw_growth(axes[0], workload, costs, terms)
        _draw_gathering(axes[1], workload, costs, terms)
        entitle(
            figure,
            f"{show_count(workload.sessions_per_day)} sessions a day: {plan.groups:,} "
            f"{'group' if plan.groups == 1 else 'groups'}, {plan.count(WORKERS):,} workers; full first: the "
            f"{plan.bottleneck.name}",
            f"A session has {workload.events_per_session:g} events and asks {workload.decisions_per_session:g} x; "
            f"{workload.peak:g} x the average in the busiest minutes, machines {terms.fullest:.0%} full; costs of "
            f"{costs.measured_on}.",
        )
        save(figure, path)


def _draw_growth(axes: Axes, workload: Workload, costs: Costs, terms: Terms) -> None:
    sizes = workload.sessions_per_day * np.logspace(-_DECADES, 0, 8 * _DECADES + 1)
    plans = [make_plan(replace(workload, sessions_per_day=max(1.0, float(size))), costs, terms) for size in sizes]
    # Where they coincide, all of them are seen.
    shown: Sequence[tuple[str, str, float, list[int]]] = (
        ("workers", BLUE, 4.5, [plan.count(WORKERS) for plan in plans]),
        ("PostgreSQL cores", GREEN, 2.8, [plan.count(POSTGRES) for plan in plans]),
        ("groups (a PostgreSQL, a Redis)", ORANGE, 1.2, [plan.groups for plan in plans]),
    )
    for label, colour, width, counts in shown:
        axes.step(sizes, counts, where="post", color=colour, linewidth=width, label=label)
    axes.set(xscale="log", yscale="log", xlabel="sessions a day", ylabel="how many", title="What grows")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: show_count(value)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:,.0f}"))
    axes.axvline(workload.sessions_per_day, color=GREY, linewidth=1, linestyle="--")
    axes.legend(loc="upper left")


def _draw_gathering(axes: Axes, workload: Workload, costs: Costs, terms: Terms) -> None:
    borne = [
        most_sessions_of_one_group(replace(workload, events_per_request=float(count)), costs, terms)
        for count in _GATHERED
    ]
    axes.plot(_GATHERED, borne, color=BLUE, linewidth=2.2, marker="o")
    for place in (0, len(borne) - 1):
        axes.annotate(
            show_count(borne[place]),
            (_GATHERED[place], borne[place]),
            textcoords="offset points",
            xytext=(8, -18) if place == 0 else (4, 8),
            ha="left" if place == 0 else "right",
        )
    axes.set(
        xscale="log",
        ylim=(0, 1.15 * max(borne)),
        xlabel="events that a client sends together",
        ylabel="sessions a day that one group bears",
        title="What gathering events is worth",
    )
    axes.set_xticks(_GATHERED, [str(count) for count in _GATHERED])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _place: show_count(value)))
