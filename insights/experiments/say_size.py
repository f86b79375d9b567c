"""A size in words and tables, for a terminal and a page."""

from collections.abc import Iterator

from insights.experiments.sizing import MetricKind, Sizing
from journeys.tables import FittedTable


def say_size(sizing: Sizing) -> Iterator[str]:
    """Yield what is to be known first: how many people, how long, and what the rule costs."""
    fixed, valid = sizing.fixed, sizing.always_valid
    yield (
        f"{fixed.per_arm:,} people in each of {fixed.arms} arms tell {write(sizing, fixed.treated)} from "
        f"{write(sizing, fixed.baseline)} with a power of {fixed.power:.0%}, looked at once, in the end"
        f"{in_days(fixed.days)}."
    )
    yield (
        f"Looked at every day and stopped as soon as it is clear: {valid.per_arm:,} at most{in_days(valid.days)}, "
        f"{valid.mean_per_arm:,} on average{in_days(valid.mean_days)} if the change is that large."
    )
    found = sizing.detectable
    if found is not None:
        yield (
            f"{found.days:g} days, {found.per_arm:,} people per arm, find a change of {_change(sizing, found.fixed)} "
            f"or more in the end, of {_change(sizing, found.always_valid)} or more when looked at every day."
        )


def size_table(sizing: Sizing) -> FittedTable:
    """Return the sizes of both rules side by side."""
    fixed, valid = sizing.fixed, sizing.always_valid
    headers = ("Rule", "Per arm", "In all", "Days", "On average")
    return FittedTable(
        "How many people",
        headers,
        [
            ("looked at once, in the end", f"{fixed.per_arm:,}", f"{fixed.total:,}", _days(fixed.days), "the same"),
            (
                "always valid: looked at every day",
                f"{valid.per_arm:,}",
                f"{valid.total:,}",
                _days(valid.days),
                f"{valid.mean_per_arm:,} per arm",
            ),
        ],
        numbers=headers[1:],
    )


def change_table(sizing: Sizing) -> FittedTable:
    """Return how many people smaller and larger changes need."""
    fixed = sizing.fixed
    headers = ("Change", "From", "To", "Looked at once", "Always valid")
    step = max(1, len(sizing.sizes) // 7)
    rows = []
    for one in sizing.sizes[::step]:
        treated = fixed.baseline + one.relative * (abs(fixed.baseline) or 1.0)
        cells = (write(sizing, fixed.baseline), write(sizing, treated), f"{one.fixed:,}", f"{one.always_valid:,}")
        rows.append((f"{one.relative:+.1%}" if fixed.baseline else f"{one.relative:+.3g}", *cells))
    return FittedTable("What other changes would need, per arm", headers, rows, numbers=headers)


def write(sizing: Sizing, value: float) -> str:
    """Return a value of the metric: rates in percent."""
    return f"{value:.2%}" if sizing.kind is MetricKind.PROPORTION else f"{value:,.4g}"


def in_days(days: int | None) -> str:
    """Return the days in brackets, nothing where they are not known."""
    return "" if days is None else f" ({days:,} day{'s' if days != 1 else ''})"


def _change(sizing: Sizing, value: float | None) -> str:
    if value is None:
        return "no size at all"
    if sizing.kind is MetricKind.PROPORTION:
        return (
            f"{100 * value:.2f} points ({value / sizing.fixed.baseline:.1%})"
            if sizing.fixed.baseline
            else f"{value:.2%}"
        )
    return f"{value:,.3g}"


def _days(days: int | None) -> str:
    return "-" if days is None else f"{days:,}"
