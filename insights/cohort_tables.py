"""Cohorts as people read them on a terminal, and as a file holds them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from insights.associations import Association, Associations
from insights.cohort_pairs import Comparison
from insights.cohorts import Cohort, Cohorts, name_value
from insights.comparisons import Correction
from insights.contrasts import Contrast
from insights.intervals import Estimate
from journeys.tables import Cell, FittedTable

MOST_ROWS = 20
CAVEAT = (
    "These are associations: cohorts differ in more than their name, so that a difference between them does not say "
    "what would become of one if it were the other."
)
OF_ENDINGS = (
    "These cohorts are about how sessions ended, so all their sessions were abandoned: they are compared by where and "
    "with what people left, not by conversion."
)
MARKED = "* marks what differs by more than chance. "
STEPS = "What nobody went on without is a step of the way and left out; who stays longer in a stage does more in it."
_CORRECTED = {
    Correction.DISCOVERY: "of those called different, at most 5 % are chance in the mean (Benjamini and Hochberg)",
    Correction.EVERY: "that chance calls even one different has a probability of at most 5 % (Holm)",
    Correction.NONE: "each by itself, so that chance calls one in twenty different",
}
_FIGURES = {"conversion": "conversion", "abandonment": "abandonment", "revenue": "revenue a session", "seconds": "time"}


def cohort_tables(found: Cohorts) -> Iterator[FittedTable]:
    """Yield the cohorts, their exits stage by stage, and what sets each apart from all others."""
    name = found.dimension.replace("_", " ")
    of = f"{found.sessions:,} {'abandoned ' if found.is_ending else ''}sessions" if found.sessions else "Sessions"
    yield _overview(f"{of} by {name}", found)
    if found.is_ending:
        yield from _mixes(found)
    else:
        yield _exits(found)
    yield contrast_table(f"What sets a {name} apart from all others", found.against_rest)


def cohort_notes(found: Cohorts) -> Iterator[str]:
    """Yield what has to be known to read the tables."""
    if found.is_ending:
        yield OF_ENDINGS
    if found.hidden:
        yield (
            f"{found.hidden} are not shown: those with fewer than {found.least_visitors} visitors, and those from "
            "which their number could be worked out."
        )


def corrected(correction: Correction, comparisons: int) -> str:
    """Return how many comparisons there were, and what the correction promises."""
    return f"Differences are told from chance over {comparisons:,} comparisons: {_CORRECTED[correction]}."


def comparison_table(found: Comparison) -> FittedTable:
    """Return two cohorts side by side."""
    sizes = " and ".join(
        f"{cohort} ({sessions:,} {'abandoned ' if found.is_of_exits else ''}sessions)"
        for cohort, sessions in zip((found.one, found.other), found.sessions, strict=True)
    )
    left_out = f", without {found.in_both:,} in both" if found.in_both else ""
    return contrast_table(f"{sizes}{left_out}", found.contrasts, every=True, named=False)


def association_table(found: Associations, stage: str) -> FittedTable:
    """Return what goes with progress from a stage, the largest differences first."""
    rows = [_association(one) for one in found.findings[:MOST_ROWS]]
    headers = ("What", "When", "Sessions", "Went on", "Without it", "Difference", "95 %", "Ratio", "Chance")
    title = f"What goes with going on from {stage}: {found.sessions[stage]:,} sessions"
    return FittedTable(title, headers, rows, numbers=headers[2:], whole=("95 %",))


def contrast_table(
    title: str, contrasts: Sequence[Contrast], *, every: bool = False, named: bool = True
) -> FittedTable:
    """Return contrasts, one a row: all of them, or only what is more than chance, the surest first."""
    shown = list(contrasts) if every else [one for one in contrasts if one.is_finding]
    if not every:
        shown.sort(key=lambda one: (one.adjusted or 0.0, -abs(one.difference.value)))
    headers = (("Cohort",) if named else ()) + (
        "Figure",
        "Own",
        "Other",
        "Difference",
        "95 %",
        "Ratio",
        "Chance",
    )
    rows = [
        [*([one.one] if named else []), figure_name(one.kind, one.label), *_numbers(one)] for one in shown[:MOST_ROWS]
    ]
    return FittedTable(title, headers, rows, numbers=headers[2 if named else 1 :], whole=("95 %",))


def figure_name(kind: str, label: str) -> str:
    """Return how a figure of cohorts is written."""
    if kind == "exit":
        return f"exits at {label}"
    return _FIGURES.get(kind) or f"{kind.replace('_', ' ')}: {label}"


def write_chance(p_value: float | None) -> str:
    """Return a p-value with as many digits as say something."""
    if p_value is None:
        return "-"
    return "<.001" if p_value < 0.001 else f"{p_value:.3f}".removeprefix("0")


def write_time(seconds: float | None) -> str:
    """Return a duration in its largest unit."""
    if seconds is None:
        return "-"
    for name, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if abs(seconds) >= 2 * length:
            return f"{seconds / length:.1f} {name}"
    return f"{seconds:.0f} s"


def to_json(found: Cohorts | Comparison | Associations) -> dict[str, Any]:
    """Return the figures as JSON holds them."""
    return asdict(found)


def _overview(title: str, found: Cohorts) -> FittedTable:
    columns: dict[str, Callable[[Cohort], str]] = {
        found.dimension.replace("_", " ").capitalize(): lambda one: name_value(found.dimension, one.value),
        "Sessions": lambda one: f"{one.sessions:,}",
        "Visitors": lambda one: f"{one.visitors:,}",
        "Share": lambda one: _share(one.share),
    }
    if not found.is_ending:
        columns |= {"Conversion": lambda one: _share(one.conversion), "95 %": lambda one: _span(one.conversion)}
    if any(_is_competed(one) for one in found.cohorts):
        columns["Abandoned"] = lambda one: _share(one.abandonment)
    if any(one.revenue for one in found.cohorts):
        columns["Revenue"] = lambda one: _money(one.revenue.value) if one.revenue else "-"
    columns["Time"] = lambda one: write_time(one.seconds.value if one.seconds else None)
    if any(one.blocker for one in found.cohorts):
        columns["Blocker"] = lambda one: (
            f"{one.blocker.friction} {one.blocker.share_of_exits:.1%}" if one.blocker else "-"
        )
    rows = [[write(one) for write in columns.values()] for one in found.cohorts]
    if found.hidden:
        pooled = "-" if found.hidden_sessions is None else f"{found.hidden_sessions:,}"
        rows.append([f"{found.hidden} not shown", pooled, *("" for _ in range(len(columns) - 2))])
    headers = tuple(columns)
    numbers = tuple(header for header in headers[1:] if header != "Blocker")
    return FittedTable(title, headers, rows, numbers=numbers, whole=("95 %",))


def _is_competed(one: Cohort) -> bool:
    """Whether sessions of a cohort ended in a third way, so that abandonment is not just what conversion leaves."""
    return bool(one.conversion and one.abandonment and one.conversion.value + one.abandonment.value < 1 - 1e-9)


def _exits(found: Cohorts) -> FittedTable:
    stages = [stage.stage for stage in found.cohorts[0].stages] if found.cohorts else []
    rows = [
        [
            name_value(found.dimension, one.value),
            *(f"{_share(stage.exit_rate)} of {stage.reached:,}" if stage.reached else "-" for stage in one.stages),
        ]
        for one in found.cohorts
    ]
    headers = (found.dimension.replace("_", " ").capitalize(), *stages)
    return FittedTable("Exits at each stage, of those who reached it", headers, rows, numbers=headers[1:])


def _mixes(found: Cohorts) -> Iterator[FittedTable]:
    for kind in dict.fromkeys(mix.kind for one in found.cohorts for mix in one.mix):
        labels = list(dict.fromkeys(mix.label for one in found.cohorts for mix in one.mix if mix.kind == kind))
        rows = [
            [name_value(found.dimension, one.value), *(_share(mix.share) for mix in one.mix if mix.kind == kind)]
            for one in found.cohorts
        ]
        headers = (found.dimension.replace("_", " ").capitalize(), *labels)
        yield FittedTable(f"Their exits by {kind.replace('_', ' ')}", headers, rows, numbers=headers[1:])


def _association(one: Association) -> list[Cell]:
    return [one.what, str(one.when), f"{one.sessions_with:,}", *_numbers(one.contrast)]


def _numbers(one: Contrast) -> list[str]:
    write = {"seconds": write_time, "revenue": _money}.get(one.kind, _percent)
    points = {"seconds": write_time, "revenue": _money}.get(one.kind, _points)
    difference = one.difference
    return [
        write(one.of_one.value),
        write(one.of_other.value),
        points(difference.value),
        f"{points(difference.low)} to {points(difference.high)}",
        "-" if one.ratio is None else f"{one.ratio.value:.2f}",
        write_chance(one.adjusted) + ("*" if one.is_finding else ""),
    ]


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def _money(value: float) -> str:
    return f"{value:,.2f}"


def _share(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{estimate.value:.1%}"


def _span(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{estimate.low:.1%} to {estimate.high:.1%}"
