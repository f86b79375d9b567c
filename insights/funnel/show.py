"""A funnel on a terminal: bars, shares with intervals, median times, and what it was broken down by."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from insights.funnel.declare import Attribution, CountBy, Order
from insights.funnel.result import FunnelResult, Group, StepCount
from insights.intervals import Estimate
from insights.pages.write import write_seconds
from journeys.tables import Cell, FittedTable

_BAR = 12
_GROUPS_SHOWN = 12
_DAYS_SHOWN = 31
_PEOPLE = {CountBy.VISITOR: "visitors", CountBy.USER: "users", CountBy.SESSION: "sessions"}


def show_funnel(result: FunnelResult) -> Iterator[FittedTable | str]:
    """Yield the tables of a result, and the sentences between them."""
    funnel, people = result.funnel, _PEOPLE[result.funnel.count_by]
    headers = ("Step", people.capitalize(), "", "Of all", "Of the step before", "Median time")
    rows = [_row(step, result.steps[0].count) for step in result.steps]
    yield FittedTable(
        f"Funnel of {people}, {funnel.order}",
        headers,
        rows,
        numbers=(people.capitalize(), "Median time"),
        whole=("", "Median time"),
    )
    yield _sentence(result, people)
    if result.groups:
        yield _groups(result, people)
        left_out = len(result.groups) - _GROUPS_SHOWN
        if left_out > 0:
            yield f"{left_out:,} smaller groups are not shown; --json has them."
    if len(result.days) > 1:
        yield _days(result)


def _row(step: StepCount, entered: int) -> tuple[Cell, ...]:
    filled = round(_BAR * step.count / entered) if entered else 0
    bar = Text.assemble(("█" * filled, "green"), ("░" * (_BAR - filled), "dim"))
    return (
        step.name + (" (optional)" if step.optional else ""),
        f"{step.count:,}",
        bar,
        _share(step.conversion) if step.step_conversion else "",
        _share(step.step_conversion) if step.step_conversion else "",
        write_seconds(step.time.median) if step.time else "",
    )


def _share(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    return f"{estimate.value:.1%} ({100 * estimate.low:.1f}-{100 * estimate.high:.1f})"


def _sentence(result: FunnelResult, people: str) -> str:
    sentences = ["In brackets 95 % intervals."]
    if result.time:
        sentences.append(f"From the first step to the last: median {write_seconds(result.time.median)}.")
    if result.excluded:
        sentences.append(f"{result.excluded:,} {people} are left out for an excluded event within their attempt.")
    if result.funnel.order is Order.UNORDERED:
        sentences.append("A step counts with all steps above it, in any order; times are since the attempt began.")
    return " ".join(sentences)


def _groups(result: FunnelResult, people: str) -> FittedTable:
    funnel = result.funnel
    told = {
        Attribution.FIRST: "first known value",
        Attribution.LAST: "last known value",
        Attribution.STEP: "each step by its own event's value",
        Attribution.ALL: "a funnel for each value",
    }[funnel.attribution]
    if funnel.attribution_step is not None:
        told = f"value at {funnel.steps[funnel.attribution_step].text}"
    names = [step.text for step in funnel.steps]
    rows = [_group(group, funnel.required[-1]) for group in result.groups[:_GROUPS_SHOWN]]
    headers = (str(funnel.by), *_distinct(names), "Of all")
    return FittedTable(f"{people.capitalize()} by {funnel.by}, {told}", headers, rows, numbers=headers[1:-1])


def _distinct(names: Sequence[str]) -> list[str]:
    return [f"{name} ({place})" if names.count(name) > 1 else name for place, name in enumerate(names, start=1)]


def _group(group: Group, last: int) -> tuple[Cell, ...]:
    value = "(none)" if group.value is None else group.value
    return (value, *(f"{step.count:,}" for step in group.steps), _share(group.steps[last].conversion))


def _days(result: FunnelResult) -> FittedTable:
    names = _distinct([step.text for step in result.funnel.steps])
    rows = [
        (
            day.day.isoformat() + ("" if day.hours == 24 else f" ({day.hours:g} hours)"),
            *(f"{count:,}" for count in day.counts),
            _share(day.conversion),
        )
        for day in result.days[-_DAYS_SHOWN:]
    ]
    title = f"By the day on which an attempt began ({result.funnel.timezone})"
    if len(result.days) > _DAYS_SHOWN:
        title += f", the last {_DAYS_SHOWN} days"
    return FittedTable(title, ("Day", *names, "Of all"), rows, numbers=names)
