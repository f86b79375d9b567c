"""What is printed for people, the progress of long work, and the times that they write."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from features.read_log import ReadSummary

out = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """Print a line that is meant for people; addresses and names in it are never read as markup."""
    out.print(escape(text), soft_wrap=True)


def tell(summary: "ReadSummary", quarantine: Path) -> None:
    """Print what became of a log's rows, and where the refused ones are."""
    say(summary.describe())
    if summary.quarantined:
        say(f"The quarantined rows are in {quarantine}, each with its reason.")


@contextmanager
def telling(quarantine: Path) -> "Iterator[Callable[[ReadSummary], None]]":
    """Yield where to hand a log's summary; it is printed when the block ends, also by an error."""
    summaries: list[ReadSummary] = []
    try:
        yield summaries.append
    finally:
        for summary in summaries:
            tell(summary, quarantine)


def write_json(path: Path | None, content: Mapping[str, Any]) -> None:
    """Write a machine-readable result where one is wanted."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def moment_us(text: str) -> int:
    """Return a time in ISO 8601, in UTC where it names no zone, in microseconds.

    Raises ``features.log_files.LogError``.
    """
    from features.log_files import LogError

    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise LogError(f"{text!r} is no time; write it as 2026-03-17 or 2026-03-17T08:00") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6)


def day_of(text: str) -> date:
    """Return a day in ISO 8601; raises ``features.log_files.LogError``."""
    from features.log_files import LogError

    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise LogError(f"{text!r} is no day; write it as 2026-03-17") from error


@contextmanager
def progress() -> Iterator[Callable[[str, float], None]]:
    """Show one bar per phase of long work on a terminal, and nothing elsewhere."""
    bars = Progress(
        SpinnerColumn(finished_text="[green]✓[/green]"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TimeElapsedColumn(),
        console=errors,
        disable=not errors.is_terminal,
    )
    phases: dict[str, TaskID] = {}

    def finish() -> None:
        for task in phases.values():
            bars.update(task, total=1.0, completed=1.0)

    def report(phase: str, fraction: float) -> None:
        if phase not in phases:
            finish()
            phases[phase] = bars.add_task(escape(phase), total=None)
        # Until a fraction is known the bar only shows that something is going on.
        bars.update(phases[phase], total=1.0 if fraction else None, completed=fraction)

    with bars:
        yield report
        finish()


@contextmanager
def waiting(what: str) -> Iterator[Callable[[], None]]:
    """Show on a terminal that something is going on until the block ends, or what is yielded is called."""
    status = errors.status(escape(what))
    if errors.is_terminal:
        status.start()
    try:
        yield status.stop
    finally:
        status.stop()
