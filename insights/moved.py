"""What else moved while a stage's exits did: events, blockers, who came, and how long people took."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
from scipy.stats import norm

from features.events import US_PER_SECOND
from features.scan import scans
from insights.counts import Cell, dimensions_watched
from insights.facts import Facts
from journeys.journey import Journey

LEARN_DAYS = 28
MOST = 8
"""So many of the things that moved are told, the surest first."""
_SHARE_OF_CHANCE = 0.05
_LEAST_SESSIONS = 30
_LEAST_RATIO, _LEAST_DIFFERENCE = 1.15, 0.005


class MovedKind(StrEnum):
    """What kind of thing moved."""

    EVENT = "event"
    """The share of the stage's sessions in which an event happens there."""
    BLOCKER = "blocker"
    """Expected exits for a friction, per session that reached the stage."""
    COHORT = "cohort"
    """The share of a cohort among those who reached the stage."""
    TIME = "time"
    """The typical seconds at the stage of those who went on: of those who leave, nobody knows how long they stayed."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One thing that moved, per session that reached the stage; ``inputs`` are the features that hear of it."""

    kind: MovedKind
    name: str
    before: float
    after: float
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Compared:
    moved: Moved
    z: float


def find_moved(facts: Facts, journey: Journey, cell: Cell, since_us: int, until_us: int) -> tuple[Moved, ...]:
    """Return what moved among the sessions that reached a cell's stage, against the four weeks before.

    Of the weeks before, the same hours of the day count. Each is tested as a difference of means between independent
    sessions, and what chance alone would show in one of twenty such lists is left out (Bonferroni), as are differences
    too small to matter.
    """
    with facts.connect() as connection:
        before, after = _choose(connection, facts, cell, since_us, until_us)
        if min(before, after) < _LEAST_SESSIONS:
            return ()
        compared = [
            *_events(connection, journey, cell, before, after),
            *_blockers(connection, cell, before, after),
            *_cohorts(connection, journey, cell, before, after),
            *_times(connection),
        ]
    limit = float(norm.isf(_SHARE_OF_CHANCE / 2 / max(len(compared), 1)))
    found = [one for one in compared if abs(one.z) >= limit and _matters(one.moved)]
    return tuple(one.moved for one in sorted(found, key=lambda one: -abs(one.z))[:MOST])


def _choose(
    connection: duckdb.DuckDBPyConnection, facts: Facts, cell: Cell, since_us: int, until_us: int
) -> tuple[int, int]:
    """Make the table ``reached`` of sessions before and during the change, and return how many there are of each."""
    since, until = (datetime.fromtimestamp(at / US_PER_SECOND, UTC) for at in (since_us, until_us))
    condition, values = "true", list[object]()
    if cell.cohort is not None:
        condition, values = f's."{cell.cohort[0]}" = ?', [cell.cohort[1]]
    connection.execute(
        f"""
        CREATE TEMP TABLE reached AS
        SELECT t.session, t.entered_at >= ? AS during, t.dwell_seconds, t.advanced
        FROM stages t JOIN sessions s USING (session)
        WHERE t.stage_index = ? AND t.entered_at >= ? AND t.entered_at < ? AND {condition}
          AND (t.entered_at >= ? OR ? OR hour(t.entered_at AT TIME ZONE ?) IN (SELECT unnest(?)))
        """,
        [
            since,
            cell.stage_index,
            since - timedelta(days=LEARN_DAYS),
            until,
            *values,
            since,
            until - since >= timedelta(days=1),
            facts.timezone,
            _hours(since_us, until_us, facts.timezone),
        ],
    )
    [(before, after)] = connection.execute(
        "SELECT count(*) FILTER (NOT during), count(*) FILTER (during) FROM reached"
    ).fetchall()
    return int(before), int(after)


def _hours(since_us: int, until_us: int, timezone: str) -> list[int]:
    zone, found = ZoneInfo(timezone), set[int]()
    for at in range(since_us, min(until_us, since_us + 86_400 * US_PER_SECOND), 900 * US_PER_SECOND):
        found.add(datetime.fromtimestamp(at / US_PER_SECOND, zone).hour)
    return sorted(found)


