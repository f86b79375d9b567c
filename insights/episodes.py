"""A change while it lasts: what was found, what else at the stage moved with it, and when it was over."""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from features.events import FloatArray
from insights.change_point import ChangePoint, log_likelihood

SURE_OF_RETURN = float(np.log(100_000.0))
"""Evidence at which a rate counts as back where it was."""


class Direction(StrEnum):
    """Which way a rate moved."""

    RISE = "rise"
    FALL = "fall"


class Closing(StrEnum):
    """How a change ended."""

    RETURNED = "returned"
    """The rate is back where it was."""
    STAYED = "stayed"
    """It has lasted for so long that it is what is usual now."""
    MERGED = "merged"
    """The whole stage turned out to have moved."""


@dataclass(slots=True)
class Found:
    """A change of one cell's rate; steps are places in the counts."""

    cell: int
    direction: Direction
    change: ChangePoint
    detected: int
    """The step whose counts gave the alarm."""
    together: set[int] = field(default_factory=set)
    """Cohorts at the stage that gave an alarm in the same direction while it lasted."""
    closed: int | None = None
    how: Closing | None = None
    back: float = 0.0
    """Evidence that the rate has returned, since it was last certain that it has not."""

    @property
    def since(self) -> int:
        """The first step of the change."""
        return self.change.place


def has_returned(found: Found, entered: float, exited: float, rate: float, scale: float, ratio: float) -> bool:
    """Add a step's counts to the evidence that the rate is back, and return whether that is certain now.

    ``ratio`` is by how much the rate would have to stay away.
    """
    one: list[FloatArray] = [np.array([value]) for value in (entered, exited, rate, scale)]
    found.back = max(0.0, found.back - float(log_likelihood(one[0], one[1], one[2], one[3], ratio)[0]))
    return found.back >= SURE_OF_RETURN
