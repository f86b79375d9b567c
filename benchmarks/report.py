"""What a benchmark hands back, and how it is shown."""

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure; ``bar`` is what it should reach, empty where nothing was promised."""

    what: str
    value: str
    bar: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one benchmark, and the command that measures them again."""

    title: str
    command: str
    figures: Sequence[Figure]


def as_table(report: Report) -> Table:
    """Return the report for a terminal."""
    table = Table(title=report.title, title_justify="left", box=None, pad_edge=False)
    for header in ("What", "Measured", "Bar"):
        table.add_column(header, overflow="fold")
    for figure in report.figures:
        table.add_row(figure.what, figure.value, figure.bar)
    return table


def write_page(reports: Iterable[Report], path: Path) -> None:
    """Write the reports as a page of Markdown that names the machine and the versions."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("lightgbm", "numba", "duckdb", "bentoml"))
    lines = [
        "# Measured",
        "",
        "Written by `make bench`. Times are of one shared machine: read the ratios, and measure on yours.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}; {os.cpu_count()} cores, {platform.machine()}; "
        f"Python {platform.python_version()}, {libraries}.",
    ]
    for report in reports:
        lines += ["", f"## {report.title}", "", f"`{report.command}`", "", "| what | measured | bar |", "|---|---|---|"]
        lines += [f"| {figure.what} | {figure.value} | {figure.bar} |" for figure in report.figures]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
