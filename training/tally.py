"""Labelled and scored rows counted, so that the figures of any number of them take bounded memory.

Rows of almost equal risk are added up. Up to ``MOST_ROWS`` are kept as they are; of more, those whose log-odds agree to
1 / ``STEPS_PER_UNIT`` become one, which stands at their mean risk and weighs as much as all of them. Tallies of the
parts of a log are joined by adding.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from decisions.calibration import SMALLEST_PROBABILITY, logit
from features.events import FloatArray, IntArray
from training.metrics import Block, measure

MOST_ROWS = 60_000
STEPS_PER_UNIT = 1024.0

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Tally:
    """Rows (K,) that each stand for ``weights`` like them, and how many rows, sessions and persons they are made of.

    ``abandoned`` and ``kept`` are the numbers of persons with rows of either label. Persons and sessions are counted in
    each part of a log, so a part has to hold whole ones.
    """

    labels: FloatArray
    risks: FloatArray
    weights: FloatArray
    row_count: int
    session_count: int
    person_count: int
    abandoned: int
    kept: int

    @classmethod
    def of(
        cls,
        labels: FloatArray,
        risks: FloatArray,
        sessions: IntArray,
        persons: IntArray | None = None,
        weights: FloatArray | None = None,
    ) -> "Tally":
        """Count rows (R,), each of weight one unless ``weights`` says otherwise."""
        whose = sessions if persons is None else persons
        condensed = _condense(labels, risks, np.ones(len(labels)) if weights is None else weights)
        of_either = (_distinct(whose[labels == outcome]) for outcome in (1, 0))
        return cls(*condensed, len(labels), _distinct(sessions), _distinct(whose), *of_either)

    @classmethod
    def join(cls, tallies: Iterable["Tally"]) -> "Tally":
        """Return the tally of all rows of the parts of a log."""
        parts = list(tallies)
        joined = (np.concatenate([getattr(part, name) for part in parts]) for name in ("labels", "risks", "weights"))
        counts = ("row_count", "session_count", "person_count", "abandoned", "kept")
        return cls(*_condense(*joined), *(sum(getattr(part, name) for part in parts) for name in counts))

    def measure(self) -> Block:
        """Return the figures of ``training.metrics.measure``."""
        block = measure(self.labels, self.risks, np.arange(len(self.labels)), self.weights)
        return {**block, "n_rows": self.row_count, "n_sessions": self.session_count}


def join_tallies(parts: Iterable[Mapping[Key, Tally]]) -> dict[Key, Tally]:
    """Return the tallies of all parts of a log by their keys, in the order in which these first come."""
    found = dict[Key, list[Tally]]()
    for part in parts:
        for key, tally in part.items():
            found.setdefault(key, []).append(tally)
            # Not one for each part: there may be many parts.
            found[key] = [Tally.join(found[key])]
    return {key: tally for key, [tally] in found.items()}


def _condense(labels: FloatArray, risks: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    if len(labels) <= MOST_ROWS:
        return labels, risks, weights
    clipped = np.clip(risks, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    step = np.floor(logit(clipped) * STEPS_PER_UNIT).astype(np.int64)
    # Both labels of a step stand at one risk: at the means of either, they would be sorted by chance.
    _, of_step = np.unique(step, return_inverse=True)
    with np.errstate(invalid="ignore"):
        means = np.bincount(of_step, weights * risks) / np.bincount(of_step, weights)
    _, first, place = np.unique(2 * of_step + (labels == 1), return_index=True, return_inverse=True)
    weight = np.bincount(place, weights, len(first)).astype(np.float64)
    return labels[first], means[of_step[first]], weight


def _distinct(numbers: IntArray) -> int:
    return len(np.unique(numbers))
