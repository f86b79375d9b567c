"""The vocabulary: which identities of a category a model knows, learnt in training and carried with the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.events import FloatArray
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
        numbered = rows.copy()
        for column, identities in self.known.items():
            values = rows[:, column]
            place = np.searchsorted(identities, values)
            found = np.zeros(len(values), np.bool_)
            inside = place < len(identities)
            found[inside] = identities[place[inside]] == values[inside]
            numbered[:, column] = np.where(np.isnan(values), np.nan, np.where(found, place + 1.0, UNKNOWN))
        return numbered

    def to_json(self) -> dict[str, Any]:
        """Return plain lists; identities are numbers of at most 53 bits, which JSON keeps exactly."""
        return {str(column): identities.tolist() for column, identities in self.known.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Vocabulary":
        """Return the vocabulary that :meth:`to_json` described."""
        return cls({int(column): np.array(identities, np.float64) for column, identities in data.items()})
