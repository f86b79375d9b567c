"""The moments at which a diagnosis is compared with the truth: a session's end, and where something could be done."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.build import build
from features.events import Cutoffs, EncodedLog, FloatArray, IntArray
from features.plan import STAGE_ENTERED, Plan
from journeys.ends import SessionEnds
from training.split import persons

DECISION_STAGE = 2
"""The third declared stage: by then there are traces, and mostly time to act."""
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Read:
    """Rows (R, F) read right after an event of the sessions (R,), and whose they are (R,)."""

    rows: FloatArray
    sessions: IntArray
    persons: IntArray

    def __len__(self) -> int:
        return len(self.sessions)

    def take(self, rows: BoolArray) -> "Read":
        """Return the chosen rows."""
        return Read(self.rows[rows], self.sessions[rows], self.persons[rows])


def at_session_end(plan: Plan, log: EncodedLog, ends: SessionEnds, sessions: BoolArray) -> Read:
    """Return each chosen session (S,) right after its last usable event; those that have none are left out."""
    chosen = np.flatnonzero(sessions & (ends.usable > 0))
    after = ends.usable[chosen]
    cutoffs = Cutoffs(chosen, after, log.at_us[log.starts[chosen] + after - 1])
    return Read(build(plan, log, cutoffs), chosen, persons(log)[chosen])


def at_decision_point(plan: Plan, log: EncodedLog, ends: SessionEnds, sessions: BoolArray) -> Read:
    """Return each chosen session (S,) right after the event that first enters the third stage or a later one.

    Sessions that get there never, or with an event that ends them, are left out.
    """
    entering = np.flatnonzero(plan.arrays.codes[log.codes, STAGE_ENTERED] >= DECISION_STAGE)
    first = np.append(entering, log.event_count)[np.searchsorted(entering, log.starts[:-1])]
    after = first - log.starts[:-1] + 1
    chosen = np.flatnonzero(sessions & (after <= ends.usable))
    cutoffs = Cutoffs(chosen, after[chosen], log.at_us[first[chosen]])
    return Read(build(plan, log, cutoffs), chosen, persons(log)[chosen])
