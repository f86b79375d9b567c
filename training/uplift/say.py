"""How a choice among policies is told."""

from decisions.off_policy.intervals import Interval
from training.uplift.choice import Choice, Weighed

HEADERS = ("Policy", "Above nothing", "95 %", "Acts on", "First in")
NUMBERS = HEADERS[1:]


def rows(choice: Choice) -> list[tuple[str, ...]]:
    """Return a row for each way to decide, the simplest first; blends of what was not chosen are left out."""
    return [
        (
            one.name,
            f"{one.over_nothing.value:+.3f}",
            _ends(one.over_nothing),
            f"{one.acts:.0%}",
            f"{one.first:.0%}",
        )
        for one in told(choice)
    ]


def told(choice: Choice) -> list[Weighed]:
    """Return the ways to decide that are worth a line: each by itself, and the blends of the chosen one."""
    chosen = "" if choice.recipe is None else choice.recipe.name
    return [one for one in choice.table if "% " not in one.name or one.name.partition("% ")[2] == chosen]


def _ends(interval: Interval) -> str:
    return f"{interval.low:+.3f} to {interval.high:+.3f}"
