"""The explanation trial as a figure: whether treating the named blocker does more than treating another one."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from decisions.experiments import ExperimentPlan
from insights.experiments.explanation_trial import Reading
from insights.experiments.measures import measure_of
from insights.experiments.sizing import MetricKind
from insights.pages.figure import Bars, Column, Figure, Table, Unit, Value


def explanation_figures(plan: ExperimentPlan, trial: Mapping[str, Any]) -> list[Figure]:
    """Return the gap and what it is made of, from an explanation trial as it is kept with its experiment."""
    gap = trial.get("gap")
    is_share = measure_of(plan.primary_metric).kind is MetricKind.PROPORTION
    unit = Unit.SHARE if is_share else Unit.NUMBER
    columns = (
        Column("what", "What is compared"),
        Column("difference", "Difference", unit),
        Column("low", "From", unit),
        Column("high", "To", unit),
        Column("people", "People", Unit.COUNT),
    )
    people = dict(trial.get("people") or {})
    named, other = (trial.get(name) for name in ("named", "other"))
    rows: list[tuple[Value, ...]] = [
        ("named less other, in pairs", *_ends(gap), sum(people.values()) if gap else None),
        ("named less other, plainly", *_ends(trial.get("plain_gap")), None),
        *(
            (f"{title} less nothing", *_ends(effect["difference"]), effect["treated"]["people"])
            for title, effect in (("named blocker treated", named), ("another one treated", other))
            if effect
        ),
        *(
            (f"pair of {pair['first']} and {pair['second']}", *_ends(pair["gap"]), pair["people"])
            for pair in trial.get("pairs") or ()
        ),
    ]
    definition = (
        f"Randomised, on {plan.primary_metric.replace('_', ' ')}: in some the first named blocker was treated, in "
        "some another one that was named too, in some none. Were the names empty words, the first line would be "
        "nothing: what an intervention does to everybody cancels within each pair of blockers. Intervals of 95 %, "
        "each of one look; what is said above them goes by the rule of stopping."
    )
    return [
        Figure(
            "explanations",
            "Are the explanations right?",
            definition,
            Table(columns, tuple(rows)),
            Bars("what", ("difference",), "low", "high", horizontal=True),
            f"{trial.get('reading') or Reading.OPEN} {_dates(trial)}".strip(),
        )
    ]


def _dates(trial: Mapping[str, Any]) -> str:
    began, ended = trial.get("began_us"), trial.get("ended_us")
    if began is None or ended is None:
        return ""
    first, last = (datetime.fromtimestamp(us / 1e6, UTC).date() for us in (began, ended))
    return f"People first took part from {first} to {last}."


def _ends(estimate: Mapping[str, float] | None) -> tuple[Value, Value, Value]:
    return (estimate["value"], estimate["low"], estimate["high"]) if estimate else (None, None, None)
