"""Tables whose words stay whole: each column gets the width that its words need, the rest goes to the narrowest."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

# The spaces that indent a line belong to its first word.
_WORD = re.compile(r"^\s*\S+|\S+", re.MULTILINE)
_WIDE_GAP, _GAP = 2, 1

Cell = str | Text


@dataclass(frozen=True)
class FittedTable:
    """A table that decides about its columns when it knows how wide the terminal is.

    Plain texts are shown as they are, brackets and all. Headers in ``numbers`` name columns that stand to the right;
    those in ``whole`` are never wrapped. Without headers there is no line above the rows.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    numbers: Collection[str] = field(default=())
    whole: Collection[str] = field(default=())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the title and the table for this width."""
        least, most = self._bounds()
        # Columns are parted by the gap, of which one character is the box's. A narrow one may spare every wrapped line.
        parts = len(least) - 1
        spared = sum(most) + _GAP * parts <= options.max_width < sum(most) + _WIDE_GAP * parts
        gap = _GAP if spared or sum(least) + _WIDE_GAP * parts > options.max_width else _WIDE_GAP
        widths = fit_widths(least, most, options.max_width - gap * parts)
        table = Table(
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, gap - 1, 0, 0),
            show_header=self._has_headers,
        )
        for header, width in zip(self.headers, widths, strict=True):
            table.add_column(
                Text(header), width=width, justify="right" if header in self.numbers else "left", overflow="fold"
            )
        for row in self.rows:
            table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
        if self.title:
            yield Text(self.title, "bold")
        yield table

    @property
    def _has_headers(self) -> bool:
        return any(self.headers)

    def _bounds(self) -> tuple[list[int], list[int]]:
        least, most = [], []
        for place, header in enumerate(self.headers):
            texts = [header, *(str(row[place]) for row in self.rows)]
            most.append(max(cell_len(line) for text in texts for line in (text.splitlines() or [""])))
            # Numbers need no more than their digits; a header above them is wrapped.
            if header in self.numbers:
                most[-1] = max(map(cell_len, [*texts[1:], *header.split()]))
            words = [word for text in texts for word in _WORD.findall(text)]
            least.append(most[-1] if header in self.whole else max(map(cell_len, words), default=1))
        return [max(1, width) for width in least], [max(1, width) for width in most]


def fit_widths(least: Sequence[int], most: Sequence[int], available: int) -> list[int]:
    """Return a width a column: never more than it can use, and the narrowest grow first.

    Where not even the longest words fit, the widest columns give way.

    >>> fit_widths([3, 5], [4, 40], 30)
    [4, 26]
    """
    widths = list(least)
    while sum(widths) < min(available, sum(most)):
        place = min((place for place in range(len(widths)) if widths[place] < most[place]), key=widths.__getitem__)
        widths[place] += 1
    while sum(widths) > max(available, len(widths)):
        widths[max(range(len(widths)), key=widths.__getitem__)] -= 1
    return widths
