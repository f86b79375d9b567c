"""Segments of people by what acting would do: sure things, persuadables, lost causes and sleeping dogs.

How many of each is not known, because effects are not: each draw of the posterior sorts the same decisions anew, and
the counts over draws are the posterior of the counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from decisions.bayes_policy import DRAWS, BayesPolicy
from decisions.logged import LoggedDecisions
from features.events import FloatArray, IntArray

HARM = 0.005
"""Rise of the goal's probability, absolute: below minus this, an intervention is said to drive people away."""
LEVEL = 0.95


class Segment(StrEnum):
    """What acting would do to somebody."""

    PERSUADABLE = "persuadables"
    SURE_THING = "sure things"
    LOST_CAUSE = "lost causes"
    SLEEPING_DOG = "sleeping dogs"


MEANINGS: Mapping[Segment, str] = {
    Segment.PERSUADABLE: "some intervention is worth more than it costs",
    Segment.SURE_THING: "none is, and most reach the goal anyway",
    Segment.LOST_CAUSE: "none is, and few reach the goal anyway",
    Segment.SLEEPING_DOG: "every one that may be shown makes the goal less likely",
}


@dataclass(frozen=True, slots=True)
class Count:
    """How many decisions belong to a segment: the mean over the posterior and its central 95 % interval."""

    segment: Segment
    expected: float
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Segments:
    """The segments of ``decisions`` decisions; ``passed_over`` are further ones, at which nothing could be shown.

    ``sure`` is the probability of the goal, with nothing shown, from which on somebody is a sure thing.
    ``nothing_works`` is the probability that no intervention does anything, in which case nobody can be persuaded.
    """

    counts: tuple[Count, ...]
    decisions: int
    passed_over: int
    sure: float
    nothing_works: float

    def to_json(self) -> dict[str, object]:
        """Return it as plain values."""
        return {
            "decisions": self.decisions,
            "passed_over": self.passed_over,
            "sure_from": self.sure,
            "harm_below": -HARM,
            "nothing_works": self.nothing_works,
            "level": LEVEL,
            "segments": {
                str(count.segment): {
                    "expected": count.expected,
                    "share": count.expected / self.decisions if self.decisions else None,
                    "low": count.low,
                    "high": count.high,
                }
                for count in self.counts
            },
        }


def count_segments(policy: BayesPolicy, logged: LoggedDecisions, *, sure: float | None = None) -> Segments:
    """Return how many logged decisions belong to each segment, as far as ``policy`` knows.

    Somebody is a sure thing from the probability ``sure`` on, by default where the journey's risk is low. Passed over
    are decisions at which nothing could be shown although the risk was not low, such as those of the holdout.
    """
    sure = 1.0 - policy.settings.low_risk if sure is None else sure
    told = (logged.eligible.sum(axis=1) > 1) | (1.0 - logged.risk >= sure)
    seen = logged.take(np.flatnonzero(told & ~np.isnan(logged.propensities).any(axis=1)))
    policy = replace(policy, width=1.0)
    by_draw = np.zeros((len(Segment), DRAWS), np.int64)
    idle = np.zeros(len(Segment), np.int64)
    for values, uplifts, untreated in policy.drawn_effects(seen):
        by_draw += _counted(_sort(values, uplifts, untreated, sure))
        # If nothing works, all that matters is who gets there without.
        sure_anyway = untreated.mean(axis=1) >= sure
        idle[_PLACE[Segment.SURE_THING]] += sure_anyway.sum()
        idle[_PLACE[Segment.LOST_CAUSE]] += (~sure_anyway).sum()
    idle_share = policy.posterior.nothing_works
    weights = np.append(np.full(DRAWS, (1.0 - idle_share) / DRAWS), idle_share)
    found = np.column_stack([by_draw, idle])
    counts = tuple(
        Count(segment, float(found[place] @ weights), *_interval(found[place], weights))
        for segment, place in _PLACE.items()
    )
    return Segments(counts, len(seen), len(logged) - len(seen), sure, idle_share)


_PLACE = {segment: place for place, segment in enumerate(Segment)}


def _sort(values: FloatArray, uplifts: FloatArray, untreated: FloatArray, sure: float) -> IntArray:
    """Return the place of each decision's segment in each draw (n, DRAWS).

    ``values`` and ``uplifts`` are those of each intervention (n, A - 1, DRAWS), -inf where it was not eligible.
    """
    highest = uplifts.max(axis=1)
    found = np.where(untreated >= sure, _PLACE[Segment.SURE_THING], _PLACE[Segment.LOST_CAUSE])
    found = np.where(np.isfinite(highest) & (highest < -HARM), _PLACE[Segment.SLEEPING_DOG], found)
    return np.where(values.max(axis=1) > 0, _PLACE[Segment.PERSUADABLE], found)


def _counted(places: IntArray) -> IntArray:
    return np.stack([(places == place).sum(axis=0) for place in range(len(Segment))])


def _interval(counts: IntArray, weights: FloatArray) -> tuple[int, int]:
    order = np.argsort(counts, kind="stable")
    reached = np.cumsum(weights[order])
    low, high = np.searchsorted(reached, [(1.0 - LEVEL) / 2, (1.0 + LEVEL) / 2 - 1e-12])
    last = len(counts) - 1
    return int(counts[order[min(low, last)]]), int(counts[order[min(high, last)]])
