"""Pictures of a choice among policies: what each is worth on people held out, and the gain curve of the chosen one."""

from pathlib import Path

import numpy as np

from training.pictures.canvas import BLUE, GREY, ORANGE, PALE, entitle, panels, save, style
from training.uplift.choice import Choice
from training.uplift.curve import GainCurve
from training.uplift.say import told as lines

_NORMAL = 1.959964


def draw_values(choice: Choice, chosen: str, journey: str, decisions: int, path: Path) -> None:
    """Write a PNG of every way to decide, above doing nothing, with its interval; the chosen one is told apart."""
    told = lines(choice)
    with style():
        figure, (axis,) = panels(1, 1.6 + 0.26 * len(told))
        entitle(
            figure,
            f"{chosen[:1].upper()}{chosen[1:]}",
            f"{journey}: net value a decision above doing nothing, doubly robust, on people held out; {decisions:,} "
            "decisions, 95 % intervals",
        )
        for place, one in enumerate(told):
            mine = choice.recipe is not None and one.name.rpartition("% ")[2] == choice.recipe.name
            colour = BLUE if mine or (choice.recipe is None and one.name == chosen) else GREY
            found = one.over_nothing
            axis.plot([found.low, found.high], [place, place], color=colour, linewidth=2)
            axis.plot([found.value], [place], "o", color=colour, markersize=6)
        axis.axvline(0.0, color="#111827", linewidth=1)
        axis.set_yticks(range(len(told)), [one.name for one in told])
        axis.invert_yaxis()
        axis.grid(False, axis="y")
        axis.set_xlabel("net value a decision above doing nothing")
        save(figure, path)


def draw_gain(curve: GainCurve, journey: str, acted: float, path: Path) -> None:
    """Write a PNG of the gain by the share of decisions acted on; ``acted`` is the share that the policy acts on."""
    with style():
        figure, (axis,) = panels(1, 4.4)
        entitle(
            figure,
            f"Who is worth acting on in {journey}: Qini {curve.qini:.4g}",
            "Gain a decision when only the share of people is acted on from whom most is expected; held out, 95 % band",
        )
        low, high = curve.gains - _NORMAL * curve.errors, curve.gains + _NORMAL * curve.errors
        axis.fill_between(curve.shares, low, high, color=BLUE, alpha=0.18, linewidth=0)
        axis.plot(curve.shares, curve.gains, color=BLUE, linewidth=2.2, label="most expected first")
        axis.plot([0, 1], [0, curve.gains[-1]], color=GREY, linewidth=1.4, linestyle="--", label="anybody")
        axis.axvline(acted, color=ORANGE, linewidth=1.4, label=f"the policy acts on {acted:.0%}")
        axis.axhline(0.0, color=PALE, linewidth=1)
        axis.set(xlabel="share of decisions acted on", ylabel="net value a decision", xlim=(0, 1))
        axis.set_xticks(np.linspace(0, 1, 6), [f"{share:.0%}" for share in np.linspace(0, 1, 6)])
        axis.legend(loc="best")
        save(figure, path)
