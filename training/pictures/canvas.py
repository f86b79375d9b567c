"""How pictures look: size, colours, titles, and writing them as small PNG files."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

# Okabe and Ito's colours, which people see apart whatever colours they confuse.
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#6b7280"
PALE = "#e5e7eb"
DOTS_PER_INCH = 120
WIDTH_INCHES = 10.0
_COLOURS = 128
_STYLE: dict[Any, Any] = {
    "font.size": 11.5,
    "axes.titlesize": 12.5,
    "axes.labelsize": 11.5,
    "axes.edgecolor": "#9ca3af",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": PALE,
    "axes.axisbelow": True,
    "xtick.color": "#374151",
    "ytick.color": "#374151",
    "legend.frameon": False,
    "legend.fontsize": 10.5,
    "text.parse_math": False,  # a source may be named with two dollar signs
    "figure.constrained_layout.h_pad": 0.1,
    "figure.constrained_layout.w_pad": 0.1,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """The name of a PNG file, without its ending, and what draws it to a path."""

    name: str
    draw: Callable[[Path], None]


def style() -> AbstractContextManager[None]:
    """Return the context in which pictures are drawn; the caller's own settings of matplotlib stay as they are."""
    return mpl.rc_context({**mpl.rcParamsDefault, **_STYLE, "backend": "Agg"})


def panels(count: int, height_inches: float, **options: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure with so many axes side by side."""
    figure, axes = plt.subplots(
        1,
        count,
        figsize=(WIDTH_INCHES, height_inches),
        layout="constrained",
        squeeze=False,
        dpi=DOTS_PER_INCH,
        **options,
    )
    return figure, list(axes[0])


def entitle(figure: Figure, seen: str, context: str) -> None:
    """Put a title that says what is seen on top, and below it, smaller, of what and how."""
    height = figure.get_size_inches()[1]
    for text, letters, points, down, weight, colour in (
        (seen, 78, 15, 0.12, "bold", "#111827"),
        (context, 126, 11, 0.52, "normal", GREY),
    ):
        fitting = points * min(1, letters / max(1, len(text)))
        where = (0.012, 1 - down / height)
        figure.text(*where, text, ha="left", va="top", fontsize=fitting, fontweight=weight, color=colour)
    # It keeps the room that the two lines take.
    figure.suptitle(" \n ", fontsize=15)


def save(figure: Figure, path: Path) -> None:
    """Write a figure and forget it: an SVG where the path ends so, else a PNG of few colours, a third as large."""
    if path.suffix.lower() == ".svg":
        figure.savefig(path, format="svg")
        plt.close(figure)
        return
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    plt.close(figure)
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    drawn.quantize(_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def plain(name: str) -> str:
    """Return a declared name as words."""
    return name.replace("_", " ")
