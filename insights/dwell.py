"""How long people stay at an event or page until the next one, and how often it is their last."""

from dataclasses import dataclass

import numpy as np

from insights.intervals import Estimate, estimate_share
from insights.stages import Dwell, measure_dwell
from insights.walks import Walks


@dataclass(frozen=True, slots=True)
class Stay:
    """One kind of event, with the element it was about where that is known.

    It came ``times``; ``exits`` of these were the last events of abandoned sessions, ``exit_share`` is their share.
    ``dwell`` is the time to the next event of the session, which the last one has not.
    """

    name: str
    element: str | None
    times: int
    exits: int
    exit_share: Estimate | None
    dwell: Dwell | None


def measure_stays(walks: Walks, most: int = 30) -> tuple[Stay, ...]:
    """Return the commonest kinds of events, the most frequent first."""
    if not len(walks.codes):
        return ()
    last = walks.starts[1:] - 1
    until_next = np.append(walks.gap_seconds[1:], np.nan)
    until_next[last] = np.nan
    times = np.bincount(walks.thing_codes, minlength=len(walks.things))
    exits = np.bincount(walks.thing_codes[last[walks.abandoned]], minlength=len(walks.things))
    # Few things fit into small numbers, which NumPy sorts by counting.
    small = walks.thing_codes.astype(np.int16) if len(walks.things) < 2**15 else walks.thing_codes
    by_thing = until_next[np.argsort(small, kind="stable")]
    ends = np.cumsum(times)
    stays = []
    for thing in np.argsort(-times, kind="stable")[:most]:
        seconds = by_thing[ends[thing] - times[thing] : ends[thing]]
        name, element = walks.things[thing]
        stays.append(
            Stay(
                name=name,
                element=element,
                times=int(times[thing]),
                exits=int(exits[thing]),
                exit_share=estimate_share(int(exits[thing]), int(times[thing])),
                dwell=measure_dwell(seconds[~np.isnan(seconds)]),
            )
        )
    return tuple(stays)
