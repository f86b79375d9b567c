"""How many sessions reach each stage and how many are abandoned there, step by step, for everybody and by cohort.

A session counts at the step in which it reached the stage, whatever the hour at which it is left: so the exits of a
step are a part of its entries. What becomes of a session is known when it has gone on, or has been silent for the
session timeout. A step is *matured* when its sessions have had the time in which 99 of 100 leave the stage, and the
timeout after it; later steps are not looked at, or quick exits would not be known and quick progress would.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from features.events import US_PER_SECOND, IntArray
from features.table import CONTEXT_COLUMNS
from insights.calendar import Calendar, Step, make_calendar, step_for
from insights.facts import Facts
from insights.filters import Filters
from journeys.journey import Journey

LOOK_BACK_DAYS = {Step.HOUR: 84, Step.DAY: 1_096}
"""So many of a log's last days are looked at, however far it goes back."""
MOST_VALUES = 12
"""So many values of a dimension are watched, those of most sessions."""
_SETTLED = 0.99
_BUCKET_US = 900 * US_PER_SECOND


@dataclass(frozen=True, slots=True)
class Cell:
    """What is watched: a stage, of everybody or of one cohort, such as ``("device", "phone")``."""

    stage_index: int
    stage: str
    cohort: tuple[str, str] | None = None

    @property
    def cohort_text(self) -> str | None:
        """The cohort as it is written down, ``device=phone``; None for everybody."""
        return None if self.cohort is None else "=".join(self.cohort)


@dataclass(frozen=True, slots=True)
class Counts:
    """Entries and exits of C cells at T steps."""

    cells: tuple[Cell, ...]
    parent: IntArray
    """(C,) the place of the cell of the whole stage; -1 for that cell itself."""
    calendar: Calendar
    entered: IntArray
    """(C, T) sessions that reached the stage."""
    exited: IntArray
    """(C, T) those of them that were abandoned there."""
    matured: int
    """So many steps are known, from the first."""
    settle_us: int
    """How long after its end a step is known."""

    def known_us(self, step: int) -> int:
        """Return when it is known what became of the sessions of a step."""
        return int(self.calendar.starts_us[step + 1]) + self.settle_us


def dimensions_watched(journey: Journey) -> tuple[str, ...]:
    """Return by what cohorts are watched: what is known of a session before it can be abandoned."""
    return ("visitor_kind", *CONTEXT_COLUMNS, *journey.cohorts)


def read_counts(facts: Facts, journey: Journey, filters: Filters | None = None, *, cohorts: bool = True) -> Counts:
    """Return the counts of a journey's facts, of the sessions that the filters let through; stages only if wanted."""
    step = step_for(journey.session_timeout_seconds)
    first_us = max(facts.first_at_us, facts.last_at_us - LOOK_BACK_DAYS[step] * 86_400 * US_PER_SECOND)
    calendar = make_calendar(first_us, facts.last_at_us, step, journey.timezone)
    names = dimensions_watched(journey) if cohorts else ()
    columns = "".join(f's."{name}", ' for name in names)
    sets = "".join(f', (stage_index, bucket, "{name}")' for name in names)
    with facts.connect(filters) as connection:
        slowest = connection.execute(
            "SELECT max(q) FROM (SELECT quantile_cont(dwell_seconds, ?) AS q FROM stages WHERE stage_index >= 0 "
            "GROUP BY stage_index)",
            [_SETTLED],
        ).fetchone()
        # A session that is still open counts nowhere: it has neither gone on nor been abandoned.
        rows = connection.execute(
            f"""
            WITH reached AS (
                SELECT t.stage_index, epoch_us(t.entered_at) // {_BUCKET_US} AS bucket, {columns}
                       t.exited::INT AS exited
                FROM stages t JOIN sessions s USING (session)
                WHERE t.stage_index >= 0 AND epoch_us(t.entered_at) >= {int(calendar.starts_us[0])}
                  AND (t.advanced OR s.outcome <> 'open')
            )
            SELECT stage_index, bucket, {"".join(f'"{name}", ' for name in names)}
                   {"".join(f'grouping("{name}"), ' for name in names)} count(*), sum(exited)
            FROM reached GROUP BY GROUPING SETS ((stage_index, bucket){sets})
            """
        ).fetchall()
    dwell = float(slowest[0]) if slowest and slowest[0] is not None else 0.0
    settle_us = int((dwell + journey.session_timeout_seconds) * US_PER_SECOND)
    matured = int(np.searchsorted(calendar.starts_us[1:], facts.last_at_us - settle_us, side="right"))
    return _as_counts(rows, names, [stage.name for stage in journey.stages], calendar, matured, settle_us)


def _as_counts(
    rows: list[tuple[Any, ...]],
    names: tuple[str, ...],
    stages: list[str],
    calendar: Calendar,
    matured: int,
    settle_us: int,
) -> Counts:
    totals: dict[tuple[str, str], int] = {}
    read = []
    for row in rows:
        stage, bucket, values = int(row[0]), int(row[1]), row[2 : 2 + len(names)]
        grouped = row[2 + len(names) : 2 + 2 * len(names)]
        cohort = next(
            ((name, value) for name, value, one in zip(names, values, grouped, strict=True) if one == 0), None
        )
        if cohort is not None and cohort[1] is None:
            continue
        read.append((Cell(stage, stages[stage], cohort), bucket, int(row[-2]), int(row[-1])))
        if cohort is not None:
            totals[cohort] = totals.get(cohort, 0) + int(row[-2])
    chosen = [
        cohort
        for name in names
        for cohort in sorted((one for one in totals if one[0] == name), key=lambda one: (-totals[one], one))[
            :MOST_VALUES
        ]
    ]
    cells = tuple(Cell(place, stage, cohort) for cohort in (None, *chosen) for place, stage in enumerate(stages))
    place_of = {cell: place for place, cell in enumerate(cells)}
    entered, exited = np.zeros((2, len(cells), len(calendar)), np.int64)
    for cell, bucket, n, x in read:
        place = place_of.get(cell)
        at = calendar.place(bucket * _BUCKET_US)
        if place is not None and 0 <= at < len(calendar):
            entered[place, at] += n
            exited[place, at] += x
    parent = np.array([-1 if cell.cohort is None else place_of[Cell(cell.stage_index, cell.stage)] for cell in cells])
    return Counts(cells, parent, calendar, entered, exited, matured, settle_us)
