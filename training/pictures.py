"""Two pictures of a model: how far its risks can be trusted, and what recall costs in precision."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from sklearn.metrics import precision_recall_curve

from features.events import FloatArray
from training.evaluate import Scored
from training.metrics import measure, reliability

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#2463a8", "#c8641e", "#8a8f98"


@dataclass(frozen=True, slots=True)
class Picture:
    """The name of a PNG file, without its ending, and what draws it to a path."""

    name: str
    draw: Callable[[Path], None]


def held_out_pictures(journey: str, held_out: Scored) -> list[Picture]:
    """Return the pictures of the held-out prefixes."""
    labels, risks = held_out.labels, held_out.risks
    return [
        Picture("reliability", lambda path: draw_reliability(labels, risks, path, f"{journey}: reliability, held out")),
        Picture(
            "precision_recall",
            lambda path: draw_precision_recall(labels, risks, path, f"{journey}: precision and recall, held out"),
        ),
    ]


def draw_reliability(labels: FloatArray, risks: FloatArray, path: Path, title: str) -> None:
    """Write a PNG of predicted risk against share abandoned in 15 equal-mass bins, with the risks' histogram."""
    mean_risk, abandoned, weight = reliability(labels, risks, np.ones(len(labels)))
    error = measure(labels, risks, np.arange(len(labels)))["ece"]
    spread = 1.96 * np.sqrt(np.maximum(abandoned * (1 - abandoned), 1e-9) / weight)
    figure, (above, below) = plt.subplots(2, 1, figsize=(6, 7), height_ratios=(4, 1), sharex=True, layout="constrained")
    above.plot((0, 1), (0, 1), color=GREY, linestyle="--", linewidth=1, label="perfectly calibrated")
    above.errorbar(
        mean_risk, abandoned, yerr=spread, color=BLUE, marker="o", capsize=2, label="15 equal-mass bins, 95 %"
    )
    above.axhline(labels.mean(), color=ORANGE, linewidth=1, label=f"base rate {labels.mean():.3f}")
    above.set(
        ylabel="share abandoned", xlim=(0, 1), ylim=(0, 1), title=f"{title}\nECE {error:.4f}, {len(labels):,} prefixes"
    )
    above.legend(frameon=False, loc="upper left")
    below.hist(risks, bins=50, range=(0, 1), color=BLUE)
    below.set(xlabel="predicted risk of abandonment", ylabel="prefixes")
    _save(figure, path)


def draw_precision_recall(labels: FloatArray, risks: FloatArray, path: Path, title: str) -> None:
    """Write a PNG of precision against recall, with the base rate that knowing nothing gives."""
    precision, recall, _ = precision_recall_curve(labels, risks)
    average = measure(labels, risks, np.arange(len(labels)))["ap"]
    figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
    axes.plot(recall, precision, color=BLUE, label=f"model, average precision {average:.3f}")
    axes.axhline(labels.mean(), color=ORANGE, linewidth=1, label=f"base rate {labels.mean():.3f}")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02), title=title)
    axes.legend(frameon=False, loc="lower left")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    plt.close(figure)
