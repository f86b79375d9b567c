"""How early, and at which stage, risks tell those who leave from those who stay."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from training.pictures.canvas import BLUE, GREY, ORANGE, entitle, panels, save, style

Blocks = Mapping[str, Mapping[str, Any]]

NOTABLE = 0.01


def draw_early_prediction(evaluation: Mapping[str, Any], path: Path, context: str) -> None:
    """Write a PNG of AUC, and of average precision with the base rate, against the number of events seen."""
    blocks = {count: block for count, block in evaluation["by_events"].items() if block["auc"] is not None}
    with style():
        figure, (left, right) = panels(2, 5.2)
        _curve(left, blocks, "auc", BLUE, "model")
        left.axhline(0.5, color=GREY, linestyle="--", label="knowing nothing")
        left.set(ylabel="AUC", title="How well risks sort", ylim=(min(0.45, left.get_ylim()[0]), 1.0))
        _curve(right, blocks, "ap", BLUE, "model")
        _curve(right, blocks, "base_rate", ORANGE, "base rate: knowing nothing", linestyle="--")
        right.set(ylabel="average precision", title="Precision in the order of risk, and the base rate")
        for axes in (left, right):
            axes.set_xticks(
                range(len(blocks)), [f"{count}\n{_short(block['n_sessions'])}" for count, block in blocks.items()]
            )
            axes.set_xlabel("events seen (below: sessions with so many)")
        left.legend(loc="best")
        right.legend(loc="best")
        entitle(figure, _early_title(blocks), f"{context}{_intervals(blocks, 'Bands')}")
        save(figure, path)


def draw_quality_by_stage(evaluation: Mapping[str, Any], path: Path, context: str) -> None:
    """Write a PNG of AUC, average precision and calibration error of each stage, with intervals and base rates."""
    blocks: Blocks = evaluation["by_stage"]
    names = list(blocks)
    places = np.arange(len(names))
    with style():
        figure, (auc, ap, ece) = panels(3, 1.9 + 0.55 * max(3, len(names)), sharey=True)
        for axes, name in ((auc, "auc"), (ap, "ap"), (ece, "ece")):
            _dots(axes, blocks, name)
            axes.grid(axis="y", visible=False)
        auc.axvline(0.5, color=GREY, linestyle="--", label="knowing nothing")
        auc.set(xlabel="AUC", yticks=places, ylim=(len(names) - 0.5, -0.5))
        auc.set_yticklabels([f"{name}\n{block['n_rows']:,} prefixes" for name, block in blocks.items()])
        ap.scatter(
            [block["base_rate"] for block in blocks.values()],
            places,
            color=ORANGE,
            marker="|",
            s=260,
            linewidth=2.5,
            label="base rate",
        )
        ap.set(xlabel="average precision")
        ece.set(xlabel="calibration error (ECE)", xlim=(0, None))
        for axes in (auc, ap, ece):
            axes.xaxis.set_major_locator(MaxNLocator(4))
        for axes in (auc, ap):
            axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))
        entitle(figure, _stage_title(blocks), f"{context}{_intervals(blocks, 'Bars')}")
        save(figure, path)


def _curve(axes: Axes, blocks: Blocks, name: str, colour: str, label: str, linestyle: str = "-") -> None:
    places = range(len(blocks))
    ends = [block["intervals"][name] or (np.nan, np.nan) for block in blocks.values()]
    axes.fill_between(places, [low for low, _ in ends], [high for _, high in ends], color=colour, alpha=0.18, lw=0)
    axes.plot(
        places,
        [block[name] for block in blocks.values()],
        color=colour,
        linestyle=linestyle,
        marker="o",
        markersize=5,
        label=label,
    )


def _dots(axes: Axes, blocks: Blocks, name: str) -> None:
    for place, block in enumerate(blocks.values()):
        if block[name] is None:
            axes.annotate("one outcome only", (0.5, place), xycoords=("axes fraction", "data"), ha="center", color=GREY)
            continue
        low, high = block["intervals"][name] or (block[name], block[name])
        axes.plot((low, high), (place, place), color=BLUE, linewidth=3, alpha=0.45, solid_capstyle="round")
        axes.plot(block[name], place, color=BLUE, marker="o", markersize=8)


def _intervals(blocks: Blocks, drawn: str) -> str:
    return f" {drawn}: 95 % over visitors." if any(block["intervals"]["auc"] for block in blocks.values()) else ""


def _early_title(blocks: Blocks) -> str:
    if not blocks:
        return "After no number of events are there both outcomes"
    (first, early), *_, (last, late) = (*blocks.items(), *blocks.items())
    told = f"AUC {early['auc']:.2f} after {first} {'event' if first == '1' else 'events'}"
    if first == last:
        return told
    better = "Risks sort better the more is seen" if late["auc"] > early["auc"] + NOTABLE else "Quality by events seen"
    return f"{better}: {told}, {late['auc']:.2f} after {last}"


def _stage_title(blocks: Blocks) -> str:
    known = {name: block["auc"] for name, block in blocks.items() if block["auc"] is not None}
    if not known:
        return "No stage has both outcomes"
    best, worst = max(known, key=known.__getitem__), min(known, key=known.__getitem__)
    if best == worst:
        return f"AUC {known[best]:.2f} at {best}"
    return f"Risks sort best at {best} (AUC {known[best]:.2f}), least well at {worst} ({known[worst]:.2f})"


def _short(number: int) -> str:
    return f"{number / 1000:.1f}k" if number >= 1000 else str(number)
