"""The vocabulary: which identities of a category a model knows, learnt in training and carried with the model."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numba
import numpy as np

from features.events import FloatArray, IntArray
from features.table import FeatureTable

UNKNOWN = 0.0
"""What an identity outside the vocabulary becomes."""


@dataclass(frozen=True)
class Vocabulary:
    """The known identities of each category column, ascending; the n-th (from 1) becomes the number n."""

    known: Mapping[int, FloatArray]

    @classmethod
    def learn(cls, table: FeatureTable, rows: FloatArray, min_count: int = 20) -> "Vocabulary":
        """Keep, per category, the identities that stand in at least ``min_count`` of the rows (R, F)."""
        known = {}
        for column, feature in enumerate(table.features):
            if feature.is_category:
                values = rows[:, column]
                identities, counts = np.unique(values[~np.isnan(values)], return_counts=True)
                known[column] = identities[counts >= min_count]
        return cls(known)

    @property
    def category_columns(self) -> tuple[int, ...]:
        """Columns that hold categories."""
        return tuple(self.known)

    def apply(self, rows: FloatArray) -> FloatArray:
        """Return a copy of the rows (R, F) with categories as 1..K, 0 for unknown ones and NaN for missing ones."""
        numbered = np.array(rows, np.float64, order="C")
        _number(numbered, *self._flat)
        return numbered

    @cached_property
    def _flat(self) -> tuple[IntArray, IntArray, FloatArray]:
        columns = np.array(tuple(self.known), np.int64)
        starts = np.cumsum([0, *(len(identities) for identities in self.known.values())], dtype=np.int64)
        return columns, starts, np.concatenate([np.empty(0), *self.known.values()])

    def to_json(self) -> dict[str, Any]:
        """Return plain lists; identities are numbers of at most 53 bits, which JSON keeps exactly."""
        return {str(column): identities.tolist() for column, identities in self.known.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Vocabulary":
        """Return the vocabulary that :meth:`to_json` described."""
        return cls({int(column): np.array(identities, np.float64) for column, identities in data.items()})


@numba.njit(cache=True)
def _number(rows: FloatArray, columns: IntArray, starts: IntArray, identities: FloatArray) -> None:
    for which in range(columns.shape[0]):
        column, known = columns[which], identities[starts[which] : starts[which + 1]]
        for row in range(rows.shape[0]):
            value = rows[row, column]
            if math.isnan(value):
                continue
            place = np.searchsorted(known, value)
            found = place < known.shape[0] and known[place] == value
            rows[row, column] = place + 1.0 if found else UNKNOWN
