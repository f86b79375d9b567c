"""Figures as files: a table as CSV, pages as JSON."""

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

from insights.pages.figure import Page, Table, Value

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
_DIGITS = 12
"""Threads add numbers in any order, so that the digits after these differ from one time to the next."""


def to_csv(table: Table) -> str:
    """Return a table as CSV with a header of column names; values have twelve digits, not those that people read.

    A text that a spreadsheet would take for a formula gets an apostrophe before it: whoever sends events chooses names.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow([column.name for column in table.columns])
    writer.writerows([[_cell(value) for value in row] for row in table.rows])
    return file.getvalue()


def to_json(pages: Sequence[Page]) -> dict[str, Any]:
    """Return all figures of some pages, each row an object of column names and values."""
    return {
        page.slug: {
            "title": page.title,
            "figures": {
                figure.name: {
                    "title": figure.title,
                    "definition": figure.definition,
                    "note": figure.note,
                    "columns": [
                        {"name": column.name, "label": column.label, "unit": str(column.unit)}
                        for column in figure.table.columns
                    ],
                    "rows": [
                        dict(zip((column.name for column in figure.table.columns), map(_finite, row), strict=True))
                        for row in figure.table.rows
                    ],
                }
                for figure in page.figures
            },
        }
        for page in pages
    }


def _cell(value: Value) -> Value:
    match value:
        case str():
            return f"'{value}" if value.startswith(_FORMULAS) else value
        case float():
            return _reproducible(value)
        case _:
            return value


def _finite(value: Value) -> Value:
    if not isinstance(value, float):
        return value
    return _reproducible(value) if math.isfinite(value) else None


def _reproducible(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")
