"""The pace of every action: how long until the next, against what is normal at that step and for that visitor.

Gaps are compared as logarithms, by medians and median absolute deviations, so that a coffee break moves nothing.
"""

from pathlib import Path

import duckdb

from features.table import TREATMENT_PREFIX
from journeys.journey import Journey

LEAST_GAPS = 30
"""A step's own normal pace is told from so many gaps on; below, that of the wider group stands for it."""
SHORTEST_SECONDS = 0.1
"""Events that were recorded together are taken to be this far apart: a logarithm needs a length."""
LEAST_SPREAD = 0.1
"""Where nearly all gaps are the same, a tenth more is not yet unusual."""
NORMAL_SPREAD = 1.4826
"""So many median absolute deviations are a standard deviation of a normal distribution."""
UNUSUAL = 2.0
"""A gap is unusually long from so many robust standard deviations on."""
THIRD_TIME, SECOND_TIME = 3, 2
_CLIP = 3.0
PAUSE, REPEAT, OSCILLATION, CORRECTION = "pause", "repeat", "oscillation", "correction"


def write_pace(connection: duckdb.DuckDBPyConnection, journey: Journey, out: Path) -> None:
    """Write a row for each action of the relations ``events`` and ``sessions`` up to a session's end.

    Columns: ``session, place, occurred_at, stage_index, name, element``; what came next and after how long
    (``next_name, seconds``; null after the last action); the normal gap there (``normal_seconds``); ``deviation``, the
    logarithm of the gap over the normal one; ``own_deviation``, the same against the visitor's own pace; ``is_end``;
    ``gap`` and ``gaps_left``, which gap of the session it is from either end, from 1;
    ``watched_seconds``, how long a silence after the last action could be watched; and ``hesitation``, null for most.

    The normal gap is the median of the pair of events at that stage; where it has fewer than 30 gaps, that of the
    event, of the stage, or of all. The visitor's own pace is the mean of the deviations so far, in earlier sessions
    too, shrunk towards none by the ratio of the variances within and between visitors (one-way random effects; Searle,
    Casella and McCulloch 1992, Variance Components, chapter 3).
    """
    target = str(out).replace("'", "''")
    _create_steps(connection, journey)
    _create_deviations(connection)
    weight = _shrinkage(connection)
    connection.execute(
        f"""COPY (
            WITH own AS (
                SELECT *, deviation - coalesce(sum(clipped) OVER before, 0)
                    / (count(clipped) OVER before + {weight}) AS own_deviation
                FROM pace_deviations
                WINDOW before AS (PARTITION BY visitor_id ORDER BY occurred_at, session, place
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            )
            SELECT session, place, occurred_at, stage_index, name, element, next_name, seconds,
                exp(normal) AS normal_seconds, deviation, own_deviation, watched_seconds, is_end,
                CASE WHEN seconds IS NOT NULL THEN gap END AS gap,
                CASE WHEN seconds IS NOT NULL THEN gaps_left END AS gaps_left,
                CASE
                    WHEN times_edited >= {SECOND_TIME} THEN '{CORRECTION}'
                    WHEN times_seen >= {THIRD_TIME} THEN '{REPEAT}'
                    WHEN to_and_fro THEN '{OSCILLATION}'
                    WHEN least(deviation, own_deviation) / spread >= {UNUSUAL} THEN '{PAUSE}'
                END AS hesitation
            FROM own ORDER BY session, place
        ) TO '{target}' (FORMAT parquet)"""
    )
    for name in ("pace_steps", "pace_deviations"):
        connection.execute(f"DROP TABLE {name}")


