"""Cumulative gain: how many of those who leave, or stay, are among so many with the highest, or lowest, risk."""

from pathlib import Path

import numpy as np
from matplotlib.ticker import PercentFormatter

from features.events import FloatArray
from training.evaluate import Scored
from training.pictures.canvas import BLUE, GREY, ORANGE, entitle, panels, save, style

AFTER_EVENTS = (5, 3, 2, 1)
"""The moment at which the chart looks, the first of these with both outcomes: a session that got so far counts once."""
SHOWN_SHARE = 0.2


def gain(labels: FloatArray, risks: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the share of rows taken, highest risk first, and the share of all labelled 1 among them, (R + 1,) each.

    Within equal risks the order is unknown, so the gain grows evenly.
    """
    _, place = np.unique(-risks, return_inverse=True)
    counts, found = np.bincount(place), np.bincount(place, labels)
    taken = np.concatenate([[0], np.cumsum(counts)]) / len(labels)
    gained = np.concatenate([[0.0], np.cumsum(found)]) / max(1.0, labels.sum())
    return taken, gained


def draw_gain(scored: Scored, path: Path, context: str) -> None:
    """Write a PNG of the gain among sessions after five events, of those who leave and of those who stay."""
    after_events = [scored.labels[scored.after == after] for after in AFTER_EVENTS]
    moment = next((after for after, labels in zip(AFTER_EVENTS, after_events, strict=True) if len(set(labels)) > 1), 1)
    rows = scored.after == moment
    labels, risks = scored.labels[rows], scored.risks[rows]
    sides = (
        (labels, risks, "riskiest", "abandoned", ORANGE),
        (1 - labels, 1 - risks, "safest", "not abandoned", BLUE),
    )
    told = []
    with style():
        figure, axes = panels(2, 5.4)
        for axis, (wanted, order, first, name, colour) in zip(axes, sides, strict=True):
            taken, gained = gain(wanted, order)
            rate = wanted.mean()
            axis.plot((0, rate, 1), (0, 1, 1), color=GREY, linestyle=":", linewidth=2, label="knowing every end")
            axis.plot(taken, gained, color=colour, linewidth=2.5, label="model")
            axis.plot((0, 1), (0, 1), color=GREY, linestyle="--", label="knowing nothing")
            found = float(np.interp(SHOWN_SHARE, taken, gained))
            told.append(f"{found:.0%} of those {name}")
            axis.plot((SHOWN_SHARE, SHOWN_SHARE), (0, found), color=colour, linewidth=1)
            axis.plot(SHOWN_SHARE, found, color=colour, marker="o", markersize=8)
            axis.annotate(
                f"{first} {SHOWN_SHARE:.0%}:\n{found:.0%} of those {name}",
                (SHOWN_SHARE, found),
                xytext=(14, -6),
                textcoords="offset points",
                va="top",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )
            axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            axis.set(
                xlabel=f"share of sessions, {first} first",
                ylabel=f"share of all those {name}",
                xlim=(0, 1),
                ylim=(0, 1.02),
                title=f"Gain: those {name} ({rate:.1%} of sessions)",
            )
            axis.legend(loc="upper left" if rate > 1 / 2 else "lower right")
        entitle(
            figure,
            f"The {SHOWN_SHARE:.0%} of sessions with the lowest risk hold {told[1]}",
            f"{context} {len(labels):,} sessions right after event {moment}.",
        )
        save(figure, path)
