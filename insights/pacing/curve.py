"""Where interest rises and fades: how fast people act along a session, against what is normal for each step."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np

from features.events import FloatArray
from insights.intervals import median_ranks

MOST_ACTIONS = 20
"""So many actions from the start, and from the end, are told apart."""
LEAST_SESSIONS = 30
"""A point is told from so many sessions on."""


@dataclass(frozen=True, slots=True)
class StagePace:
    """How long people take between two actions at a stage: the median (s) with its interval, and the middle 80 %."""

    stage: str | None
    gaps: int
    median_seconds: float
    low_seconds: float
    high_seconds: float
    tenth_seconds: float
    ninetieth_seconds: float


@dataclass(frozen=True, slots=True)
class StepPace:
    """The normal gap between two events that follow each other at a stage."""

    stage: str | None
    event: str
    next_event: str
    gaps: int
    median_seconds: float
    tenth_seconds: float
    ninetieth_seconds: float


@dataclass(frozen=True, slots=True)
class PacePoint:
    """How long people took before an action, as a multiple of what is normal at that step.

    ``action`` counts from 1, the gap between the first action and the second; where ``from_end``, 1 is the gap before
    the last. ``ratio`` is the median over the sessions with its interval: below 1 people are quicker than usual, above
    it slower. ``own_ratio`` is the same against each visitor's own pace so far.
    """

    outcome: str
    from_end: bool
    action: int
    sessions: int
    ratio: float
    low: float
    high: float
    own_ratio: float


@dataclass(frozen=True, slots=True)
class Middle:
    """The middle of some values in ascending order: their median with its interval, and the middle 80 %."""

    count: int
    median: float
    low: float
    high: float
    tenth: float
    ninetieth: float

    @classmethod
    def of(cls, ordered: FloatArray) -> "Middle":
        """Return the middle of at least one value."""
        ranks = median_ranks(len(ordered)) or (1, len(ordered))
        low, high = (float(ordered[rank - 1]) for rank in ranks)
        tenth, median, ninetieth = (float(one) for one in np.quantile(ordered, (0.1, 0.5, 0.9)))
        return cls(len(ordered), median, low, high, tenth, ninetieth)


def stage_paces(connection: duckdb.DuckDBPyConnection, stages: Sequence[str]) -> tuple[StagePace, ...]:
    """Return the pace at each stage with enough gaps, in the order of the stages."""
    return tuple(
        StagePace(name_stage(stages, index), middle.count, *_seconds(middle))
        for (index,), middle in _middles(connection, "stage_index", "seconds", "seconds IS NOT NULL")
    )


def step_paces(connection: duckdb.DuckDBPyConnection, stages: Sequence[str]) -> tuple[StepPace, ...]:
    """Return the normal gap of each pair of events with enough of them: by stage, the commonest first."""
    found = [
        (index, StepPace(name_stage(stages, index), event, following, middle.count, *_spread(middle)))
        for (index, event, following), middle in _middles(
            connection, "stage_index, name, next_name", "seconds", "seconds IS NOT NULL"
        )
    ]
    return tuple(step for _, step in sorted(found, key=lambda one: (one[0], -one[1].gaps, one[1].event)))


def pace_curve(connection: duckdb.DuckDBPyConnection) -> tuple[PacePoint, ...]:
    """Return how the pace goes along sessions that reached the goal and along abandoned ones.

    The last gap before an end is the last that was seen: the silence in which somebody leaves has no length.
    """
    points = []
    for from_end in (False, True):
        # Of each session one gap counts at each place, so the values of a point are of different sessions.
        keys = f"outcome, {'gaps_left' if from_end else 'gap'}"
        gaps = "(SELECT outcome, pace.* FROM pace JOIN (SELECT session, outcome FROM sessions) USING (session))"
        told = f"{'gaps_left' if from_end else 'gap'} <= {MOST_ACTIONS} AND outcome IN ('goal', 'abandoned')"
        own = connection.execute(f"SELECT {keys}, median(own_deviation) FROM {gaps} WHERE {told} GROUP BY {keys}")
        own_of = {(outcome, action): median for outcome, action, median in own.fetchall()}
        for (outcome, action), middle in _middles(connection, keys, "deviation", told, gaps):
            ratio, low, high, own_ratio = (
                math.exp(one) for one in (middle.median, middle.low, middle.high, own_of[outcome, action])
            )
            points.append(PacePoint(outcome, from_end, action, middle.count, ratio, low, high, own_ratio))
    return tuple(points)


def name_stage(stages: Sequence[str], index: int) -> str | None:
    """Return a stage's name; None before the first."""
    return stages[index] if index >= 0 else None


def _middles(
    connection: duckdb.DuckDBPyConnection, keys: str, value: str, condition: str, relation: str = "pace"
) -> Iterator[tuple[tuple[Any, ...], Middle]]:
    table = connection.sql(
        f"SELECT {keys}, list({value} ORDER BY {value}) AS ordered FROM {relation} WHERE {condition} "
        f"GROUP BY {keys} HAVING count(*) >= {LEAST_SESSIONS} ORDER BY {keys}"
    ).to_arrow_table()
    ordered = table["ordered"]
    for place, row in enumerate(table.drop_columns("ordered").to_pylist()):
        yield tuple(row.values()), Middle.of(ordered[place].values.to_numpy(zero_copy_only=False))


def _seconds(middle: Middle) -> tuple[float, float, float, float, float]:
    return middle.median, middle.low, middle.high, middle.tenth, middle.ninetieth


def _spread(middle: Middle) -> tuple[float, float, float]:
    return middle.median, middle.tenth, middle.ninetieth
