"""Experiments in words and tables: the list, and what a live one has come to."""

from collections.abc import Iterator, Sequence

from insights.experiments.explanation_trial import ExplanationTrial
from insights.experiments.life import Standing
from insights.experiments.live import LiveAnalysis
from insights.intervals import Estimate
from journeys.tables import FittedTable


def list_table(title: str, standings: Sequence[Standing]) -> FittedTable:
    """Return a row for each experiment: how far it has come."""
    rows = [
        (
            one.kept.name,
            one.kept.status.value,
            "-" if one.days is None else f"{one.days:.1f}",
            ", ".join(f"{name} {count:,}" for name, count in one.people.items()) if one.kept.started_us else "-",
            "-" if one.kept.planned_per_arm is None else f"{one.kept.planned_per_arm:,}",
            one.verdict or "-",
            one.plan.layer,
        )
        for one in standings
    ]
    headers = ("Experiment", "Status", "Days", "People", "Planned per variant", "Verdict", "Layer")
    return FittedTable(title, headers, rows, numbers=("Days", "Planned per variant"))


def say_live(found: LiveAnalysis) -> Iterator[str]:
    """Yield what is told beside a live experiment's analysis: who crossed over, and whether explanations are right."""
    if found.crossovers:
        yield f"{found.crossovers:,} users met several variants, on devices that were not known to be theirs."
    if found.trial is not None:
        yield from say_trial(found.trial)


def say_trial(trial: ExplanationTrial) -> Iterator[str]:
    """Yield what an explanation trial says of the explanations."""
    if trial.gap is None:
        yield "The gap between the named and the other blocker is not known yet: no pair has people both ways."
        return
    yield f"The gap of the randomised trial is {_points(trial.gap)}. {trial.reading}"
    if trial.plain_gap is not None:
        yield f"The two arms differ by {_points(trial.plain_gap)} as they are."


def _points(found: Estimate) -> str:
    return f"{100 * found.value:+.2f} points (95 % interval {100 * found.low:+.2f} to {100 * found.high:+.2f})"
