"""An analysis as a page: the verdict, effects, the sequence over time, the ratio of the arms, segments and counts."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from insights.experiments.result import Analysis, Effect
from insights.experiments.say import VERDICTS, say_who
from insights.experiments.show import say_counts, say_verdict
from insights.experiments.sizing import MetricKind
from insights.pages.document import write_pages
from insights.pages.figure import Bars, Column, Figure, Lines, Page, Sentences, Table, Unit, Value

_ENDS = ("low", "high")


def write_analysis(analysis: Analysis, out: Path, name: str = "Experiment") -> None:
    """Write the page into one HTML file."""
    page = analysis_page(analysis, name)
    write_pages(
        [page],
        title="What an experiment came to",
        journey="",
        lede=analysis.hypothesis,
        foot=(say_who(analysis),),
        timezone="UTC",
        out=out,
    )


def analysis_page(analysis: Analysis, name: str = "Experiment", slug: str = "experiment") -> Page:
    """Return the page of one experiment."""
    figures = [_verdict(analysis), _effects(analysis)]
    figures += [_sequence(analysis, variant) for variant in analysis.sequence if analysis.sequence[variant]]
    if analysis.guards:
        figures.append(_guards(analysis))
    figures += [_ratio(analysis), *([_segments(analysis)] if analysis.segments else []), _counts(analysis)]
    return Page(slug, name, f"{VERDICTS[analysis.decision.verdict]}: {analysis.decision.reasons[0]}.", tuple(figures))


def _verdict(analysis: Analysis) -> Figure:
    rows = tuple((sentence.strip(),) for sentence in say_verdict(analysis))
    return Figure(
        "verdict",
        "Verdict",
        "Ship: better, and every guardrail holds. Stop: worse, a guardrail is broken, or a change worth having is "
        "ruled out. Inconclusive: neither is known yet. Invalid: the figures cannot be trusted, whatever they show.",
        Table((Column("text", "What it comes to"),), rows),
        Sentences("text"),
    )


def _effects(analysis: Analysis) -> Figure:
    effects = [*analysis.primary, *(one.effect for one in analysis.guards), *analysis.secondary]
    columns = (
        Column("metric", "Metric"),
        Column("role", "Role"),
        Column("variant", "Variant"),
        Column("people", "People", Unit.COUNT),
        Column("value", "Value", value_unit(effects)),
        Column("control", "Control", value_unit(effects)),
        Column("relative", "Relative difference", Unit.SHARE),
        Column("low", "Fixed horizon from", Unit.SHARE),
        Column("high", "Fixed horizon to", Unit.SHARE),
        Column("always_valid_low", "Always valid from", Unit.SHARE),
        Column("always_valid_high", "Always valid to", Unit.SHARE),
        Column("p_fixed", "p, fixed", Unit.NUMBER),
        Column("p_always_valid", "p, always valid", Unit.NUMBER),
        Column("better", "Probably better", Unit.SHARE),
        Column("removed", "Variance removed", Unit.SHARE),
    )
    rows = tuple(_effect_row(effect) for effect in effects)
    return Figure(
        "effects",
        "What was measured",
        "Randomised differences from the control, relative to its value, with the intervals of a fixed horizon and the "
        "always-valid ones, which hold however often they are looked at.",
        Table(columns, rows),
        Bars("metric", ("relative",), *_ENDS, horizontal=True),
    )


def value_unit(effects: Sequence[Effect]) -> Unit:
    """Return how the values of one column are written: as shares where all of them are."""
    return Unit.SHARE if all(one.kind is MetricKind.PROPORTION for one in effects) else Unit.NUMBER


def _effect_row(effect: Effect) -> tuple[Value, ...]:
    fixed, valid = effect.relative, effect.relative_always_valid
    return (
        effect.measure.replace("_", " ") + f", {effect.variant}",
        effect.role.value,
        effect.variant,
        effect.treated.people,
        effect.treated.value,
        effect.control.value,
        None if fixed is None else fixed.value,
        None if fixed is None else fixed.low,
        None if fixed is None else fixed.high,
        None if valid is None else valid.low,
        None if valid is None else valid.high,
        effect.adjusted_p_fixed,
        effect.adjusted_p_always_valid,
        effect.bayes.probability_better,
        effect.variance_removed,
    )


def _sequence(analysis: Analysis, variant: str) -> Figure:
    unit = Unit.SHARE if analysis.primary[0].kind is MetricKind.PROPORTION else Unit.NUMBER
    columns = (
        Column("at", "Exposed by", Unit.TIME),
        Column("people", "People", Unit.COUNT),
        Column("difference", "Difference", unit),
        Column("fixed_low", "Fixed horizon from", unit),
        Column("fixed_high", "Fixed horizon to", unit),
        Column("low", "Always valid from", unit),
        Column("high", "Always valid to", unit),
    )
    rows = tuple(
        (
            datetime.fromtimestamp((look.at_us or 0) / 1e6, UTC).isoformat(timespec="seconds"),
            look.control + look.treated,
            look.difference,
            look.low,
            look.high,
            look.always_valid_low,
            look.always_valid_high,
        )
        for look in analysis.sequence[variant]
        if look.always_valid_high < float("inf")
    )
    return Figure(
        f"sequence_{variant}",
        f"{analysis.primary[0].measure.replace('_', ' ')} as people came: {variant}",
        "The difference of all people exposed by then, in the order of their exposure, with the always-valid band, "
        f"from {analysis.start_per_arm:,} people per arm on. Once it leaves out zero, the experiment may be stopped.",
        Table(columns, rows),
        Lines("at", ("difference",), *_ENDS),
        "" if rows else f"The sequence starts at {analysis.start_per_arm:,} people per arm.",
    )


def _guards(analysis: Analysis) -> Figure:
    unit = value_unit([one.effect for one in analysis.guards])
    columns = (
        Column("guardrail", "Guardrail"),
        Column("variant", "Variant"),
        Column("value", "Value", unit),
        Column("control", "Control", unit),
        Column("margin", "Margin"),
        Column("held", "Holds"),
    )
    rows = tuple(
        (
            one.effect.measure,
            one.effect.variant,
            one.effect.treated.value,
            one.effect.control.value,
            f"{one.margin:.3g}" if one.absolute else f"{one.margin:.1%} of the control's",
            one.held,
        )
        for one in analysis.guards
    )
    return Figure(
        "guardrails",
        "Guardrails",
        "Held: that the metric is worse by the margin or more is ruled out. Broken: it is. Open: neither is known yet.",
        Table(columns, rows),
    )


def _ratio(analysis: Analysis) -> Figure:
    names = analysis.variants
    columns = (
        Column("who", "Who"),
        *(Column(f"observed_{name}", name, Unit.COUNT) for name in names),
        *(Column(f"expected_{name}", f"{name}, expected", Unit.COUNT) for name in names),
        Column("p", "p", Unit.NUMBER),
        Column("alarm", "Alarm"),
    )
    ratio = analysis.ratio

    def row(
        who: str, observed: Mapping[str, int], expected: Mapping[str, float], p: float, *, alarm: bool
    ) -> tuple[Value, ...]:
        return (who, *(observed[name] for name in names), *(expected[name] for name in names), p, alarm)

    rows = (
        row("all", ratio.observed, ratio.expected, ratio.p, alarm=ratio.alarm),
        *(
            row(f"{one.name} {one.value}", one.observed, one.expected, one.adjusted_p, alarm=one.alarm)
            for one in ratio.slices
        ),
    )
    return Figure(
        "ratio",
        "The ratio of the arms",
        f"People in each arm against those that chance should have brought, and of {ratio.slices_tested} slices those "
        "that fit least, their p-values corrected over all of them. Where it is off, nothing else can be trusted.",
        Table(columns, rows),
    )


def _segments(analysis: Analysis) -> Figure:
    unit = Unit.SHARE if analysis.primary[0].kind is MetricKind.PROPORTION else Unit.NUMBER
    columns = (
        Column("segment", "Segment"),
        Column("people", "People", Unit.COUNT),
        Column("value", "Value", unit),
        Column("control", "Control", unit),
        Column("difference", "Difference", unit),
        Column("low", "Interval from", unit),
        Column("high", "Interval to", unit),
        Column("p", "p, corrected", Unit.NUMBER),
        Column("shrunk", "Drawn to all", unit),
    )
    several = len(analysis.variants) > 2
    rows = tuple(
        (
            f"{one.name.replace('_', ' ')} {one.value}" + (f", {one.variant}" if several else ""),
            one.control.people + one.treated.people,
            one.treated.value,
            one.control.value,
            one.difference.value,
            one.difference.low,
            one.difference.high,
            one.adjusted_p,
            one.shrunk,
        )
        for one in analysis.segments
    )
    return Figure(
        "segments",
        "Segments: hypotheses, not findings",
        "The primary metric's randomised difference in parts of the people. Among many parts some stand out by chance: "
        "p-values are corrected over all of them (Benjamini and Hochberg). Drawn to all: what is left of a part's own "
        "difference after as much of it is taken off as chance explains.",
        Table(columns, rows),
        Bars("segment", ("difference",), *_ENDS, horizontal=True),
    )


def _counts(analysis: Analysis) -> Figure:
    rows = tuple((sentence,) for sentence in say_counts(analysis))
    return Figure(
        "counts",
        "What became of the rows",
        "Whatever was not used, or was put right, is counted here.",
        Table((Column("text", "What was read"),), rows),
        Sentences("text"),
    )
