"""How much risks depend on each friction: overall, at each stage and in each cohort."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from features.events import FloatArray
from features.friction import Friction
from training.importance import Explained, mean_size, mean_size_by
from training.pictures.canvas import BLUE, GREY, entitle, panels, plain, save, style

UNIT = "mean |contribution| to the log-odds of abandonment"

SMALLEST_COMPARED = 0.01
"""A friction whose mean |contribution| is smaller is not compared between cohorts."""
MOST_UPRIGHT = 8
_SHADES = 13
_LONGEST_NAME = 24

Rows = np.ndarray[tuple[int], np.dtype[np.bool_]]
Groups = Mapping[str, Rows]


def draw_frictions(explained: Explained, path: Path, context: str) -> None:
    """Write a PNG of how much risks depend on each friction; the text says how much on context."""
    sizes = mean_size(explained.by_friction)
    shares = sizes / max(sizes.sum(), np.finfo(float).tiny)
    order = np.argsort(-sizes[:-1], kind="stable")
    frictions = [explained.frictions[place] for place in order]
    with style():
        figure, [axes] = panels(1, 2.0 + 0.52 * len(frictions))
        bars = axes.barh(np.arange(len(order)), sizes[order], color=BLUE, height=0.6)
        axes.bar_label(bars, [f"{sizes[place]:.3f}   {shares[place]:.1%}" for place in order], padding=6)
        _name_rows(axes, frictions)
        axes.set(xlabel=f"{UNIT}, and share of all", ylim=(len(order) - 0.5, -0.5))
        axes.margins(x=0.16)
        axes.grid(axis="y", visible=False)
        told = f"Of all frictions, risks depend most on {plain(frictions[0].name)}" if frictions else "No frictions"
        on_context = f"On who, where and when: {sizes[-1]:.2f}, {shares[-1]:.0%}; that is nobody's blocker."
        entitle(figure, told, f"{context} {on_context}")
        save(figure, path)


def draw_frictions_by_stage(explained: Explained, groups: Groups, path: Path, context: str) -> None:
    """Write a PNG of how much risks depend on each friction at each stage."""
    sizes = mean_size_by(explained.by_friction, list(groups.values()))[:, :-1]
    stage, friction = np.unravel_index(int(np.argmax(sizes)), sizes.shape)
    order = np.argsort(-mean_size(explained.by_friction)[:-1], kind="stable")
    frictions = [explained.frictions[place] for place in order]
    with style():
        figure, [axes] = panels(1, 2.2 + 0.5 * len(order))
        _draw_cells(axes, sizes[:, order].T, sizes[:, order].T, colours="Blues", limits=(0, max(sizes.max(), 1e-9)))
        _name_rows(axes, frictions)
        _name_columns(axes, list(groups.items()))
        told = f"Risks depend on {plain(explained.frictions[friction].name)} most at {list(groups)[stage]}"
        entitle(figure, told, f"{context} {UNIT.capitalize()}; n: prefixes explained.")
        save(figure, path)


def draw_frictions_by_cohort(explained: Explained, cohorts: Mapping[str, Groups], path: Path, context: str) -> None:
    """Write a PNG of how much risks depend on each friction in each cohort; colours compare with all prefixes."""
    columns = [(cohort, name, rows) for cohort, groups in cohorts.items() for name, rows in groups.items()]
    sizes = mean_size_by(explained.by_friction, [rows for _, _, rows in columns])
    usual = mean_size(explained.by_friction)
    order = np.append(np.argsort(-usual[:-1], kind="stable"), len(usual) - 1)
    # Of what hardly matters a difference says nothing.
    order = order[usual[order] >= SMALLEST_COMPARED]
    relative = sizes / np.maximum(usual, SMALLEST_COMPARED) - 1
    with style():
        figure, [axes] = panels(1, 3.2 + 0.5 * len(order))
        image = _draw_cells(axes, sizes[:, order].T, relative[:, order].T, colours="PuOr_r", limits=(-0.65, 0.65))
        _name_rows(axes, [explained.frictions[place] for place in order])
        _name_columns(axes, [(name, rows) for _, name, rows in columns])
        for place in range(1, len(columns)):
            if columns[place][0] != columns[place - 1][0]:
                axes.axvline(place - 0.5, color="white", linewidth=6)
        for cohort in cohorts:
            places = [place for place, column in enumerate(columns) if column[0] == cohort]
            if places:
                axes.text(float(np.mean(places)), -0.62, cohort, ha="center", va="bottom", fontsize=12.5)
        bar = figure.colorbar(image, ax=axes, shrink=0.5, pad=0.02, extend="both")
        bar.ax.yaxis.set_major_formatter(lambda share, _place: f"{share:+.0%}")
        bar.set_label("against all prefixes")
        entitle(
            figure, _cohort_title(explained, columns, sizes), f"{context} {UNIT.capitalize()}; n: prefixes explained."
        )
        save(figure, path)


def _draw_cells(
    axes: Axes, numbers: FloatArray, colouring: FloatArray, *, colours: str, limits: tuple[float, float]
) -> AxesImage:
    """Draw a table of numbers (rows, columns), each cell in a colour of its own."""
    image = axes.imshow(
        colouring, aspect="auto", cmap=colormaps[colours].resampled(_SHADES), vmin=limits[0], vmax=limits[1]
    )
    for (row, column), number in np.ndenumerate(numbers):
        red, green, blue, opaque = image.cmap(image.norm(colouring[row, column]))
        dark = opaque > 0 and 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        axes.text(column, row, f"{number:.2f}", ha="center", va="center", color="white" if dark else "#111827")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def _name_rows(axes: Axes, frictions: Sequence[Friction]) -> None:
    """Label the rows with the frictions' names, and below each, smaller, what it means."""
    axes.set_yticks(np.arange(len(frictions)), [])
    for place, friction in enumerate(frictions):
        name, meaning = plain(friction.name), friction.description
        if not friction.addressable:
            name, meaning = "context", "who, where and when: nobody's blocker"
        for text, up, size, colour in ((name, 1, 12.5, "#111827"), (meaning, -13, 10, GREY)):
            axes.annotate(
                text,
                (0, place),
                xycoords=("axes fraction", "data"),
                xytext=(-8, up),
                textcoords="offset points",
                ha="right",
                va="bottom",
                fontsize=size,
                color=colour,
            )


