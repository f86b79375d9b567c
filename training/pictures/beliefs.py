"""A heat map of what a policy believes: the effect of each intervention about each blocker, and how sure it is."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from decisions.beliefs import BelievedEffect
from training.pictures.canvas import save, style


def draw_beliefs(beliefs: Sequence[BelievedEffect], version: str, journey: str, path: Path) -> None:
    """Write a PNG with a row for each blocker and a column for each intervention, in points of the goal's rate.

    What is written in bold has an interval on one side of zero; a frame marks what the journey declares as treated.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    blockers = list(dict.fromkeys(one.blocker for one in beliefs))
    names = list(dict.fromkeys(one.intervention for one in beliefs))
    points = np.full((len(blockers), len(names)), np.nan)
    for one in beliefs:
        points[blockers.index(one.blocker), names.index(one.intervention)] = 100 * one.effect
    bound = float(np.nanmax(np.abs(points))) or 1.0
    with style():
        figure = Figure(figsize=(2.8 + 0.78 * len(names), 2.2 + 0.55 * len(blockers)), layout="constrained")
        axis = figure.subplots()
        shown = axis.imshow(points, cmap="RdBu", vmin=-bound, vmax=bound, aspect="auto")
        for one in beliefs:
            row, column = blockers.index(one.blocker), names.index(one.intervention)
            value = 100 * one.effect
            axis.text(
                column,
                row,
                f"{value:+.1f}",
                ha="center",
                va="center",
                fontsize=9,
                color="white" if abs(value) > 0.6 * bound else "#111827",
                fontweight="bold" if one.low > 0 or one.high < 0 else "normal",
            )
            if one.is_treated:
                frame = Rectangle((column - 0.46, row - 0.44), 0.92, 0.88, fill=False, edgecolor="#111827", linewidth=1)
                axis.add_patch(frame)
        axis.set_xticks(range(len(names)), [name.replace("_", " ") for name in names], rotation=45, ha="right")
        axis.set_yticks(range(len(blockers)), blockers)
        axis.grid(False)
        axis.set_title(
            f"What policy {version} of {journey} believes: points that an intervention adds to the goal's rate\n"
            "bold: surely above or below zero; framed: declared to treat the blocker"
        )
        figure.colorbar(shown, ax=axis, label="points")
        save(figure, path)
