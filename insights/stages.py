"""Stage by stage: how many sessions get there, how many are abandoned there, and how long they stay."""

from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features.events import FloatArray, IntArray
from insights.intervals import Estimate, estimate_share, median_ranks
from journeys.journey import Journey


@dataclass(frozen=True, slots=True)
class Dwell:
    """How long sessions stay, in seconds: of ``count`` the median with its 95 % interval of ranks, and quartiles.

    The ends are None with too few sessions.
    """

    count: int
    median: float
    low: float | None
    high: float | None
    lower_quartile: float
    upper_quartile: float


@dataclass(frozen=True, slots=True)
class StageCount:
    """One stage: of all sessions ``reached`` got there or further, ``exited`` were abandoned with it the furthest.

    ``open`` sessions are still there and ``competing`` ones ended there otherwise. ``exit_rate`` is the share of exits
    among those that are not open, ``advance_rate`` of those that got further or to the goal.
    """

    stage: str
    reached: int
    reached_share: Estimate | None
    advanced: int
    exited: int
    open: int
    competing: int
    exit_rate: Estimate | None
    advance_rate: Estimate | None
    dwell: Dwell | None
    dwell_of_exits: Dwell | None


@dataclass(frozen=True, slots=True)
class StageDay:
    """One stage on one local day of the sessions' starts; ``median_seconds`` is that of the stay, None for none."""

    day: date
    stage: str
    reached: int
    exited: int
    exit_rate: Estimate | None
    median_seconds: float | None


def count_stages(journey: Journey, connection: duckdb.DuckDBPyConnection) -> tuple[StageCount, ...]:
    """Return the journey's stages in their order, from the views of ``insights.facts``."""
    [(sessions,)] = connection.execute("SELECT count(*) FROM sessions").fetchall()
    found = {
        int(index): counts
        for index, *counts in connection.execute(
            "SELECT s.stage_index, count(*), count(*) FILTER (advanced), count(*) FILTER (exited), "
            "count(*) FILTER (outcome = 'open' AND s.stage_index = sessions.stage_index), "
            "count(*) FILTER (outcome = 'competing' AND s.stage_index = sessions.stage_index) "
            "FROM stages AS s JOIN sessions USING (session) WHERE s.stage_index >= 0 GROUP BY s.stage_index"
        ).fetchall()
    }
    stayed_in, seconds, left = _stays(connection)
    counted = []
    for index, stage in enumerate(journey.stages):
        reached, advanced, exited, still_open, competing = found.get(index, (0, 0, 0, 0, 0))
        decided = reached - still_open
        counted.append(
            StageCount(
                stage=stage.name,
                reached=reached,
                reached_share=estimate_share(reached, sessions),
                advanced=advanced,
                exited=exited,
                open=still_open,
                competing=competing,
                exit_rate=estimate_share(exited, decided),
                advance_rate=estimate_share(advanced, decided),
                dwell=measure_dwell(seconds[stayed_in == index]),
                dwell_of_exits=measure_dwell(seconds[(stayed_in == index) & left]),
            )
        )
    return tuple(counted)


def count_days(journey: Journey, connection: duckdb.DuckDBPyConnection) -> tuple[StageDay, ...]:
    """Return each stage on each day, the days in their order and on each the stages that a session reached."""
    rows = connection.execute(
        "SELECT local_day, s.stage_index, count(*), count(*) FILTER (exited), "
        "count(*) FILTER (outcome = 'open' AND s.stage_index = sessions.stage_index), "
        "quantile_cont(dwell_seconds, .5) FILTER (s.events > 0) "
        "FROM stages AS s JOIN sessions USING (session) WHERE s.stage_index >= 0 GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return tuple(
        StageDay(
            day=day,
            stage=journey.stages[index].name,
            reached=reached,
            exited=exited,
            exit_rate=estimate_share(exited, reached - still_open),
            median_seconds=median,
        )
        for day, index, reached, exited, still_open, median in rows
    )


def measure_dwell(seconds: FloatArray) -> Dwell | None:
    """Return what stays of so many seconds come to; None for none."""
    if not len(seconds):
        return None
    ascending = np.sort(seconds)
    ranks = median_ranks(len(seconds))
    lower, median, upper = (float(value) for value in np.quantile(ascending, (0.25, 0.5, 0.75)))
    low, high = (float(ascending[rank - 1]) for rank in ranks) if ranks else (None, None)
    return Dwell(len(seconds), median, low, high, lower, upper)


def _stays(connection: duckdb.DuckDBPyConnection) -> tuple[IntArray, FloatArray, NDArray[np.bool_]]:
    """Return stage, seconds and whether it was left for good, of each stay in a stage in which something happened."""
    found: pa.Table = connection.sql(
        "SELECT CAST(stage_index AS BIGINT) AS stage, dwell_seconds, exited FROM stages "
        "WHERE stage_index >= 0 AND events > 0 AND dwell_seconds IS NOT NULL"
    ).to_arrow_table()
    return found["stage"].to_numpy(), found["dwell_seconds"].to_numpy(), found["exited"].to_numpy()
