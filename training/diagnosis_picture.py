"""One picture of how right a diagnosis is: against simpler ways, when it abstains, what it says, whom it blames."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.pictures.canvas import BLUE, GREY, ORANGE

MOMENTS = {"session_end": "session end", "decision_point": "decision point"}
_WAYS = {
    "top1": "diagnosis",
    "top1_forced": "diagnosis, never abstaining",
    "majority": "commonest blocker",
    "z_count_top1": "z-scored traces",
    "plain_shap_top1": "plain SHAP",
}


def draw_diagnosis(figures: Mapping[str, Any], path: Path, title: str) -> None:
    """Write a PNG of what ``training.evaluate_diagnosis`` measured."""
    figure = Figure(figsize=(12, 9), layout="constrained")
    axes = figure.subplots(2, 2)
    figure.suptitle(title)
    _draw_accuracy(axes[0, 0], figures)
    _draw_abstention(axes[0, 1], figures)
    _draw_answers(axes[1, 0], figures["session_end"]["by_blocker"])
    _draw_false_blame(axes[1, 1], figures)
    for place in (axes[0, 0], axes[0, 1], axes[1, 1]):
        place.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def _draw_accuracy(axes: Axes, figures: Mapping[str, Any]) -> None:
    places, height = np.arange(len(_WAYS)), 0.4
    for shift, (moment, colour) in enumerate(zip(MOMENTS, (BLUE, ORANGE), strict=True)):
        block = figures[moment]
        if not block["n"]:
            continue
        values = [block[way] for way in _WAYS]
        ranges = [block["intervals"][way] or (value, value) for way, value in zip(_WAYS, values, strict=True)]
        errors = [
            [max(0.0, value - low), max(0.0, high - value)] for value, (low, high) in zip(values, ranges, strict=True)
        ]
        axes.barh(
            places + (shift - 0.5) * height,
            values,
            height,
            xerr=np.transpose(errors),
            color=colour,
            error_kw={"ecolor": GREY, "capsize": 2},
            label=f"{MOMENTS[moment]}, {block['n']:,} sessions",
        )
    axes.set(xlabel="share of sessions whose true blocker is named first", xlim=(0, 1))
    axes.set_yticks(places, list(_WAYS.values()))
    axes.invert_yaxis()
    axes.legend(frameon=False, loc="lower right")


def _draw_abstention(axes: Axes, figures: Mapping[str, Any]) -> None:
    for moment, colour in zip(MOMENTS, (BLUE, ORANGE), strict=True):
        curve, block = figures["abstention"][moment], figures[moment]
        if not curve:
            continue
        coverage, accuracy = ([point[name] for point in curve] for name in ("coverage", "accuracy"))
        axes.plot(coverage, accuracy, color=colour, marker="o", label=MOMENTS[moment])
        axes.axhline(block["majority"], color=colour, linewidth=1, linestyle="--")
    axes.set(
        xlabel="share of sessions with an answer, the surest first",
        ylabel="share of answers that are right",
        xlim=(0, 1.02),
        ylim=(0, 1.02),
        title="Abstention (dashed: always the commonest)",
    )
    axes.legend(frameon=False, loc="lower left")


def _draw_answers(axes: Axes, by_blocker: Mapping[str, Mapping[str, Any]]) -> None:
    blockers = list(by_blocker)
    given = {answer for block in by_blocker.values() for answer in block["answers"]}
    answers = [*blockers, *sorted(given - {*blockers, "nothing"}), "nothing"]
    counts = np.array([[by_blocker[blocker]["answers"].get(answer, 0) for answer in answers] for blocker in blockers])
    part = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(part, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(*part.shape):
        colour = "white" if part[row, column] > 0.5 else "black"
        axes.text(column, row, f"{part[row, column]:.0%}", ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(answers)), answers, rotation=40, ha="right")
    axes.set_yticks(range(len(blockers)), [f"{name} ({by_blocker[name]['n']:,})" for name in blockers])
    axes.set(xlabel="what is named first", ylabel="true blocker", title="At the session's end")


def _draw_false_blame(axes: Axes, figures: Mapping[str, Any]) -> None:
    known = [point for point in figures["false_blame_curve"] if point["false_blame"] is not None]
    recall, blamed = ([point[name] for point in known] for name in ("recall", "false_blame"))
    axes.plot((0, 1), (0, 1), color=GREY, linestyle="--", linewidth=1, label="knowing nothing")
    axes.plot(recall, blamed, color=BLUE, marker="o", label="largest score")
    if figures["false_blame_at_80"] is not None:
        axes.scatter([0.8], [figures["false_blame_at_80"]], color=ORANGE, zorder=3, s=70)
    axes.set(
        xlabel="share of sessions ended by a blocker that are as loud",
        ylabel="share of abandoned sessions without one",
        xlim=(0, 1.02),
        ylim=(0, 1.02),
        title="False blame",
    )
    axes.legend(frameon=False, loc="upper left")
