"""How a choice among policies is told."""

from decisions.off_policy.intervals import Interval
from training.uplift.choice import Choice

HEADERS = ("Policy", "Above nothing", "95 %", "Above Bayesian", "95 %", "Acts on", "First in")
NUMBERS = HEADERS[1:]


def rows(choice: Choice) -> list[tuple[str, ...]]:
    """Return a row for each way to decide, the simplest first."""
    return [
        (
            one.name,
            f"{one.over_nothing.value:+.3f}",
            _ends(one.over_nothing),
            f"{one.over_bayes.value:+.3f}",
            _ends(one.over_bayes),
            f"{one.acts:.0%}",
            f"{one.first:.0%}",
        )
        for one in choice.table
    ]


def _ends(interval: Interval) -> str:
    return f"{interval.low:+.3f} to {interval.high:+.3f}"
