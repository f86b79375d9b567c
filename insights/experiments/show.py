"""An analysis on a terminal: the verdict first, then the figures that it rests on."""

import math
from collections.abc import Iterator, Sequence

from insights.experiments.result import Analysis, Decision, Effect
from insights.experiments.say import KINDS, VERDICTS, say_interval, say_slice, write, write_difference
from insights.intervals import Estimate
from journeys.tables import FittedTable

_SHOWN_SEGMENTS = 15


def say_verdict(analysis: Analysis) -> Iterator[str]:
    """Yield the verdict with its reasons, the sample still needed and the next hypothesis."""
    decision = analysis.decision
    yield f"{VERDICTS[decision.verdict]}: {decision.reasons[0]}."
    for reason in decision.reasons[1:]:
        yield f"  {reason}."
    yield from _further(analysis, decision)
    if len(analysis.by_variant) > 1:
        for name, other in analysis.by_variant.items():
            if name != decision.variant and decision.variant is not None:
                yield f"{name}: {VERDICTS[other.verdict].lower()}; {other.reasons[0]}."


def say_counts(analysis: Analysis) -> Iterator[str]:
    """Yield what became of the rows, and what has to be known to read the figures."""
    counts = analysis.counts
    told = {
        "repeated exposures, of which the first counts": counts.repeated_exposures,
        "exposures without a unit, variant or time, left out": counts.unusable_exposures,
        "duplicated outcomes, left out": counts.duplicated_outcomes,
        "outcomes equal to another one, without a time or id to tell them apart; all count": counts.equal_outcomes,
        "outcomes without a time, taken to come after the exposure": counts.untimed_outcomes,
        "outcomes without a unit or time, left out": counts.unusable_outcomes,
        "outcomes before the exposure, left out": counts.before_exposure,
        "outcomes after the window, left out": counts.after_window,
        f"outcomes of {counts.units_without_exposure:,} people who were not exposed, left out": counts.without_exposure,
        "people whose window has not passed, left out": counts.too_recent,
        "people exposed after the fixed horizon's end, left out": counts.after_horizon,
    }
    people = sum(analysis.people.values())
    yield f"{counts.exposure_rows:,} exposures of {people:,} people; {counts.outcome_rows:,} outcomes."
    for what, count in told.items():
        if count:
            yield f"{count:,} {what}."
    refused: dict[str, list[str]] = {}
    for name, why in analysis.covariates_refused.items():
        refused.setdefault(why, []).append(name)
    for why, names in refused.items():
        yield f"Not used as a covariate: {', '.join(names)} ({why})."
    yield from analysis.notes


def analysis_tables(analysis: Analysis) -> Iterator[FittedTable]:
    """Yield the tables: effects by both rules, guardrails, the ratio of the arms, and segments."""
    first = analysis.primary[0]
    yield effect_table(analysis, analysis.primary, f"The primary metric: {first.measure}, {KINDS[first.kind]}")
    yield belief_table(analysis.primary)
    if analysis.guards:
        yield guard_table(analysis)
    if analysis.secondary:
        yield effect_table(analysis, analysis.secondary, "Other metrics, p-values by Benjamini and Hochberg")
    yield ratio_table(analysis)
    if analysis.segments:
        yield segment_table(analysis)


def effect_table(analysis: Analysis, effects: Sequence[Effect], title: str) -> FittedTable:
    """Return each variant's values and differences, with the intervals of both rules side by side."""
    headers = (
        "Metric",
        "Variant",
        "People",
        "Value",
        "Control",
        "Difference",
        "Fixed horizon",
        "p",
        "Always valid",
        "p ",
    )
    rows = []
    for one in effects:
        rows.append(
            (
                one.measure,
                one.variant,
                f"{one.treated.people:,}",
                write(one.kind, one.treated.value),
                write(one.kind, one.control.value),
                write_difference(one.kind, one.difference.value),
                _ends(one, one.difference),
                p_value(one.adjusted_p_fixed),
                _ends(one, one.always_valid),
                p_value(one.adjusted_p_always_valid if one.always_valid else None),
            )
        )
    level = f"{1 - analysis.alpha:.0%} intervals; differences in points where the metric is a share"
    return FittedTable(f"{title} ({level})", headers, rows, numbers=headers[2:])


