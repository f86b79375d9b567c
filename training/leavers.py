"""What a diagnosis learns from: moments right after an event, and whether the visitor left there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.build import build
from features.events import EncodedLog, FloatArray, IntArray
from features.plan import Plan
from journeys.ends import SessionEnds
from training.cutoffs import after_every_event
from training.split import persons

MOST_ROWS = 40_000
"""Of those who left, and of those who stayed, no more rows are looked at; some hundred parameters need no more."""


@dataclass(frozen=True, slots=True)
class Learning:
    """Rows (R, F) read right after an event, whether it was the last of an abandoned session, and whose it was.

    ``weights`` (R,) say how many rows of the log each stands for.
    """

    rows: FloatArray
    leaves: FloatArray
    weights: FloatArray
    persons: IntArray

    def take(self, rows: IntArray) -> "Learning":
        """Return the rows of these places, as often as they are named."""
        return Learning(self.rows[rows], self.leaves[rows], self.weights[rows], self.persons[rows])


def learning_rows(
    plan: Plan,
    log: EncodedLog,
    ends: SessionEnds,
    sessions: NDArray[np.bool_],
    standing_for: FloatArray | None = None,
    *,
    seed: int,
) -> Learning:
    """Return the rows of the chosen sessions (S,): after the last event of the abandoned ones, and after others.

    ``standing_for`` (S,) says how many sessions each stands for, by default itself alone. Of a session that is still
    open the latest event is left out: nobody knows yet whether it was the last.
    """
    every = after_every_event(log, np.where(sessions, ends.usable, 0))
    latest = every.after == ends.usable[every.session]
    left = latest & (ends.outcome[every.session] == 1)
    stayed = ~left & ~(latest & np.isnan(ends.outcome[every.session]))
    chances = [min(1.0, MOST_ROWS / max(int(group.sum()), 1)) for group in (left, stayed)]
    chance = np.where(left, chances[0], np.where(stayed, chances[1], 0.0))
    drawn = np.random.default_rng(seed).random(len(every)) < chance
    cutoffs = every.take(drawn)
    each = np.ones(log.session_count) if standing_for is None else standing_for
    return Learning(
        rows=build(plan, log, cutoffs),
        leaves=left[drawn].astype(np.float64),
        weights=each[cutoffs.session] / chance[drawn],
        persons=persons(log)[cutoffs.session],
    )
