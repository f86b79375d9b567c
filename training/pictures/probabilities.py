"""How far risks can be trusted as probabilities, and what recall costs in precision."""

from pathlib import Path

import numpy as np
from matplotlib.ticker import PercentFormatter
from sklearn.metrics import precision_recall_curve

from features.events import FloatArray, IntArray
from training.evaluate import Scored
from training.metrics import calibration_error, equal_mass_bins, measure, reliability
from training.pictures.canvas import BLUE, GREEN, GREY, ORANGE, entitle, panels, save, style

FEWEST_FOUND = 50
"""A precision among fewer prefixes is not drawn."""


def draw_reliability(scored: Scored, path: Path, context: str) -> None:
    """Write a PNG of predicted risk against the share abandoned in 15 equal-mass bins, and of the risks by outcome."""
    labels, risks, equal = scored.labels, scored.risks, np.ones(len(scored.labels))
    mean_risk, abandoned, _ = reliability(labels, risks, equal)
    error = calibration_error(labels, risks, equal)
    spread = 1.96 * standard_errors(labels, equal_mass_bins(risks, equal), scored.persons)
    least = max(0.0, np.floor(min(mean_risk.min(), (abandoned - spread).min()) * 10) / 10)
    with style():
        figure, (left, right) = panels(2, 5.4, width_ratios=(1.15, 1))
        left.plot((0, 1), (0, 1), color=GREY, linestyle="--", label="as predicted")
        left.axhline(labels.mean(), color=ORANGE, linestyle=":", linewidth=2, label=f"base rate {labels.mean():.3f}")
        left.errorbar(
            mean_risk,
            abandoned,
            yerr=(abandoned - np.maximum(abandoned - spread, 0), np.minimum(abandoned + spread, 1) - abandoned),
            color=BLUE,
            marker="o",
            capsize=3,
            label="15 equal-mass bins",
        )
        left.set(
            xlabel="predicted risk of abandonment",
            ylabel="share abandoned",
            xlim=(least, 1.005),
            ylim=(least, 1.005),
            title="Predicted and observed",
        )
        left.legend(loc="lower right")
        edges = np.linspace(0, 1, 41)
        for outcome, colour, name in ((1, ORANGE, "abandoned"), (0, GREEN, "not abandoned")):
            chosen = risks[labels == outcome]
            right.hist(
                chosen,
                bins=list(edges),
                weights=np.full(len(chosen), 1 / max(1, len(chosen))),
                histtype="stepfilled",
                color=colour,
                alpha=0.5,
                label=f"{name} ({len(chosen):,} prefixes)",
            )
        right.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        right.set(xlabel="predicted risk of abandonment", ylabel="share of each", xlim=(0, 1), title="Risks by outcome")
        right.legend(loc="upper left")
        entitle(
            figure,
            f"Predicted risk and observed share differ by {error:.3f} on average (ECE)",
            f"{context} Bars: 95 % over visitors.",
        )
        save(figure, path)


def draw_precision_recall(scored: Scored, path: Path, context: str) -> None:
    """Write a PNG of precision against recall of those who leave, and of those who stay, beside the base rates."""
    with style():
        figure, axes = panels(2, 5.2)
        averages = []
        for axis, outcome, name in zip(axes, (1.0, 0.0), ("abandoned", "not abandoned"), strict=True):
            labels = (scored.labels == outcome).astype(np.float64)
            risks = scored.risks if outcome else 1 - scored.risks
            precision, recall, _ = precision_recall_curve(labels, risks)
            averages.append(measure(labels, risks, scored.sessions)["ap"] or 0.0)
            # A precision among a handful of prefixes is a matter of chance.
            many = recall[:-1] * labels.sum() >= FEWEST_FOUND * precision[:-1]
            axis.plot(
                recall[:-1][many],
                precision[:-1][many],
                color=BLUE,
                label=f"model: average precision {averages[-1]:.3f}",
            )
            axis.axhline(
                labels.mean(), color=ORANGE, linestyle="--", label=f"base rate {labels.mean():.3f}: knowing nothing"
            )
            axis.set(
                xlabel=f"recall: share found of all {name}",
                ylabel=f"precision: share {name}",
                xlim=(0, 1),
                ylim=(0, 1.02),
                title=f"Finding prefixes {name}",
            )
            axis.legend(loc="best")
        entitle(
            figure,
            f"Average precision {averages[0]:.3f} with a base rate of {scored.labels.mean():.3f}",
            f"{context} Left: highest risk first; right: lowest risk first.",
        )
        save(figure, path)


def standard_errors(labels: FloatArray, bins: IntArray, persons: IntArray) -> FloatArray:
    """Return the standard error of each used bin's share, with the rows of a person as one observation.

    The linearised ratio of Cochran 1977, "Sampling Techniques", chapter 9: the squared sums of a person's residuals.
    """
    _, bins = np.unique(bins, return_inverse=True)
    _, persons = np.unique(persons, return_inverse=True)
    counts = np.bincount(bins)
    residuals = labels - (np.bincount(bins, labels) / counts)[bins]
    width = int(persons.max()) + 1
    of_person = np.bincount(bins * width + persons, residuals, len(counts) * width).reshape(len(counts), width)
    errors: FloatArray = np.sqrt((of_person**2).sum(axis=1)) / counts
    return errors
