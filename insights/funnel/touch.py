"""The first and last known value of a breakdown on a person's way, compiled."""

import numba
import numpy as np

from features.events import CodeArray, IntArray
from insights.funnel.kernel import NOWHERE, BitArray, PlaceArray

_compiled = numba.njit(cache=True, nogil=True)


@_compiled
def first_values(lows: IntArray, places: PlaceArray, values: CodeArray, bits: BitArray, steps: int) -> CodeArray:
    """Return (P,) the first known value among each person's events that take a step, up to the attempt's last.

    ``lows`` (P,) are where the persons' events begin, ``places`` (P, S) their attempts, ``steps`` the bits of steps.
    """
    found = np.full(len(lows), NOWHERE, np.int32)
    for person in range(len(lows)):
        for place in range(lows[person], places[person].max() + 1):
            if bits[place] & steps and values[place] >= 0:
                found[person] = values[place]
                break
    return found


@_compiled
def last_values(lows: IntArray, places: PlaceArray, values: CodeArray, bits: BitArray, steps: int) -> CodeArray:
    """Return (P,) the last known value, as :func:`first_values` the first."""
    found = np.full(len(lows), NOWHERE, np.int32)
    for person in range(len(lows)):
        for place in range(places[person].max(), lows[person] - 1, -1):
            if bits[place] & steps and values[place] >= 0:
                found[person] = values[place]
                break
    return found
