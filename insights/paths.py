"""Paths: the last events before people leave, and what comes after an event; as sequences and as streams."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from features.events import IntArray
from insights.intervals import Estimate, estimate_share
from insights.walks import DAY_ZERO, OUTCOMES, Walks, tell_apart

STEPS = 3
OTHER = "other events"
LEFT = "left"
SAID = {"goal": "reached the goal", "abandoned": LEFT, "competing": "ended otherwise", "open": "still there"}
_NONE = -1
_MOST_NAMES = 6


@dataclass(frozen=True, slots=True)
class Path:
    """The last events of sessions before they were abandoned, in their order, and how many ended so.

    ``share`` is among the exits that were looked at. Shorter ones are whole sessions.
    """

    names: tuple[str, ...]
    count: int
    share: Estimate


@dataclass(frozen=True, slots=True)
class Link:
    """A stream of ``count`` sessions from one event to the next; places are counted, so that none runs in a circle."""

    source: str
    target: str
    count: int


@dataclass(frozen=True, slots=True)
class LastDay:
    """Of the ``exits`` of sessions that began on a local day, ``count`` had an event of this name as their last."""

    day: date
    name: str
    exits: int
    count: int
    share: Estimate | None


def paths_before_leaving(
    walks: Walks, stage_index: int | None = None, steps: int = STEPS, most: int = 20
) -> tuple[Path, ...]:
    """Return the commonest last ``steps`` events of abandoned sessions, of one furthest stage or of all."""
    tails = _tails(walks, _exits(walks, stage_index), steps)
    kinds, _, counts = tell_apart(tails, len(walks.names))
    found = []
    for place in np.argsort(-counts, kind="stable")[:most]:
        share = estimate_share(int(counts[place]), len(tails))
        if share is not None:
            names = tuple(walks.names[code] for code in kinds[place] if code != _NONE)
            found.append(Path(names, int(counts[place]), share))
    return tuple(found)


def links_before_leaving(walks: Walks, stage_index: int | None = None, steps: int = STEPS) -> tuple[Link, ...]:
    """Return the streams through the last ``steps`` events of abandoned sessions to leaving.

    ``-1 view_cart`` is a last event, ``-2 view_cart`` one before the last. Of each place the commonest names are told
    apart, the rest flow together.
    """
    tails = _tails(walks, _exits(walks, stage_index), steps)
    labels = [_labels(walks, tails[:, place], f"-{steps - place} ") for place in range(steps)]
    streams: Counter[tuple[str, str]] = Counter()
    for before, after in zip(labels, [*labels[1:], [LEFT] * len(tails)], strict=True):
        streams.update((source, target) for source, target in zip(before, after, strict=True) if source)
    return _links(streams)


def count_last_days(walks: Walks, most: int = _MOST_NAMES) -> tuple[LastDay, ...]:
    """Return how often each of the commonest last events was it on each day with an exit, by day and then name."""
    sessions = _exits(walks, None)
    last = walks.codes[walks.starts[sessions + 1] - 1] if len(sessions) else np.array([], np.int32)
    days, which = np.unique(walks.days[sessions], return_inverse=True)
    counts = np.zeros((len(days), len(walks.names)), np.int64)
    np.add.at(counts, (which.ravel(), last), 1)
    shown = sorted(np.argsort(-counts.sum(axis=0), kind="stable")[:most].tolist())
    return tuple(
        LastDay(
            day=DAY_ZERO + timedelta(days=int(day)),
            name=walks.names[code],
            exits=int(row.sum()),
            count=int(row[code]),
            share=estimate_share(int(row[code]), int(row.sum())),
        )
        for day, row in zip(days, counts, strict=True)
        for code in shown
        if counts[:, code].any()
    )


def links_after(walks: Walks, event: str, steps: int = STEPS) -> tuple[Link, ...]:
    """Return the streams from the first ``event`` of each session through the next ``steps`` events, or its end.

    ``+0 view_cart`` is the event itself, ``+1 view_cart`` the one after it. A session with fewer events flows into how
    it ended.
    """
    if event not in walks.names:
        return ()
    places = np.flatnonzero(walks.codes == walks.names.index(event))
    owners, firsts = np.unique(walks.owners[places], return_index=True)
    places = places[firsts]
    ends = walks.starts[owners + 1]
    ending = [SAID[OUTCOMES[outcome]] for outcome in walks.outcomes[owners].tolist()]
    before = [f"+0 {event}"] * len(places)
    streams: Counter[tuple[str, str]] = Counter()
    for step in range(1, steps + 1):
        there = places + step < ends
        codes = np.where(there, walks.codes[np.minimum(places + step, len(walks.codes) - 1)], _NONE)
        after = _labels(walks, codes, f"+{step} ")
        for place, (source, target) in enumerate(zip(before, after, strict=True)):
            if source:
                streams[source, target or ending[place]] += 1
        before = after
    return _links(streams)


def _exits(walks: Walks, stage_index: int | None) -> IntArray:
    chosen = walks.abandoned
    if stage_index is not None:
        chosen = chosen & (walks.furthest == stage_index)
    return np.flatnonzero(chosen)


def _tails(walks: Walks, sessions: IntArray, steps: int) -> IntArray:
    """Return (sessions, steps) the codes of the last events, -1 where a session has fewer."""
    ends = walks.starts[sessions + 1][:, None]
    places = ends - np.arange(steps, 0, -1)[None, :]
    inside = places >= walks.starts[sessions][:, None]
    if not len(walks.codes):
        return np.full((0, steps), _NONE, np.int64)
    return np.where(inside, walks.codes[np.maximum(places, 0)], _NONE).astype(np.int64)


def _labels(walks: Walks, codes: IntArray, prefix: str) -> list[str]:
    """Return what each code is called at its place; empty for none."""
    counts = np.bincount(codes[codes != _NONE], minlength=len(walks.names))
    shown = set(np.argsort(-counts, kind="stable")[:_MOST_NAMES].tolist())
    called = {code: prefix + (name if code in shown else OTHER) for code, name in enumerate(walks.names)}
    called[_NONE] = ""
    return [called[code] for code in codes.tolist()]


def _links(streams: Counter[tuple[str, str]]) -> tuple[Link, ...]:
    ordered = sorted(streams.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(Link(source, target, count) for (source, target), count in ordered)
