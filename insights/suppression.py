"""Small groups are not shown, nor what would let somebody work them out from the totals."""

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from features.events import FloatArray, IntArray

MIN_CELL = 20
"""Groups of fewer visitors are hidden, unless ``DROPOFF_MIN_CELL`` says another number."""
_NOTHING = 1e-9

BoolArray = NDArray[np.bool_]


class SuppressionError(ValueError):
    """The least number of visitors cannot be understood; the text says what to write."""


def min_cell() -> int:
    """Return the least number of visitors of a group that is shown; raises :class:`SuppressionError`."""
    text = os.environ.get("DROPOFF_MIN_CELL", "")
    if not text:
        return MIN_CELL
    if not text.isascii() or not text.isdigit():
        raise SuppressionError(
            f"DROPOFF_MIN_CELL={text!r} is no number of visitors: write 0 to hide nothing, or {MIN_CELL}"
        )
    return int(text)


def hide_parts(visitors: Sequence[int], total: int, least: int) -> BoolArray:
    """Return which of the parts (n,) of a whole are hidden; the last of (n + 1,) says whether the total is, too."""
    relation = np.append(np.ones(len(visitors)), -1.0)[None]
    return protect(np.append(np.asarray(visitors, np.int64), total), relation, least)


def hide_cells(visitors: IntArray, least: int) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Return which cells (n, m) of a table, rows (n,) and columns (m,) are hidden, where its margins are known."""
    height, width = visitors.shape
    rows, columns = visitors.sum(axis=1), visitors.sum(axis=0)
    sizes = np.concatenate([visitors.ravel(), rows, columns, [visitors.sum()]])
    relations = np.zeros((height + width + 2, len(sizes)))
    cells = np.arange(height * width).reshape(height, width)
    for row in range(height):
        relations[row, cells[row]] = 1
        relations[row, cells.size + row] = -1
    for column in range(width):
        relations[height + column, cells[:, column]] = 1
        relations[height + column, cells.size + height + column] = -1
    relations[-2, cells.size : cells.size + height] = 1
    relations[-1, cells.size + height : -1] = 1
    relations[-2:, -1] = -1
    hidden = protect(sizes, relations, least)
    return (
        hidden[: cells.size].reshape(height, width),
        hidden[cells.size : cells.size + height],
        hidden[-1 - width : -1],
    )


def protect(sizes: IntArray, relations: FloatArray, least: int) -> BoolArray:
    """Return which of the numbers (n,) are hidden, so that no small one can be worked out from those shown.

    ``relations`` (m, n) are what everybody knows to be zero: 1 for a part, -1 for the sum of the parts. Small is a
    number above 0 and below ``least``; nobody is no secret. Further numbers are hidden, the smallest first, until the
    hidden parts of a shown sum are several and add up to ``least``, and no small number follows from all relations
    together (complementary suppression: Cox 1980, Journal of the American Statistical Association 75). This guards one
    view; somebody who compares views of several periods may still subtract them.
    """
    small = (sizes > 0) & (sizes < least)
    hidden = small.copy()
    sums: BoolArray = np.any(relations < 0, axis=0)
    # The sum of everything stands on every other page.
    can_be_hidden = (sizes > 0) & np.any(relations > 0, axis=0)
    while True:
        # Cells go before sums, near ones before far ones, small ones before large ones.
        spare = [
            (bool(sums[place]), distance, int(sizes[place]), place)
            for distance, exposed in enumerate(_exposed(sizes, relations, small, hidden, least))
            for place in np.flatnonzero((relations[exposed] != 0).any(axis=0) & can_be_hidden & ~hidden).tolist()
        ]
        if not spare:
            return hidden
        hidden[min(spare)[-1]] = True


def _exposed(
    sizes: IntArray, relations: FloatArray, small: BoolArray, hidden: BoolArray, least: int
) -> tuple[IntArray, ...]:
    """Return the relations that give a small number away, and then those by which it follows from afar."""
    if not hidden.any():
        return ()
    parts = (relations > 0) & hidden
    shown_sum = ~((relations < 0) & hidden).any(axis=1)
    too_few = shown_sum & parts.any(axis=1) & (parts @ sizes < least)
    places = np.flatnonzero(hidden)
    fixed = places[np.abs(_free_directions(relations[:, places])).max(axis=1, initial=0.0) < _NOTHING]
    if not small[fixed].any():
        return (np.flatnonzero(too_few),)
    near = (relations[:, fixed[small[fixed]]] != 0).any(axis=1)
    return np.flatnonzero(too_few | near), np.flatnonzero((relations[:, fixed] != 0).any(axis=1))


def _free_directions(relations: FloatArray) -> FloatArray:
    """Return a basis (n, k) of the ways in which the numbers can change and keep all relations."""
    _, values, rows = np.linalg.svd(relations, full_matrices=True)
    rank = int(np.sum(values > _NOTHING * max(1.0, values.max(initial=0.0))))
    basis: FloatArray = rows[rank:].T
    return basis
