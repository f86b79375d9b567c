"""How a log arrived: counts by day, hour, origin and event name, kept beside the facts to check the data's quality.

``write_arrivals`` adds four tables to a folder. Days and hours are those of ``occurred_at`` in the journey's time zone:

* ``arrivals``: ``local_day, local_hour, channel, source, name, declared`` (the journey knows the name, or it tells of
  an intervention), ``events`` (without duplicates), ``duplicates``, ``timed`` (events that say when they were
  received), ``late`` (received more than the journey's ``leaving_soon_within`` after they occurred) and ``early``
  (received before they occurred: a clock is wrong).
* ``lateness``: ``local_day, channel, whole`` (all channels together), ``timed`` and quantiles of received less occurred
  in seconds, ``p50, p95, p99, most``.
* ``fields``: ``local_day, channel, source, name, field, declared`` (a property of the journey, else a column),
  ``events`` and ``missing``, duplicates included; a property counts for the names that carry it at least once in the
  log.
* ``refused``: ``local_day`` (that of arrival where the row's own time cannot be used; null where neither is known),
  ``reason, rows``.
"""

from pathlib import Path

import duckdb

from features.canonical_view import EARLIEST
from features.encode_sql import json_path
from features.events import US_PER_SECOND
from features.plan import UNKNOWN_CODE
from features.read_log import LogRead
from journeys.journey import Journey

ARRIVAL_TABLES = ("arrivals", "lateness", "fields", "refused")
COLUMNS = ("session_id", "user_id", "received_at", "channel", "device", "source", "campaign")
"""The canonical columns that a log may leave out."""
CLOCK_TOLERANCE_SECONDS = 5
"""By so much two clocks may differ before an event counts as received too early."""


def write_arrivals(log: LogRead, journey: Journey, folder: Path) -> None:
    """Write the four tables of a log that has been read into ``folder``."""
    connection = log.connection
    connection.execute(
        f"""CREATE OR REPLACE TEMP VIEW arrived AS SELECT {_day("occurred_at_us", journey)} AS local_day,
            CAST(hour({_local("occurred_at_us", journey)}) AS SMALLINT) AS local_hour, channel, source,
            coalesce(unknown_name, treatment, code_name) AS name, staged.code <> {UNKNOWN_CODE} AS declared,
            session_id, user_id, device, campaign, received_at_us AS received_at,
            (received_at_us - occurred_at_us) / {US_PER_SECOND}.0 AS delay,
            position IN (SELECT position FROM losers) AS duplicate
        FROM {log.rows} AS staged LEFT JOIN codes
            ON staged.code = codes.code AND coalesce(unknown_name, treatment) IS NULL"""
    )
    late = f"delay > {journey.leaving_soon_within_seconds!r}"
    _write(
        connection,
        f"""SELECT local_day, local_hour, channel, source, name, declared, count(*) FILTER (NOT duplicate) AS events,
            count(*) FILTER (duplicate) AS duplicates, count(*) FILTER (NOT duplicate AND delay IS NOT NULL) AS timed,
            count(*) FILTER (NOT duplicate AND {late}) AS late,
            count(*) FILTER (NOT duplicate AND delay < -{CLOCK_TOLERANCE_SECONDS}) AS early
        FROM arrived GROUP BY ALL ORDER BY ALL""",
        folder / "arrivals.parquet",
    )
    _write(
        connection,
        """SELECT local_day, channel, grouping(channel) = 1 AS whole, count(*) AS timed,
            quantile_cont(delay, .5) AS p50, quantile_cont(delay, .95) AS p95, quantile_cont(delay, .99) AS p99,
            max(delay) AS most
        FROM arrived WHERE delay IS NOT NULL AND NOT duplicate
        GROUP BY GROUPING SETS ((local_day, channel), (local_day)) ORDER BY ALL""",
        folder / "lateness.parquet",
    )
    fields = _columns_sql()
    if journey.properties:
        log.open_checked()
        fields += f" UNION ALL {_properties_sql(journey)}"
    _write(connection, f"SELECT * FROM ({fields}) ORDER BY ALL", folder / "fields.parquet")
    _write(connection, _refused_sql(log, journey), folder / "refused.parquet")


def _columns_sql() -> str:
    names = ", ".join(f"'{column}'" for column in COLUMNS)
    missing = ", ".join(f"count(*) FILTER ({column} IS NULL)" for column in COLUMNS)
    return f"""SELECT local_day, channel, source, name, unnest([{names}]) AS field, false AS declared, events,
        unnest(missing) AS missing
        FROM (SELECT local_day, channel, source, name, count(*) AS events, [{missing}] AS missing
            FROM arrived GROUP BY ALL)"""


def _properties_sql(journey: Journey) -> str:
    names = ", ".join(_quoted(name) for name in journey.properties)
    paths = ", ".join(json_path(name) for name in journey.properties)
    missing = ", ".join(
        f"count(*) FILTER (coalesce(texts[{place}], '') = '')" for place in range(1, len(journey.properties) + 1)
    )
    return f"""SELECT local_day, channel, source, name, field, declared, events, missing
        FROM (SELECT local_day, channel, source, name, unnest([{names}]) AS field, true AS declared, events,
                unnest(missing) AS missing
            FROM (SELECT local_day, channel, source, name, count(*) AS events, [{missing}] AS missing
                FROM (SELECT {_day("occurred_at_us", journey)} AS local_day, channel, source, name,
                        json_extract_string(properties, [{paths}]) AS texts
                    FROM checked WHERE reason IS NULL)
                GROUP BY ALL))
        WINDOW of_name AS (PARTITION BY name, field)
        QUALIFY sum(missing) OVER of_name < sum(events) OVER of_name"""


def _refused_sql(log: LogRead, journey: Journey) -> str:
    earliest = round(EARLIEST.timestamp()) * US_PER_SECOND
    own = f"occurred_at_us BETWEEN {earliest} AND {log.summary.last_at_us}"
    return f"""SELECT {_day(f"CASE WHEN {own} THEN occurred_at_us ELSE received_at_us END", journey)} AS local_day,
        reason, count(*) AS rows FROM {log.refused} GROUP BY ALL ORDER BY ALL"""


def _local(moment_us: str, journey: Journey) -> str:
    return f"timezone('{journey.timezone}', make_timestamptz({moment_us}))"


def _day(moment_us: str, journey: Journey) -> str:
    return f"CAST({_local(moment_us, journey)} AS DATE)"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _write(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    connection.execute(f"COPY ({query}) TO {_quoted(str(path))} (FORMAT parquet, COMPRESSION zstd)")
