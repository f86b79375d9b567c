"""The picture of a load while replicas are killed, come back, and are renewed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.ticker import FuncFormatter

from benchmarks.replica_load import Seen
from training.pictures.canvas import BLUE, ORANGE, entitle, panels, save, style


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that was done to a replica, in seconds of the same clock as the answers."""

    at: float
    what: str


def draw_timeline(seen: Seen, marks: Sequence[Mark], path: Path) -> None:
    """Write a PNG of the latency in every half second, and of when what was done."""
    since, until = min(one.due for one in seen.answers), max(one.due for one in seen.answers)
    windows = seen.windows(since, until)
    with style():
        figure, [axes] = panels(1, 4.6)
        axes.plot(
            [at for at, _ in windows], [p99 for _, p99 in windows], color=BLUE, linewidth=1.8, drawstyle="steps-post"
        )
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axes.set_xlabel("seconds")
        axes.set_ylabel("99th percentile, ms")
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * 12)
        for place, mark in enumerate(marks):
            axes.axvline(mark.at - since, color=ORANGE, linewidth=1.2, linestyle="--")
            height = high * (7.5, 3.6, 1.8)[place % 3]
            axes.annotate(
                mark.what,
                (mark.at - since, height),
                (4, 0),
                textcoords="offset points",
                color=ORANGE,
                # The lines of later marks go behind it.
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
            )
        failed = len(seen.failed)
        entitle(
            figure,
            f"{failed} of {len(seen.answers):,} requests failed while replicas were killed, came back and were renewed",
            "Two replicas behind nginx on one PostgreSQL and one Redis. Each point is half a second's requests.",
        )
        save(figure, path)
