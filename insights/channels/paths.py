"""Touches and what people reached, as paths: each ends in a conversion, or in none."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from features.events import FloatArray, IntArray

NONE = "none"
"""What is reached without any touch is credited to this name, and lost to no model."""


Window = tuple[int, int]
"""From a moment on until before another, in microseconds."""


@dataclass(frozen=True, slots=True)
class Touches:
    """``T`` touches in the order of person and time."""

    names: tuple[str, ...]
    """(K,) the channels, sources or campaigns, in the order of their names."""
    person: IntArray
    """(T,) a number for each person."""
    at_us: IntArray
    channel: IntArray
    """(T,) places in ``names``."""


@dataclass(frozen=True, slots=True)
class Conversions:
    """``C`` moments at which a person reached the goal or a stage, in any order, with what each is worth."""

    person: IntArray
    at_us: IntArray
    value: FloatArray


@dataclass(frozen=True, slots=True)
class Paths:
    """``P`` paths of touches; path ``p`` has the touches ``starts[p]:starts[p + 1]``, in order of time.

    The first paths belong to the conversions, in their order, and may be empty; the others ended without one.
    """

    names: tuple[str, ...]
    starts: IntArray
    """(P + 1,)"""
    channel: IntArray
    age_us: IntArray
    """Before the conversion; 0 where there is none."""
    value: FloatArray
    """(C,) what each conversion is worth."""

    @property
    def converted(self) -> NDArray[np.bool_]:
        """(P,) whether each path ended in a conversion."""
        return np.arange(len(self.starts) - 1) < len(self.value)

    @property
    def lengths(self) -> IntArray:
        """(P,) touches of each path."""
        return np.diff(self.starts)

    @property
    def owner(self) -> IntArray:
        """The path of each touch."""
        return np.repeat(np.arange(len(self.starts) - 1), self.lengths)


def build_paths(
    touches: Touches, conversions: Conversions, *, lookback_us: int, window_us: Window | None = None
) -> Paths:
    """Return a path for each conversion, of its person's touches in the lookback up to that moment, ends inclusive.

    A touch can stand in several paths: whoever buys twice within the lookback came by it both times. Touches that no
    conversion followed within the lookback form paths without one, none of which is longer than the lookback; those
    outside of the window, where one is given, are left out.
    """
    times = np.unique(touches.at_us)

    def place(person: IntArray, at_us: IntArray, side: Literal["left", "right"]) -> IntArray:
        """Where that moment of that person would stand among the touches."""
        rank = np.searchsorted(times, at_us, side)
        found: IntArray = np.searchsorted(keys, person * (len(times) + 1) + rank)
        return found

    keys = touches.person * (len(times) + 1) + np.searchsorted(times, touches.at_us)
    first = place(conversions.person, conversions.at_us - lookback_us, "left")
    last = place(conversions.person, conversions.at_us, "right")
    begun, over = (np.bincount(side, minlength=len(keys) + 1) for side in (first, last))
    loose = np.flatnonzero(np.cumsum(begun - over)[:-1] == 0)
    if window_us is not None:
        at_us = touches.at_us[loose]
        loose = loose[(at_us >= window_us[0]) & (at_us < window_us[1])]
    opens = loose[_openings(touches.person[loose], touches.at_us[loose], lookback_us)]
    lengths = np.concatenate((last - first, np.diff(np.append(np.searchsorted(loose, opens), len(loose)))))
    starts = np.concatenate(([0], np.cumsum(lengths)))
    of_conversions = int(starts[len(first)])
    rows = np.repeat(first - starts[: len(first)], last - first) + np.arange(of_conversions)
    age_us = np.repeat(conversions.at_us, last - first) - touches.at_us[rows]
    return Paths(
        names=touches.names,
        starts=starts,
        channel=np.concatenate((touches.channel[rows], touches.channel[loose])),
        age_us=np.concatenate((age_us, np.zeros(len(loose), np.int64))),
        value=conversions.value,
    )


def _openings(person: IntArray, at_us: IntArray, lookback_us: int) -> IntArray:
    """Return where a path begins: a person's first touch, and each that the path before is too old to hold."""
    size = len(person)
    opens = np.ones(size, np.bool_)
    opens[1:] = person[1:] != person[:-1]
    begins = np.flatnonzero(opens)
    while len(begins):
        # All paths that begin there at once; most people have one.
        owner = np.cumsum(opens) - 1
        since = at_us - at_us[np.flatnonzero(opens)][owner]
        late = since > lookback_us
        begins = np.flatnonzero(late & ~np.concatenate(([False], late[:-1] & ~opens[1:])))
        opens[begins] = True
    return np.flatnonzero(opens)
