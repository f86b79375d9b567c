"""The best moment for a nudge: the silence after an action from which on it is rather right than wrong.

At a silence of ``t`` seconds after an action at a stage, out of all such actions,

* ``silent(t)`` is the share after which nothing has come yet (Kaplan and Meier 1958, JASA 53: acting again is the
  event, the end of the log censors),
* ``leaving(t)`` the share of those silent ones that are about to leave: the mean of the model's ``leaving_soon``, read
  off real rows at that silence, and
* ``present(t)`` the share still there. The log cannot see this of people who leave. They are taken to stay as long as
  those who do act again take until they do: the survival of the gaps that end in an action.

A nudge at ``t`` reaches ``silent x leaving x present`` people who would leave and interrupts ``silent x (1 - leaving)``
who would not. The best moment reaches the most people among those at which ``leaving`` is at least a threshold. Waiting
makes a nudge right more often and finds fewer people there, so this is where the curve crosses the threshold, provided
that enough people are still silent by then. Maximising the difference of the two numbers instead has no use: as
leaving shows in silence alone, ``silent x leaving`` hardly changes and ``silent x (1 - leaving)`` falls as ``present``
does, so the difference is largest either at once or never, whatever an interruption is taken to cost.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import duckdb

from insights.pacing.curve import name_stage
from insights.pacing.silences import Grid

LEAST_MOMENTS = 50
"""A point of a curve is told from so many sampled moments on."""
LEAST_SILENT = 0.01
"""Where hardly anybody is silent that long, there is nobody to nudge."""
THRESHOLD = 0.5
"""From here on a nudge meets more people who are about to leave than people who would go on."""
_FOREVER = 1e12


@dataclass(frozen=True, slots=True)
class NudgePoint:
    """What a silence of so many seconds at a stage says.

    ``moments`` were sampled at that silence; ``leaving`` is the mean of ``leaving_soon`` over them, ``low`` and
    ``high`` the middle 80 % of them, ``observed`` the share that did leave soon (None where no end is known yet), and
    ``acting_again`` the hazard of the next action, per second from the point before until here. Where no model was
    asked, ``leaving`` is what was observed. ``reached`` and ``interrupted`` are shares of all actions at the stage.
    """

    stage: str | None
    idle_seconds: float
    moments: int
    leaving: float
    low: float
    high: float
    observed: float | None
    silent: float
    present: float
    acting_again: float

    @property
    def reached(self) -> float:
        """The share of actions after which a nudge reaches somebody who is about to leave and still there."""
        return self.silent * self.leaving * self.present

    @property
    def interrupted(self) -> float:
        """The share of actions after which a nudge interrupts somebody who would go on."""
        return self.silent * (1 - self.leaving)


@dataclass(frozen=True, slots=True)
class BestMoment:
    """The shortest silence (s) from which on a nudge is right often enough, and what it then meets, as shares."""

    idle_seconds: float
    leaving: float
    silent: float
    reached: float
    interrupted: float


@dataclass(frozen=True, slots=True)
class Nudge:
    """The curve of a stage with its best moment; None where the curve stays below the threshold.

    ``rises_fastest_seconds`` is the middle of the step in which the curve rises fastest per second.
    """

    stage: str | None
    best: BestMoment | None
    rises_fastest_seconds: float | None
    points: tuple[NudgePoint, ...]


def find_nudges(
    connection: duckdb.DuckDBPyConnection, stages: Sequence[str], grid: Grid, threshold: float = THRESHOLD
) -> tuple[Nudge, ...]:
    """Return the curve and the best moment of each stage that was seen often enough, in the order of the stages."""
    foreseen, silences = _foreseen(connection), _silences(connection, grid)
    nudges = []
    for index in sorted({stage for stage, _ in foreseen}):
        points = []
        for place, (idle, (silent, present, acting)) in enumerate(zip(grid, silences[index], strict=True)):
            if (index, place) not in foreseen or silent < LEAST_SILENT:
                break
            moments, leaving, low, high, observed = foreseen[index, place]
            stage = name_stage(stages, index)
            points.append(NudgePoint(stage, idle, moments, leaving, low, high, observed, silent, present, acting))
        if points:
            told = tuple(points)
            nudges.append(Nudge(told[0].stage, best_moment(told, threshold), _steepest(told), told))
    return tuple(nudges)


def best_moment(points: Sequence[NudgePoint], threshold: float) -> BestMoment | None:
    """Return where a curve first reaches the threshold, read off straight lines between its points."""
    if points[0].leaving >= threshold:
        return _between(points[0], points[0], 0.0)
    for before, after in pairwise(points):
        if after.leaving >= threshold:
            return _between(before, after, (threshold - before.leaving) / (after.leaving - before.leaving))
    return None


def silence_curve(acted: Sequence[int], censored: Sequence[int], grid: Grid) -> list[tuple[float, float, float]]:
    """Return the silent share, the present share and the hazard per second at each silence of the grid.

    ``acted[k]`` gaps ended by an action after more than ``grid[k - 1]`` and at most ``grid[k]`` seconds, and
    ``censored[k]`` were last watched then; a last number counts those beyond the grid.
    """
    at_risk, silent, waiting = sum(acted) + sum(censored), 1.0, sum(acted)
    found, before = [], 0.0
    for place, seconds in enumerate(grid):
        share = acted[place] / at_risk if at_risk else 0.0
        silent *= 1 - share
        waiting -= acted[place]
        at_risk -= acted[place] + censored[place]
        length = seconds - before
        found.append((silent, waiting / sum(acted) if sum(acted) else 0.0, share / length if length else 0.0))
        before = seconds
    return found


def _between(before: NudgePoint, after: NudgePoint, part: float) -> BestMoment:
    def at(one: float, other: float) -> float:
        return one + part * (other - one)

    leaving, silent = at(before.leaving, after.leaving), at(before.silent, after.silent)
    return BestMoment(
        idle_seconds=at(before.idle_seconds, after.idle_seconds),
        leaving=leaving,
        silent=silent,
        reached=silent * leaving * at(before.present, after.present),
        interrupted=silent * (1 - leaving),
    )


def _steepest(points: Sequence[NudgePoint]) -> float | None:
    slopes = [
        ((after.leaving - before.leaving) / (after.idle_seconds - before.idle_seconds), before, after)
        for before, after in pairwise(points)
    ]
    slope, before, after = max(slopes, key=lambda one: one[0], default=(0.0, points[0], points[0]))
    return (before.idle_seconds + after.idle_seconds) / 2 if slope > 0 else None


def _foreseen(
    connection: duckdb.DuckDBPyConnection,
) -> dict[tuple[int, int], tuple[int, float, float, float, float | None]]:
    """Per stage and tick: moments, the mean probability to leave soon, its middle 80 %, and how many did."""
    rows = connection.execute(
        f"""SELECT stage_index, tick, count(*) AS moments, avg(coalesce(leaving_soon, left_soon)) AS leaving,
            quantile_cont(leaving_soon, 0.1), quantile_cont(leaving_soon, 0.9), avg(left_soon)
        FROM silences GROUP BY ALL HAVING moments >= {LEAST_MOMENTS} AND leaving IS NOT NULL"""
    ).fetchall()
    return {
        (stage, tick): (moments, leaving, leaving if low is None else low, leaving if high is None else high, observed)
        for stage, tick, moments, leaving, low, high, observed in rows
    }


def _silences(connection: duckdb.DuckDBPyConnection, grid: Grid) -> defaultdict[int, list[tuple[float, float, float]]]:
    """Return by stage, at each silence, what :func:`silence_curve` says."""
    # A gap that ends exactly at a silence of the grid has ended by then.
    ends = ", ".join(f"({place}, {seconds}::DOUBLE)" for place, seconds in enumerate([*grid, _FOREVER]))
    rows = connection.execute(
        f"""WITH grid(tick, until) AS (VALUES {ends}), lasted AS (
            SELECT stage_index, coalesce(seconds, watched_seconds)::DOUBLE AS lasted, seconds IS NOT NULL AS acted
            FROM pace WHERE NOT is_end
        )
        SELECT stage_index, tick, count_if(acted), count_if(NOT acted)
        FROM lasted ASOF JOIN grid ON grid.until >= lasted.lasted GROUP BY ALL"""
    ).fetchall()
    acted = defaultdict[int, list[int]](lambda: [0] * (len(grid) + 1))
    censored = defaultdict[int, list[int]](lambda: [0] * (len(grid) + 1))
    for stage, tick, acts, stays in rows:
        acted[stage][tick], censored[stage][tick] = acts, stays
    nobody = [(0.0, 0.0, 0.0)] * len(grid)
    found = defaultdict[int, list[tuple[float, float, float]]](lambda: nobody)
    return found | {stage: silence_curve(acted[stage], censored[stage], grid) for stage in list(acted)}
