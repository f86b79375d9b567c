"""An experiment's figures in words. Every change is a randomised estimate, and has its interval beside it."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from insights.experiments.result import Analysis, Effect, Verdict
from insights.experiments.sizing import MetricKind
from insights.intervals import Estimate

VERDICTS = {
    Verdict.SHIP: "Ship",
    Verdict.STOP: "Stop",
    Verdict.INCONCLUSIVE: "Inconclusive",
    Verdict.INVALID: "Invalid",
}
KINDS = {
    MetricKind.PROPORTION: "the share of people with any",
    MetricKind.MEAN: "the mean per person",
    MetricKind.REVENUE: "the revenue per person, the largest cut off",
    MetricKind.RATIO: "a ratio of all people together",
}


def say_change(effect: Effect, interval: Estimate) -> str:
    """Return a change with both arms' values and the interval of the rule."""
    what = "an adjusted difference" if effect.covariates else "a difference"
    treated, control = (write(effect.kind, arm.value) for arm in (effect.treated, effect.control))
    return f"{effect.measure} {treated} against {control}, {what} of {say_interval(effect.kind, interval)}"


def say_who(analysis: Analysis) -> str:
    """Return who was compared, when, and by which rule it was decided."""
    people = " + ".join(f"{count:,} {name}" for name, count in analysis.people.items())
    dates = ""
    if analysis.began_us is not None and analysis.ended_us is not None:
        began, ended = (datetime.fromtimestamp(us / 1e6, UTC).date() for us in (analysis.began_us, analysis.ended_us))
        dates = f", {began} to {ended}"
    return f"{people}{dates}. Randomised; {1 - analysis.alpha:.0%} intervals. Decided by the rule: {analysis.rule}."


def say_interval(kind: MetricKind, interval: Estimate) -> str:
    """Return a difference with its interval, rates in points; from nobody, a dash."""
    if math.isnan(interval.value):
        return "-"
    unit = " points" if kind is MetricKind.PROPORTION else ""
    value, low, high = (write_difference(kind, end) for end in (interval.value, interval.low, interval.high))
    return f"{value}{unit} ({low} to {high})"


def say_slice(observed: Mapping[str, int], expected: Mapping[str, float]) -> str:
    """Return the numbers of people in the arms against those that were planned."""
    return ", ".join(f"{name} {count:,} of {expected[name]:,.0f} expected" for name, count in observed.items())


def write(kind: MetricKind, value: float) -> str:
    """Return a metric's value: rates in percent; of nobody, a dash."""
    if math.isnan(value):
        return "-"
    return f"{value:.2%}" if kind is MetricKind.PROPORTION else f"{value:,.4g}"


def write_difference(kind: MetricKind, value: float) -> str:
    """Return a difference with its sign: rates in points; from nobody, a dash."""
    if math.isnan(value):
        return "-"
    return f"{100 * value:+.2f}" if kind is MetricKind.PROPORTION else f"{value:+,.3g}"
