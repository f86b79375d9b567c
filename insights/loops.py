"""Loops: where people go back and forth (A-B-A), and where they go round the same events again and again."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from features.events import IntArray
from insights.intervals import Estimate, estimate_share
from insights.walks import DAY_ZERO, OUTCOMES, Walks, tell_apart

LONGEST = 4


@dataclass(frozen=True, slots=True)
class Loop:
    """Events after which people are back where they were.

    Of a back-and-forth ``names`` are (A, B): A, then B, then A again. Of a cycle they are gone through at least twice
    in a row, and begin with the first in the alphabet. ``times`` is how often, ``sessions`` in how many sessions;
    ``exit_rate`` is the share of those, still open ones left out, that were abandoned, ``exit_rate_without`` the share
    among the other sessions in which any event of it came.
    """

    names: tuple[str, ...]
    times: int
    sessions: int
    exit_rate: Estimate | None
    exit_rate_without: Estimate | None


@dataclass(frozen=True, slots=True)
class LoopDay:
    """Sessions that began on a local day, and how many of them went back and forth at least once."""

    day: date
    sessions: int
    looping: int
    share: Estimate | None


def find_returns(walks: Walks, most: int = 20) -> tuple[Loop, ...]:
    """Return the commonest back-and-forths A-B-A of three events in a row, with A other than B."""
    places = _return_places(walks)
    return _told(walks, places, walks.codes[places[:, None] + np.arange(2)], most)


def find_cycles(walks: Walks, most: int = 20) -> tuple[Loop, ...]:
    """Return the commonest rounds of two to four events that come twice or more in a row.

    A round is told once for each time after the first; one that is itself a shorter round repeated is that shorter one.
    """
    found: list[Loop] = []
    owners = walks.owners
    for length in range(2, LONGEST + 1):
        count = len(walks.codes) - 2 * length + 1
        if count <= 0:
            continue
        same = walks.codes[: len(walks.codes) - length] == walks.codes[length:]
        again = np.ones(count, np.bool_)
        for place in range(length):
            again &= same[place : place + count]
        again &= owners[:count] == owners[2 * length - 1 :]
        for shorter in range(1, length):
            if length % shorter == 0:
                within = np.ones(count, np.bool_)
                for place in range(length - shorter):
                    within &= (
                        walks.codes[place : place + count] == walks.codes[place + shorter : place + shorter + count]
                    )
                again &= ~within
        places = _apart(np.flatnonzero(again), owners, length)
        rounds = walks.codes[places[:, None] + np.arange(length)]
        # A round has no beginning: B-C-A is A-B-C.
        rolled = np.stack([np.roll(rounds, -shift, axis=1) for shift in range(length)])
        ranks = np.zeros(rolled.shape[:2], np.int64)
        for place in range(length):
            ranks = ranks * len(walks.names) + rolled[:, :, place]
        if len(rounds):
            rounds = rolled[ranks.argmin(axis=0), np.arange(len(rounds))]
        found += _told(walks, places, rounds, most)
    return tuple(sorted(found, key=lambda loop: (-loop.sessions, -loop.times, loop.names))[:most])


def count_looping_days(walks: Walks) -> tuple[LoopDay, ...]:
    """Return how many of each day's sessions went back and forth."""
    looping = np.zeros(len(walks.days), np.bool_)
    looping[walks.owners[_return_places(walks)]] = True
    days, place = np.unique(walks.days, return_inverse=True)
    sessions, hits = np.bincount(place), np.bincount(place, weights=looping)
    return tuple(
        LoopDay(DAY_ZERO + timedelta(days=int(day)), int(count), int(hit), estimate_share(int(hit), int(count)))
        for day, count, hit in zip(days, sessions, hits, strict=True)
    )


def _return_places(walks: Walks) -> IntArray:
    codes, owners = walks.codes, walks.owners
    back = (codes[:-2] == codes[2:]) & (codes[:-2] != codes[1:-1]) & (owners[:-2] == owners[2:])
    return np.flatnonzero(back)


def _apart(places: IntArray, owners: IntArray, length: int) -> IntArray:
    """Return those of the places that begin a round, and not one that began at the place before and goes on."""
    if not len(places):
        return places
    # Places in a row belong to one run of rounds; of it every length-th begins another repetition.
    new = np.append(True, (np.diff(places) != 1) | (owners[places[1:]] != owners[places[:-1]]))
    begins = np.maximum.accumulate(np.where(new, places, 0))
    apart: IntArray = places[(places - begins) % length == 0]
    return apart


def _told(walks: Walks, places: IntArray, kinds: NDArray[np.int_], most: int) -> tuple[Loop, ...]:
    if not len(places):
        return ()
    owners = walks.owners[places]
    distinct, which, times = tell_apart(kinds, len(walks.names))
    pairs, _, _ = tell_apart(np.stack([which, owners], axis=1), len(walks.outcomes) + len(distinct))
    sessions = np.bincount(pairs[:, 0], minlength=len(distinct))
    is_open = walks.outcomes == OUTCOMES.index("open")
    came = np.zeros((len(walks.outcomes), len(walks.names)), np.bool_)
    came[walks.owners, walks.codes] = True
    told = []
    for kind in np.lexsort((-times, -sessions))[:most]:
        looping = np.zeros(len(walks.outcomes), np.bool_)
        looping[pairs[pairs[:, 0] == kind, 1]] = True
        had_any = came[:, distinct[kind]].any(axis=1)
        told.append(
            Loop(
                names=tuple(walks.names[code] for code in distinct[kind]),
                times=int(times[kind]),
                sessions=int(sessions[kind]),
                exit_rate=_exit_rate(walks, looping & ~is_open),
                exit_rate_without=_exit_rate(walks, had_any & ~looping & ~is_open),
            )
        )
    return tuple(told)


def _exit_rate(walks: Walks, chosen: NDArray[np.bool_]) -> Estimate | None:
    return estimate_share(int((chosen & walks.abandoned).sum()), int(chosen.sum()))
