"""What labelled rows look like, and a digest of them, part by part: they need never be in memory together."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.events import FloatArray, IntArray
from features.table import FeatureTable

DIGEST_LETTERS = 16


@dataclass(frozen=True, slots=True)
class RowProfile:
    """Counts of rows (R, F) and sessions, a digest, and of each feature (F,) what is known of it.

    ``values`` are the distinct values of the categories, by column; ``digests`` those of the parts.
    """

    row_count: int
    session_count: int
    abandoned: float
    digests: tuple[str, ...]
    known: IntArray
    sums: FloatArray
    least: FloatArray
    most: FloatArray
    values: dict[int, FloatArray]

    @classmethod
    def of(cls, table: FeatureTable, features: FloatArray, labels: FloatArray, sessions: int) -> "RowProfile":
        """Return the profile of rows (R, F) of so many sessions."""
        known = ~np.isnan(features)
        categories = [column for column, feature in enumerate(table.features) if feature.is_category]
        return cls(
            len(labels),
            sessions,
            float(labels.sum()),
            (_digest(features, labels),) if len(labels) else (),
            known.sum(axis=0).astype(np.int64),
            np.sum(features, axis=0, where=known),
            np.min(features, axis=0, initial=np.inf, where=known),
            np.max(features, axis=0, initial=-np.inf, where=known),
            {column: np.unique(features[known[:, column], column]) for column in categories},
        )

    @classmethod
    def join(cls, parts: Sequence["RowProfile"]) -> "RowProfile":
        """Return the profile of the rows of all parts, of which no two share a session."""
        return cls(
            sum(part.row_count for part in parts),
            sum(part.session_count for part in parts),
            sum(part.abandoned for part in parts),
            tuple(digest for part in parts for digest in part.digests),
            np.sum([part.known for part in parts], axis=0),
            np.sum([part.sums for part in parts], axis=0),
            np.min([part.least for part in parts], axis=0),
            np.max([part.most for part in parts], axis=0),
            {column: np.unique(np.concatenate([part.values[column] for part in parts])) for column in parts[0].values},
        )

    @property
    def digest(self) -> str:
        """Return a digest of the labelled rows: another log, split or feature table gives another.

        That of rows in several parts is a digest of theirs.
        """
        whole = self.digests[0]
        if len(self.digests) > 1:
            whole = hashlib.sha256("".join(self.digests).encode()).hexdigest()
        return whole[:DIGEST_LETTERS]

    def to_json(self, table: FeatureTable) -> dict[str, Any]:
        """Return counts, the base rate, and each feature's missing share, mean, least and most.

        Of a category, whose keys are no quantities, only the number of values is told.
        """
        return {
            "num_rows": self.row_count,
            "num_elements": self.row_count * len(table.features),
            "num_sessions": self.session_count,
            "base_rate": self.abandoned / self.row_count,
            "features": {feature.name: self._column(column) for column, feature in enumerate(table.features)},
        }

    def _column(self, column: int) -> dict[str, float | int]:
        known = int(self.known[column])
        told: dict[str, float | int] = {"missing": 1 - known / self.row_count}
        if column in self.values:
            return told | {"values": len(self.values[column])}
        if not known:
            return told
        mean, least, most = float(self.sums[column]) / known, float(self.least[column]), float(self.most[column])
        return told | {"mean": mean, "min": least, "max": most}


def _digest(features: FloatArray, labels: FloatArray) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(features).data)
    digest.update(labels.tobytes())
    return digest.hexdigest()
