"""Bins of a feature table: deciles of what a training saw, identities of its categories, and what is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numba
import numpy as np

from features.events import FloatArray, IntArray
from features.table import FeatureTable

QUANTILES = 10
MOST_IDENTITIES = 24
"""So many identities of a category, the most frequent, have bins of their own; an hour has 24."""


@dataclass(frozen=True)
class Bins:
    """For each of F features its ascending points: upper bounds of numeric bins, or identities of a category.

    A feature with k points has k + 2 bins: missing first, then those of the points, then what lies beyond them. The
    bins of all features stand in one row of ``count`` (B).
    """

    points: Sequence[FloatArray]
    categories: Sequence[bool]

    @classmethod
    def of(cls, table: FeatureTable, rows: FloatArray) -> "Bins":
        """Return the bins of raw rows (R, F): deciles of what is not missing, equal ones once."""
        points = [
            _identities(column[~np.isnan(column)]) if feature.is_category else _deciles(column[~np.isnan(column)])
            for feature, column in zip(table.features, rows.T, strict=True)
        ]
        return cls(points, [feature.is_category for feature in table.features])

    @cached_property
    def starts(self) -> IntArray:
        """(F + 1,) where each feature's bins begin; the last is how many bins there are."""
        return np.cumsum([0, *(len(points) + 2 for points in self.points)])

    @property
    def count(self) -> int:
        """How many bins there are in all."""
        return int(self.starts[-1])

    def slice(self, feature: int) -> slice:
        """Return where a feature's bins stand."""
        return slice(int(self.starts[feature]), int(self.starts[feature + 1]))

    def add(self, counts: IntArray, rows: FloatArray, cells: IntArray) -> None:
        """Count rows (R, F) into ``counts`` (C, B), each in its row ``cells`` (R,)."""
        _count(self._flat, self._flat_starts, self._is_category, self.starts, rows, cells, counts)

    @cached_property
    def _flat(self) -> FloatArray:
        return np.concatenate([*self.points, np.array([])]).astype(np.float64)

    @cached_property
    def _flat_starts(self) -> IntArray:
        return np.cumsum([0, *(len(points) for points in self.points)])

    @cached_property
    def _is_category(self) -> IntArray:
        return np.array(self.categories, np.int64)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists."""
        return {"points": [points.tolist() for points in self.points], "categories": list(self.categories)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Bins":
        """Return the bins that :meth:`to_json` described."""
        return cls(
            [np.array(points, np.float64) for points in data["points"]], [bool(is_) for is_ in data["categories"]]
        )


def _deciles(values: FloatArray) -> FloatArray:
    if not len(values):
        return np.array([])
    inner = np.arange(1, QUANTILES) / QUANTILES
    points = np.unique(np.quantile(values, inner, method="inverted_cdf"))
    # What was always the same has no deciles; any other value, on either side, lies outside.
    return np.array([np.nextafter(points[0], -np.inf), points[0]]) if values.min() == values.max() else points


def _identities(values: FloatArray) -> FloatArray:
    identities, counts = np.unique(values, return_counts=True)
    return np.sort(identities[np.argsort(-counts, kind="stable")[:MOST_IDENTITIES]])


@numba.njit(cache=True)
def _count(
    points: FloatArray,
    point_starts: IntArray,
    is_category: IntArray,
    bin_starts: IntArray,
    rows: FloatArray,
    cells: IntArray,
    counts: IntArray,
) -> None:
    for row in range(rows.shape[0]):
        cell = cells[row]
        for feature in range(rows.shape[1]):
            value = rows[row, feature]
            first, end = point_starts[feature], point_starts[feature + 1]
            place = 0
            if not np.isnan(value):
                low, high = first, end
                while low < high:
                    middle = (low + high) // 2
                    if points[middle] < value:
                        low = middle + 1
                    else:
                        high = middle
                place = low - first + 1
                if is_category[feature] and (low == end or points[low] != value):
                    place = end - first + 1
            counts[cell, bin_starts[feature] + place] += 1
