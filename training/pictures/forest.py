"""A forest plot of a policy's value: every estimator with its interval, against doing nothing and what was done."""

from pathlib import Path

import numpy as np

from decisions.off_policy.evaluate import Evaluation
from decisions.off_policy.intervals import Interval
from training.pictures.canvas import BLUE, GREY, ORANGE, save, style


def draw_forest(evaluation: Evaluation, name: str, journey: str, path: Path) -> None:
    """Write a PNG of what :func:`decisions.off_policy.evaluate.evaluate` found."""
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(11, 4.4), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True)
        warning = "" if evaluation.supported else ": NOT SUPPORTED by the log"
        figure.suptitle(f"What {name} would bring in {journey}, {evaluation.decisions:,} decisions{warning}")
        labels = [str(one.estimator) for one in evaluation.net_value]
        places = np.arange(len(labels), dtype=float)
        for axis, (title, difference) in zip(
            axes, (("above doing nothing", "over_nothing"), ("above what was done", "over_before")), strict=True
        ):
            for place, one in zip(places, evaluation.net_value, strict=True):
                found: Interval = getattr(one, difference)
                told = evaluation.supported
                colour = BLUE if told and found.low > 0 else ORANGE if told and found.high < 0 else GREY
                axis.plot([found.low, found.high], [place, place], color=colour, linewidth=2.2)
                axis.plot([found.value], [place], "o", color=colour, markersize=7)
            axis.axvline(0.0, color="#111827", linewidth=1)
            axis.set(title=title, xlabel="net value a decision, 95 % interval")
            axis.set_yticks(places, labels)
            axis.grid(False, axis="y")
        axes[0].invert_yaxis()
        save(figure, path)
