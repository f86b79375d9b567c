"""The picture of an experiment's analysis: effects with both intervals, and the sequence over time."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from insights.experiments.result import Analysis, Effect, Verdict
from insights.experiments.say import VERDICTS, say_who
from insights.experiments.sizing import MetricKind
from insights.intervals import Estimate
from training.pictures.canvas import BLUE, GREEN, GREY, ORANGE, entitle, panels, save, style

_TONES = {Verdict.SHIP: GREEN, Verdict.STOP: ORANGE, Verdict.INCONCLUSIVE: GREY, Verdict.INVALID: ORANGE}
_DAY_US = 86_400_000_000


def draw_analysis(analysis: Analysis, path: Path) -> None:
    """Write a PNG or SVG of an analysis, by the ending of the path."""
    decision = analysis.decision
    with style():
        figure, axes = panels(2, 5.6)
        _draw_effects(axes[0], analysis)
        _draw_sequence(axes[1], analysis)
        entitle(figure, f"{VERDICTS[decision.verdict]}: {decision.reasons[0]}", say_who(analysis))
        save(figure, path)


def _draw_effects(axes: Axes, analysis: Analysis) -> None:
    """Draw every metric's difference relative to the control's value, with the intervals of both rules."""
    effects = [*analysis.primary, *(guard.effect for guard in analysis.guards), *analysis.secondary]
    shown = [effect for effect in effects if effect.control.value]
    for place, effect in enumerate(shown):
        scale = abs(effect.control.value)
        for shift, interval, colour, name in (
            (-0.13, effect.difference, BLUE, "fixed horizon"),
            (0.13, effect.always_valid, ORANGE, "always valid"),
        ):
            if interval is not None:
                _whisker(axes, interval, scale, place + shift, colour, name if place == 0 else "")
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(range(len(shown)), [_label(effect, analysis) for effect in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:+.0%}" if value else "0%"))
    axes.set(xlabel="difference, relative to the control's value", title="What was measured")
    axes.legend(loc="lower right", fontsize=9)


def _whisker(axes: Axes, interval: Estimate, scale: float, place: float, colour: str, name: str) -> None:
    axes.plot(
        (interval.low / scale, interval.high / scale), (place, place), color=colour, linewidth=3, label=name or None
    )
    axes.plot(interval.value / scale, place, color=colour, marker="o", markersize=7)


def _label(effect: Effect, analysis: Analysis) -> str:
    name = effect.measure.replace("_", " ")
    variant = f"\n{effect.variant}" if len(analysis.variants) > 2 else ""
    return f"{name}{variant}\n({effect.role})"


def _draw_sequence(axes: Axes, analysis: Analysis) -> None:
    variant = analysis.decision.variant or analysis.primary[0].variant
    looks = analysis.sequence.get(variant, ())
    axes.set_title(f"{analysis.primary[0].measure.replace('_', ' ')} as people came: {variant}")
    if not looks:
        axes.text(0.5, 0.5, "nobody knows when people came", ha="center", color=GREY, transform=axes.transAxes)
        return
    share = analysis.primary[0].kind is MetricKind.PROPORTION
    factor = 100.0 if share else 1.0
    along = [((look.at_us or 0) - (analysis.began_us or 0)) / _DAY_US for look in looks]
    values = [factor * look.difference for look in looks]
    last = looks[-1]
    room = 2.2 * factor * max(last.high - last.low, abs(last.difference))
    low, high = (
        [min(max(factor * end, -9 * room), 9 * room) for end in ends]
        for ends in ([look.always_valid_low for look in looks], [look.always_valid_high for look in looks])
    )
    axes.fill_between(along, low, high, color=ORANGE, alpha=0.18, linewidth=0, label="always valid")
    fixed_low, fixed_high = [factor * look.low for look in looks], [factor * look.high for look in looks]
    axes.fill_between(along, fixed_low, fixed_high, color=BLUE, alpha=0.25, linewidth=0, label="fixed horizon")
    axes.plot(along, values, color=_TONES[analysis.decision.verdict], linewidth=2.5, label="difference")
    axes.axhline(0, color=GREY, linewidth=1)
    axes.set_ylim(min(values[-1], 0) - room, max(values[-1], 0) + room)
    axes.set(xlabel="days since the first exposure", ylabel="difference in points" if share else "difference")
    axes.set_xlim(0, max(along[-1], 1e-6))
    axes.legend(loc="upper right", fontsize=9)
