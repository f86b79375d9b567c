"""How many people belong to each segment, with the intervals of the counts."""

from pathlib import Path

import numpy as np

from decisions.segments import MEANINGS, Segment, Segments
from training.pictures.canvas import BLUE, GREEN, GREY, ORANGE, save, style

_COLOURS = {
    Segment.PERSUADABLE: GREEN,
    Segment.SURE_THING: BLUE,
    Segment.LOST_CAUSE: GREY,
    Segment.SLEEPING_DOG: ORANGE,
}


def draw_segments(found: Segments, journey: str, path: Path) -> None:
    """Write a PNG of what :func:`decisions.segments.count_segments` found."""
    from matplotlib.figure import Figure

    total = max(found.decisions, 1)
    with style():
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        axes = figure.subplots()
        places = np.arange(len(found.counts), dtype=float)
        for place, count in zip(places, found.counts, strict=True):
            share = count.expected / total
            axes.barh(place, share, color=_COLOURS[count.segment], height=0.6)
            axes.plot([count.low / total, count.high / total], [place, place], color="#111827", linewidth=1.8)
            axes.annotate(
                MEANINGS[count.segment],
                (max(share, count.high / total), place),
                xytext=(8, 0),
                textcoords="offset points",
                va="center",
                color="#374151",
                fontsize=10,
            )
        axes.set_yticks(places, [f"{count.segment}\n{count.expected:,.0f}" for count in found.counts])
        axes.invert_yaxis()
        axes.grid(False, axis="y")
        axes.set_xlim(0, 1.5)
        axes.set_xticks(np.linspace(0, 1, 6), [f"{share:.0%}" for share in np.linspace(0, 1, 6)])
        axes.set(
            title=f"Whom acting would move in {journey}: {found.decisions:,} decisions",
            xlabel="share of decisions, with the 95 % interval of what is known",
        )
        save(figure, path)