def _cohort_title(explained: Explained, columns: Sequence[tuple[str, str, Rows]], sizes: FloatArray) -> str:
    friction = int(np.argmax(np.ptp(sizes[:, :-1], axis=0)))
    most, least = int(np.argmax(sizes[:, friction])), int(np.argmin(sizes[:, friction]))
    ends = [
        f"{sizes[place, friction]:.2f} for {columns[place][0]} {_short(columns[place][1])}" for place in (most, least)
    ]
    return f"{plain(explained.frictions[friction].name).capitalize()} differs most: {ends[0]}, {ends[1]}"


def _name_columns(axes: Axes, columns: Sequence[tuple[str, Rows]]) -> None:
    """Label the columns with their names and numbers of rows, aslant where there are too many to stand side by side."""
    if len(columns) <= MOST_UPRIGHT:
        names = ["\n".join(textwrap.wrap(name, 11, max_lines=3, placeholder="...")) for name, _ in columns]
        labels = [f"{name}\nn={int(rows.sum()):,}" for name, (_, rows) in zip(names, columns, strict=True)]
        axes.set_xticks(np.arange(len(columns)), labels)
    else:
        labels = [f"{_short(name)}, n={int(rows.sum()):,}" for name, rows in columns]
        axes.set_xticks(np.arange(len(columns)), labels, rotation=35, ha="right", rotation_mode="anchor")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."
