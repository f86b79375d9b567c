"""Tables of figures, and a session as it evolves, as a terminal shows them."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.text import Text

from console import terminal
from journeys.tables import Cell, FittedTable

if TYPE_CHECKING:
    from serving.replay import Step

_RISK_BAR = 5
_ROWS_AROUND_A_TABLE = 5
_COLUMNS = {
    "auc": "AUC",
    "ap": "AP",
    "log_loss": "Log loss",
    "brier": "Brier",
    "brier_skill": "Brier skill",
    "ece": "ECE",
    "base_rate": "Base rate",
}


def figures(title: str, evaluation: Mapping[str, Any]) -> Iterator[FittedTable]:
    """Return the tables of an evaluation: overall, by events, by stage and by cohort; then those of leaving soon."""
    overall = {"every prefix": evaluation, "each session once": evaluation["session_weighted"]}
    yield _blocks(title, "Rows", overall)
    yield _blocks("After so many events", "Events", evaluation["by_events"])
    yield _blocks("By the stage reached", "Stage", evaluation["by_stage"])
    yield _blocks("By cohort", "Cohort", evaluation["by_cohort"])
    if leaving := evaluation.get("leaving_soon"):
        title = f"Leaving within {leaving['within']}: against what knows less"
        measured = {"model": leaving, "idle time alone": leaving["idle_alone"], "base rate": leaving["base_rate_alone"]}
        yield _blocks(title, "Moments", measured)
        yield _blocks("Leaving soon, by the silence so far", "Idle", leaving["by_idle"])
        yield _blocks("Leaving soon, by the stage reached", "Stage", leaving["by_stage"])


def _blocks(title: str, first: str, blocks: Mapping[str, Mapping[str, Any]]) -> FittedTable:
    numbers = (*_COLUMNS.values(), "Prefixes", "Sessions")
    rows = list[tuple[Cell, ...]]()
    for name, block in blocks.items():
        rows.append(
            (
                # A cohort is "device=mobile" in files; with a blank it can be wrapped.
                name.replace("=", ": ", 1),
                *(_figure(block.get(column)) for column in _COLUMNS),
                f"{block['n_rows']:,}",
                f"{block['n_sessions']:,}",
            )
        )
        rows += _bounds(block.get("intervals", {}))
    return FittedTable(title, (first, *numbers), rows, numbers=numbers)


def _bounds(intervals: Mapping[str, Sequence[float] | None]) -> Iterator[tuple[Cell, ...]]:
    """Yield two rows, the lower and the upper ends of the figures' intervals, where there is any."""
    for place, end in enumerate(("from", "to")):
        bounds = [intervals.get(column) for column in _COLUMNS]
        if any(bounds):
            shown = ["" if bound is None else _figure(bound[place]) for bound in bounds]
            yield (Text(f"  {end}", "dim"), *(Text(figure, "dim") for figure in shown), "", "")


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def show_replay(steps: "Iterable[Step]", titles: Mapping[str, str] | None = None, pause_seconds: float = 0.0) -> None:
    """Show each session as a table that grows with its events; ``titles`` says more about some sessions."""
    for session_id, of_session in groupby(steps, key=lambda step: step.session.session_id):
        title = f"Session {session_id}" + (f": {titles[session_id]}" if titles and session_id in titles else "")
        seen = _watch(title, of_session, pause_seconds)
        terminal.out.print(session_table(title, seen))
        last = next((step.advice for step in reversed(seen) if step.advice is not None), None)
        if last is not None:
            terminal.out.print(Text(last.narrative))
        terminal.out.print()


def _watch(title: str, steps: "Iterable[Step]", pause_seconds: float) -> "list[Step]":
    """Show the latest steps that fit on the screen as they come, where there is one, and return them all."""
    if not terminal.out.is_terminal:
        return list(steps)
    seen: list[Step] = []
    with Live(console=terminal.out, refresh_per_second=12, transient=True) as live:
        for step in steps:
            seen.append(step)
            live.update(session_table(title, seen, latest=max(1, terminal.out.height - _ROWS_AROUND_A_TABLE)))
            time.sleep(pause_seconds)
    return seen


def session_table(title: str, steps: "Sequence[Step]", latest: int | None = None) -> FittedTable:
    """Return a session as it evolves: each event with the stage, the risk, the top blocker and the advice after it.

    What stands behind a blocker is told where it changes. ``latest`` leaves only so many rows.
    """
    rows, told = [], ""
    for step in steps:
        cells, told = _cells(step, told)
        rows.append(cells)
    headers = ("#", "Time", "Event", "Stage", "Risk", "Top blocker", "Recommendation")
    return FittedTable(
        title, headers, rows[-latest:] if latest else rows, numbers=("#", "Time"), whole=("Time", "Risk")
    )


def _cells(step: "Step", told: str) -> tuple[tuple[Cell, ...], str]:
    """Return a row, and the evidence that the reader knows by now."""
    seconds = (step.event.occurred_at_us - step.session.events[0].occurred_at_us) // 1_000_000
    place = (str(step.number), _elapsed(seconds), step.event.name)
    if step.advice is None:
        return (*place, "", "", "", Text("(ended)", "dim")), told
    advice = step.advice
    top = advice.blockers[0] if advice.blockers else None
    blocker: Cell = Text("none", "dim")
    if top is not None:
        phrase = top.evidence[0].phrase if top.evidence else ""
        blocker = f"{top.friction.lower()} {top.confidence:.0%}"
        blocker += f": {phrase}" if phrase and phrase != told else ""
        told = phrase
    advised = Text(f"({advice.reason.replace('_', ' ')})", "dim")
    if advice.recommendation is not None:
        advised = Text(advice.recommendation.intervention, "bold")
    return (*place, advice.stage or "-", _risk(advice.risk), blocker, advised), told


def _elapsed(seconds: int) -> str:
    days, hours, minutes = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60
    if days:
        return f"{days}d {hours:02}:{minutes:02}"
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


def _risk(risk: float) -> Text:
    filled = round(risk * _RISK_BAR)
    colour = "green" if risk < 1 / 3 else "yellow" if risk < 2 / 3 else "red"
    return Text.assemble(("█" * filled, colour), ("░" * (_RISK_BAR - filled), "dim"), f" {risk:.0%}")
