"""The playbook in words: metrics, effects with their interval and dates, and what an experiment taught."""

from collections.abc import Mapping

from insights.days import day_of
from insights.intervals import Estimate
from insights.playbook.names import name_tactic
from storage.playbook import Tactic, TacticEvidence

FEWER = "fewer_"
"""Before a metric of which less is better: evidence then tells how far it falls."""
_METRICS: Mapping[str, str] = {
    "goal": "the share that reaches the goal",
    "revenue": "revenue per person",
    "net_value": "net value per person",
    "dismissed": "the share that dismisses it",
    "goals_per_session": "goals per session",
}
_TOLD: Mapping[str, str] = {
    "ship": "it works",
    "stop": "it does not pay",
    "inconclusive": "it decides nothing",
    "invalid": "it counts for nothing",
}


def say_metric(metric: str) -> str:
    """Return what a metric is in words; one of which nothing is known keeps its name."""
    if metric.startswith(FEWER):
        return f"the fall of {say_metric(metric.removeprefix(FEWER))}"
    return _METRICS.get(metric, metric.replace("_", " "))


def say_rise(value: float, *, share: bool) -> str:
    """Return a rise with its sign: of a share in points, of anything else in the metric's unit."""
    return f"{100 * value:+.1f} points" if share else f"{value:+,.2f}"


def say_effect(effect: Estimate, *, share: bool) -> str:
    """Return a rise with its 95 % interval: ``+2.1 points (95% interval +0.8 to +3.4)``."""
    ends = [f"{100 * end:+.1f}" if share else f"{end:+,.2f}" for end in (effect.low, effect.high)]
    return f"{say_rise(effect.value, share=share)} (95% interval {ends[0]} to {ends[1]})"


def say_shortly(effect: Estimate, *, share: bool) -> str:
    """Return a rise with its interval for a narrow column: ``+2.1 (+0.8 to +3.4)``, of a share in points."""
    scale, digits = (100, 1) if share else (1, 2)
    value, low, high = (f"{scale * end:+,.{digits}f}" for end in (effect.value, effect.low, effect.high))
    return f"{value} ({low} to {high})"


def say_source(source: str) -> str:
    """Return what opened a tactic in words; alarms have no name that people know them by."""
    kind, _, name = source.partition(" ")
    return "an alarm" if kind == "alarm" else source if kind == "by" else f"the {kind} {name}"


def say_followed(tactic: Tactic) -> str:
    """Return what an experiment has made of a tactic."""
    learnt = f": {tactic.learning}" if tactic.learning and not tactic.experiment else "."
    return f"In the playbook {name_tactic(tactic)} is {tactic.status}{learnt}"


def say_period(found: TacticEvidence, timezone: str) -> str:
    """Return the days of an experiment."""
    return f"{day_of(found.from_us, timezone)} to {day_of(found.to_us, timezone)}"


def learn_from(found: TacticEvidence, timezone: str) -> str:
    """Return in a sentence what an experiment taught: a randomised estimate with interval, people and dates."""
    effect = say_effect(Estimate(found.effect, found.low, found.high), share=found.baseline is not None)
    return (
        f"Randomised experiment {found.experiment}, {say_period(found, timezone)}, {found.people:,} people: "
        f"{say_metric(found.metric)} changed by {effect}; {found.verdict}, "
        f"{_TOLD.get(found.verdict, 'as its verdict says')}."
    )
