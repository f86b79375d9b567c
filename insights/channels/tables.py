"""Credit as people read it on a terminal: a table of all models side by side, and one of channels by stages."""

from collections.abc import Iterator

from insights.channels.contribution import Contribution
from insights.channels.credit import Credit
from journeys.tables import FittedTable

_FEW = 100
"""Of fewer conversions credits are shown with another digit."""


def contribution_tables(found: Contribution) -> Iterator[FittedTable]:
    """Yield the models side by side for the goal, the values, and for each stage what one model says."""
    goal, by = found.goal, found.by.capitalize()
    touched = {one.channel: one for one in goal.counts}
    headers = (by, "Touches", *(name.replace("_", " ") for name in goal.conversions))
    rows = [
        (
            channel,
            f"{touched[channel].touches:,}" if channel in touched else "-",
            *(_credit(credit[channel], goal.total) for credit in goal.conversions.values()),
        )
        for channel in goal.channels
    ]
    rows.append(("all", "", "", *(f"{goal.total:,}" for _ in goal.conversions)))
    title = f"{goal.total:,} times {goal.target}, credited to each {found.by}"
    yield FittedTable(title, headers, rows, numbers=headers[1:])
    if goal.total_value is not None:
        yield _table(f"Their value of {goal.total_value:,.2f}, credited alike", by, goal, value=True)
    for credit in found.stages:
        yield _table(f"{credit.total:,} sessions that got to {credit.target}", by, credit)


def _table(title: str, by: str, credit: Credit, *, value: bool = False) -> FittedTable:
    shown, total = (credit.values, credit.total_value) if value else (credit.conversions, credit.total)
    headers = (by, *(name.replace("_", " ") for name in shown))
    rows = [
        (name, *(f"{one[name]:,.0f}" if value else _credit(one[name], credit.total) for one in shown.values()))
        for name in credit.channels
    ]
    rows.append(("all", *(f"{total:,.0f}" for _ in shown)))
    return FittedTable(title, headers, rows, numbers=headers[1:])


def _credit(share: float, total: int) -> str:
    return f"{share:,.{2 if total < _FEW else 1}f}"