def _events(
    connection: duckdb.DuckDBPyConnection, journey: Journey, cell: Cell, before: int, after: int
) -> Iterator[_Compared]:
    rows = connection.execute(
        "SELECT e.name, count(DISTINCT e.session) FILTER (NOT r.during), count(DISTINCT e.session) FILTER (r.during) "
        "FROM events e JOIN reached r USING (session) WHERE e.stage_index = ? GROUP BY e.name ORDER BY e.name",
        [cell.stage_index],
    ).fetchall()
    for name, had, has in rows:
        if name in journey.events:
            yield _share(MovedKind.EVENT, name, had / before, has / after, before, after, _inputs(journey, name))


def _inputs(journey: Journey, event: str) -> tuple[str, ...]:
    return tuple(
        feature.name
        for feature in journey.features
        if any(event in scan.on.names for scan in scans(feature.expression))
    )


def _blockers(connection: duckdb.DuckDBPyConnection, cell: Cell, before: int, after: int) -> Iterator[_Compared]:
    rows = connection.execute(
        "SELECT b.friction, r.during, round(sum(b.confidence), 9), round(sum(b.confidence * b.confidence), 9) "
        "FROM blockers b JOIN reached r USING (session) WHERE b.stage_index = ? GROUP BY ALL ORDER BY ALL",
        [cell.stage_index],
    ).fetchall()
    sums = {(friction, during): (float(total), float(squares)) for friction, during, total, squares in rows}
    for friction in sorted({friction for friction, _ in sums}):
        (had, had_squares), (has, has_squares) = (sums.get((friction, during), (0.0, 0.0)) for during in (False, True))
        variance = had_squares / before**2 + has_squares / after**2
        if variance > 0:
            moved = Moved(MovedKind.BLOCKER, friction, had / before, has / after)
            yield _Compared(moved, (moved.after - moved.before) / float(np.sqrt(variance)))


def _cohorts(
    connection: duckdb.DuckDBPyConnection, journey: Journey, cell: Cell, before: int, after: int
) -> Iterator[_Compared]:
    for dimension in dimensions_watched(journey):
        if cell.cohort is not None and cell.cohort[0] == dimension:
            continue
        rows = connection.execute(
            f'SELECT s."{dimension}", count(*) FILTER (NOT during), count(*) FILTER (during) '
            f'FROM reached JOIN sessions s USING (session) WHERE s."{dimension}" IS NOT NULL GROUP BY 1 ORDER BY 1'
        ).fetchall()
        for value, had, has in rows:
            yield _share(MovedKind.COHORT, f"{dimension}={value}", had / before, has / after, before, after)


def _times(connection: duckdb.DuckDBPyConnection) -> Iterator[_Compared]:
    rows = connection.execute(
        "SELECT count(*), avg(ln(1 + dwell_seconds)), var_samp(ln(1 + dwell_seconds)) FROM reached "
        "WHERE advanced GROUP BY during ORDER BY during"
    ).fetchall()
    if len(rows) < 2 or min(row[0] for row in rows) < _LEAST_SESSIONS:
        return
    (before, had, had_variance), (after, has, has_variance) = rows
    variance = had_variance / before + has_variance / after
    if variance > 0:
        moved = Moved(MovedKind.TIME, "seconds at the stage", float(np.expm1(had)), float(np.expm1(has)))
        yield _Compared(moved, (has - had) / float(np.sqrt(variance)))


def _share(
    kind: MovedKind, name: str, had: float, has: float, before: int, after: int, inputs: Sequence[str] = ()
) -> _Compared:
    pooled = (had * before + has * after) / (before + after)
    variance = pooled * (1 - pooled) * (1 / before + 1 / after)
    z = (has - had) / float(np.sqrt(variance)) if variance > 0 else 0.0
    return _Compared(Moved(kind, name, had, has, tuple(inputs)), z)


def _matters(moved: Moved) -> bool:
    low, high = sorted((moved.before, moved.after))
    enough = moved.kind is MovedKind.TIME or high - low >= _LEAST_DIFFERENCE
    return enough and high >= _LEAST_RATIO * low