def belief_table(effects: Sequence[Effect]) -> FittedTable:
    """Return the relative changes, the beliefs, and what covariates spare."""
    headers = ("Variant", "Relative", "Fixed horizon", "Always valid", "Better", "Expected loss", "Variance removed")
    rows = [
        (
            one.variant,
            "-" if one.relative is None else f"{one.relative.value:+.1%}",
            _relative_ends(one.relative),
            _relative_ends(one.relative_always_valid),
            "-" if math.isnan(one.difference.value) else f"{one.bayes.probability_better:.1%}",
            "-"
            if math.isnan(one.difference.value)
            else write_difference(one.kind, one.bayes.expected_loss).lstrip("+"),
            f"{one.variance_removed:.1%}" if one.covariates else "no covariate",
        )
        for one in effects
    ]
    return FittedTable("Relative to the control, and what is believed", headers, rows, numbers=headers[1:])


def guard_table(analysis: Analysis) -> FittedTable:
    """Return whether each guardrail holds."""
    headers = ("Guardrail", "Variant", "Value", "Control", "Difference", "Margin", "Holds")
    rows = [
        (
            one.effect.measure,
            one.effect.variant,
            write(one.effect.kind, one.effect.treated.value),
            write(one.effect.kind, one.effect.control.value),
            say_interval(one.effect.kind, one.effect.difference),
            f"{one.margin:.3g}" if one.absolute else f"{one.margin:.1%}",
            one.held.value,
        )
        for one in analysis.guards
    ]
    return FittedTable("Guardrails", headers, rows, numbers=headers[2:6])


def ratio_table(analysis: Analysis) -> FittedTable:
    """Return the numbers of people against those planned, overall and where they fit least."""
    ratio = analysis.ratio
    rows = [("all", say_slice(ratio.observed, ratio.expected), p_value(ratio.p), "ALARM" if ratio.alarm else "fits")]
    rows += [
        (
            f"{one.name.replace('_', ' ')} {one.value}",
            say_slice(one.observed, one.expected),
            p_value(one.adjusted_p),
            "ALARM" if one.alarm else "fits",
        )
        for one in ratio.slices[: max(3, len(ratio.named))]
    ]
    title = f"The ratio of the arms, and the {len(rows) - 1} of {ratio.slices_tested} slices that fit least"
    return FittedTable(title, ("Who", "People", "p", "Ratio"), rows, numbers=("p",))


def segment_table(analysis: Analysis) -> FittedTable:
    """Return the primary metric in segments, the most different first."""
    headers = ("Segment", "Variant", "People", "Value", "Control", "Difference", "p", "Drawn to all")
    kind = analysis.primary[0].kind
    ordered = sorted(analysis.segments, key=lambda one: (1.0 if one.p_fixed is None else one.p_fixed, one.name))
    rows = [
        (
            f"{one.name.replace('_', ' ')} {one.value}",
            one.variant,
            f"{one.control.people + one.treated.people:,}",
            write(kind, one.treated.value),
            write(kind, one.control.value),
            say_interval(kind, one.difference),
            p_value(one.adjusted_p),
            write_difference(kind, one.shrunk),
        )
        for one in ordered[:_SHOWN_SEGMENTS]
    ]
    left = len(ordered) - len(rows)
    title = "Segments: hypotheses, not findings" + (f"; {left} more are in the JSON" if left else "")
    return FittedTable(title, headers, rows, numbers=headers[2:])


def p_value(value: float | None) -> str:
    """Return a p-value with as many digits as are of use."""
    if value is None:
        return "-"
    return "<.0001" if value < 1e-4 else f"{value:.4f}" if value < 0.01 else f"{value:.2f}"


def _further(analysis: Analysis, decision: Decision) -> Iterator[str]:
    needed = decision.needed
    if needed is not None:
        kind = analysis.primary[0].kind
        days = "" if needed.further_days is None else f", about {needed.further_days:,} days at this pace"
        yield (
            f"Still needed: {needed.further_per_arm:,} further people in each arm ({needed.per_arm:,} in all{days}), "
            f"to find a difference of {write_difference(kind, needed.change)} with a power of {analysis.power:.0%}."
        )
    if decision.next_hypothesis is not None:
        yield f"Next hypothesis: {decision.next_hypothesis.sentence}"


def _ends(effect: Effect, interval: Estimate | None) -> str:
    if interval is None:
        return "not started"
    if math.isnan(interval.value):
        return "-"
    return f"{write_difference(effect.kind, interval.low)} to {write_difference(effect.kind, interval.high)}"


def _relative_ends(interval: Estimate | None) -> str:
    return "-" if interval is None else f"{interval.low:+.1%} to {interval.high:+.1%}"
