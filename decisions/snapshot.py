"""The snapshot of a log: how features were distributed at each stage, how sessions ended, and how risks came true.

A model carries the one of the log that it was trained on; another log's is taken with the same bins and the same rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from decisions.bins import Bins
from decisions.exposure import EXPOSURES
from features.events import FloatArray, IntArray
from features.table import TREATMENT_PREFIX, FeatureTable

ARRAYS = ("counts", "risk_sums", "clusters", "session_clusters", "calibration", "reached", "left", "ends", "events")


@dataclass(frozen=True)
class Snapshot:
    """Sums over a log, with S stages ("before the first" included) and a row right after each event.

    Where a session is *matured*, it began long enough before the log's end for its end to be known.
    """

    bins: Bins
    counts: IntArray
    """(S * EXPOSURES, B) rows by stage and number of events (``decisions.exposure.cells``) and by bin."""
    risk_sums: FloatArray
    """(S * EXPOSURES,) sums of the predicted risks of these rows."""
    clusters: IntArray
    """(S + 1, 2) per stage, and over all: sums of the visitors' numbers of rows, and of their squares."""
    session_clusters: IntArray
    """(2,) the same of the visitors' numbers of sessions."""
    calibration: FloatArray
    """(S + 1, 4) per stage, and over all, of matured sessions: how many, sums of mean risk, label, squared gap."""
    reached: IntArray
    """(S,) matured sessions with a known end that got to the stage or beyond."""
    left: IntArray
    """(S,) those of them that were abandoned at it."""
    ends: IntArray
    """(3,) matured sessions abandoned, at a goal, and at a competing end."""
    events: IntArray
    """(E + 1,) sessions in which each of :func:`event_names` occurs."""
    sessions: int = 0
    first_at_us: int = 0
    last_at_us: int = 0
    value_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What the points of a category stand for, by feature, where the log tells; "" for one that it does not."""

    @classmethod
    def empty(cls, table: FeatureTable, bins: Bins) -> "Snapshot":
        """Return the snapshot of no sessions."""
        stages = len(table.stages) + 1
        return cls(
            bins,
            np.zeros((stages * EXPOSURES, bins.count), np.int64),
            np.zeros(stages * EXPOSURES),
            np.zeros((stages + 1, 2), np.int64),
            np.zeros(2, np.int64),
            np.zeros((stages + 1, 4)),
            np.zeros(stages, np.int64),
            np.zeros(stages, np.int64),
            np.zeros(3, np.int64),
            np.zeros(len(event_names(table)), np.int64),
        )

    @property
    def stage_counts(self) -> IntArray:
        """(S + 1, B) rows by stage and bin; the last row is over all stages."""
        by_stage = self.counts.reshape(-1, EXPOSURES, self.bins.count).sum(axis=1)
        return np.concatenate([by_stage, by_stage.sum(axis=0, keepdims=True)])

    @property
    def cell_rows(self) -> IntArray:
        """(S * EXPOSURES,) how many rows each cell has."""
        rows: IntArray = self.counts[:, self.bins.slice(0)].sum(axis=1)
        return rows

    @property
    def effective(self) -> FloatArray:
        """(S + 1,) as how many independent rows those of each stage, and all, count at least (Kish 1965).

        The rows of one visitor may be all alike, so they are taken for a cluster: (sum m)^2 / sum m^2.
        """
        sums, squares = self.clusters.T.astype(np.float64)
        return np.where(squares > 0, sums**2 / np.maximum(squares, 1.0), 0.0)

    @property
    def session_design(self) -> float:
        """As how many independent sessions one counts, since visitors come back; at most 1."""
        total, squares = self.session_clusters.tolist()
        return total / squares if squares else 1.0

    @property
    def span_days(self) -> float:
        """Days between the first event and the last."""
        return (self.last_at_us - self.first_at_us) / 86_400e6

    def fits(self, table: FeatureTable) -> bool:
        """Whether every array has the shape that the table's features, stages and events give it."""
        if len(self.bins.points) != len(table.features):
            return False
        blank = Snapshot.empty(table, self.bins)
        return all(getattr(self, name).shape == getattr(blank, name).shape for name in ARRAYS)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists; the counts of a cell as pairs of bin and count, since most are 0."""
        content: dict[str, Any] = {name: getattr(self, name).tolist() for name in ARRAYS}
        content["counts"] = [
            [number for place in np.flatnonzero(row) for number in (int(place), int(row[place]))] for row in self.counts
        ]
        moments = {"sessions": self.sessions, "first_at_us": self.first_at_us, "last_at_us": self.last_at_us}
        return {"bins": self.bins.to_json(), **content, **moments, "value_names": dict(self.value_names)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Snapshot":
        """Return the snapshot that :meth:`to_json` described."""
        bins = Bins.from_json(data["bins"])
        counts = np.zeros((len(data["counts"]), bins.count), np.int64)
        for row, pairs in zip(counts, data["counts"], strict=True):
            row[pairs[::2]] = pairs[1::2]
        arrays = {name: np.array(data[name]) for name in ARRAYS if name != "counts"}
        return cls(
            bins=bins,
            counts=counts,
            **arrays,
            sessions=int(data["sessions"]),
            first_at_us=int(data["first_at_us"]),
            last_at_us=int(data["last_at_us"]),
            value_names=data["value_names"],
        )


def event_names(table: FeatureTable) -> tuple[str | None, ...]:
    """Return the names that are counted: None for undeclared ones, then those that people cause."""
    return (None, *(name for name in table.events if not name.startswith(TREATMENT_PREFIX)))
