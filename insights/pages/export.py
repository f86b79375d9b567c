"""Figures as files: a table as CSV, pages as JSON."""

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

from insights.pages.figure import Page, Table, Value

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def to_csv(table: Table) -> str:
    """Return a table as CSV with a header of column names; values are as they are, not as people read them.

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
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value


def _finite(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value