def _create_steps(connection: duckdb.DuckDBPyConnection, journey: Journey) -> None:
    """The visitor's own actions with what came next: nothing that was shown to them, and nothing after the end."""
    ends = _listed(journey.ends.all_names)
    # A place: an event about something in particular, or one that enters a stage. A scroll is none.
    places = [name for stage in journey.stages for name in stage.filter.names]
    located = f"(element IS NOT NULL OR name IN ({_listed(places)}))"
    edits = f"coalesce(name IN ({_listed(journey.edits)}), false)"
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE pace_steps AS
        WITH acted AS (
            SELECT *, name IN ({ends}) AS is_end,
                count(*) FILTER (name IN ({ends})) OVER (PARTITION BY session ORDER BY place
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS ended
            FROM events WHERE NOT starts_with(name, '{TREATMENT_PREFIX}')
        ), marked AS (
            SELECT *, {located} AS located, name || chr(31) || coalesce(element, '') AS target, {edits} AS edits,
                (SELECT max(occurred_at) FROM events) AS log_end
            FROM acted WHERE ended = 0
        )
        SELECT session, visitor_id, place, occurred_at, stage_index, name, element, is_end,
            lead(name) OVER along AS next_name,
            -- greatest() passes over nulls, so that a last action would seem to be followed at once.
            CASE WHEN next_name IS NOT NULL THEN greatest(
                date_diff('microsecond', occurred_at, lead(occurred_at) OVER along) / 1e6, {SHORTEST_SECONDS}
            ) END AS seconds,
            row_number() OVER along AS gap,
            count(*) OVER (PARTITION BY session) - row_number() OVER along AS gaps_left,
            least(date_diff('microsecond', occurred_at, log_end) / 1e6, {journey.session_timeout_seconds})
                AS watched_seconds,
            CASE WHEN edits THEN row_number() OVER again END AS times_edited,
            CASE WHEN located AND NOT edits THEN row_number() OVER again END AS times_seen,
            coalesce(located AND lag(located) OVER along AND target = lag(target, 2) OVER along
                AND target <> lag(target) OVER along, false) AS to_and_fro
        FROM marked JOIN (SELECT session, visitor_id FROM sessions) USING (session)
        WINDOW along AS (PARTITION BY session ORDER BY place),
            again AS (PARTITION BY session, stage_index, target ORDER BY place)"""
    )


def _create_deviations(connection: duckdb.DuckDBPyConnection) -> None:
    levels = {
        "pair": ("stage_index", "name", "next_name"),
        "event": ("stage_index", "name"),
        "stage": ("stage_index",),
        "everything": (),
    }
    normals = ", ".join(f"{level} AS ({_normal_of(keys)})" for level, keys in levels.items())
    joins = " ".join(
        f"LEFT JOIN {level} ON {' AND '.join(f'{level}.{key} = steps.{key}' for key in keys) or 'true'}"
        for level, keys in levels.items()
    )
    normal = f"coalesce({', '.join(f'{level}.normal' for level in levels)})"
    spread = f"coalesce({', '.join(f'{level}.spread' for level in levels)})"
    deviation = f"ln(seconds) - {normal}"
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE pace_deviations AS
        WITH {normals}
        SELECT steps.*, {normal} AS normal, {spread} AS spread, {deviation} AS deviation,
            CASE WHEN seconds IS NOT NULL
                THEN least(greatest({deviation}, -{_CLIP} * {spread}), {_CLIP} * {spread}) END AS clipped
        FROM pace_steps AS steps {joins}"""
    )


def _normal_of(keys: tuple[str, ...]) -> str:
    named, grouped = ", ".join(keys), f"GROUP BY {', '.join(keys)} HAVING count(*) >= {LEAST_GAPS}"
    return (
        f"SELECT {named}{', ' if keys else ''}median(ln(seconds)) AS normal, "
        f"greatest({NORMAL_SPREAD} * mad(ln(seconds)), {LEAST_SPREAD}) AS spread "
        f"FROM pace_steps WHERE seconds IS NOT NULL {grouped if keys else ''}"
    )


def _shrinkage(connection: duckdb.DuckDBPyConnection) -> float:
    """Return how many gaps of one's own weigh as much as everybody's pace."""
    gaps, visitors, squared_counts, within, between = connection.execute(
        """WITH visitors AS (
            SELECT count(*) AS n, avg(clipped) AS mean, var_pop(clipped) * count(*) AS within
            FROM pace_deviations WHERE clipped IS NOT NULL GROUP BY visitor_id
        ), overall AS (SELECT avg(clipped) AS mean FROM pace_deviations)
        SELECT sum(n), count(*), sum(n * n), sum(within), sum(n * (visitors.mean - overall.mean) ** 2)
        FROM visitors, overall"""
    ).fetchall()[0]
    return shrinkage(int(gaps or 0), int(visitors), float(squared_counts or 0), float(within or 0), float(between or 0))


def shrinkage(gaps: int, visitors: int, squared_counts: float, within: float, between: float) -> float:
    """Return the variance within visitors over that between them, by the moments of a one-way analysis of variance.

    ``within`` and ``between`` are sums of squares. Without any difference between visitors it is very large: then
    nobody has a pace of their own.
    """
    if visitors < 2 or gaps <= visitors:
        return _NO_OWN_PACE
    noise = within / (gaps - visitors)
    size = (gaps - squared_counts / gaps) / (visitors - 1)
    signal = (between / (visitors - 1) - noise) / size
    return min(_NO_OWN_PACE, max(noise / signal, _ONLY_OWN_PACE)) if signal > 0 else _NO_OWN_PACE


_NO_OWN_PACE, _ONLY_OWN_PACE = 1e12, 1e-9


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join("'" + name.replace("'", "''") + "'" for name in names) or "NULL"
