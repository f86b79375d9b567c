"""A funnel's patterns and breakdown as SQL over the view ``checked``."""

from collections.abc import Sequence

import duckdb

from features.encode_sql import json_path, number_sql
from features.raw_log import RawLog
from features.table import nearest
from insights.funnel.declare import CountBy, Funnel
from insights.funnel.steps import Condition, FunnelError, Pattern, Step

TEXT_COLUMNS = (
    "event_id",
    "session_id",
    "visitor_id",
    "user_id",
    "name",
    "channel",
    "device",
    "source",
    "campaign",
)
UNNAMED_BIT = 31
"""Set for an event without a session id, where people are counted by session."""

_SAMPLED_ROWS = 10_000
_NAMES_SHOWN = 30


def own_columns(funnel: Funnel, raw: RawLog) -> tuple[str, ...]:
    """Return what the funnel reads of the log's columns that are not canonical."""
    return tuple(name for name in funnel.fields if name not in TEXT_COLUMNS and name in raw.fields)


def bits_sql(funnel: Funnel, carried: Sequence[str]) -> str:
    """Return the expression whose bit ``s`` says that the event takes step ``s``; the excluded events come after."""
    parts = [
        f"CASE WHEN {_takes_sql(step, carried)} THEN {1 << place} ELSE 0 END"
        for place, step in enumerate((*funnel.steps, *funnel.exclude))
    ]
    return " + ".join(parts)


def field_sql(name: str, carried: Sequence[str]) -> str:
    """Return the text of a column or property, null where it is missing or empty."""
    if name in TEXT_COLUMNS:
        return f"nullif({name}, '')"
    found = f"json_extract_string(properties, {json_path(name)})"
    if name in carried:
        found = f"coalesce(nullif(carried{carried.index(name)}, ''), {found})"
    return f"nullif({found}, '')"


def person_sql(count_by: CountBy) -> str:
    """Return the expression of equal numbers for the events of one visitor, user or session."""
    match count_by:
        case CountBy.VISITOR:
            return "hash(visitor_id)"
        case CountBy.USER:
            # A visitor without any user is a person, too.
            return "CASE WHEN known IS NULL THEN hash(visitor_id, 'visitor') ELSE hash(known) END"
        case CountBy.SESSION:
            return "CASE WHEN session_id IS NULL THEN hash(visitor_id, 'visitor') ELSE hash(session_id) END"


def require_names(connection: duckdb.DuckDBPyConnection, funnel: Funnel) -> None:
    """Raise :class:`FunnelError` for an event that the log does not have."""
    names = [str(name) for (name,) in connection.execute("SELECT DISTINCT name FROM canonical").fetchall() if name]
    for step in (*funnel.steps, *funnel.exclude):
        for pattern in step.patterns:
            if pattern.event not in names:
                close = nearest(pattern.event, names)
                meant = f"did you mean {', '.join(close)}?" if close else "the log names no events at all"
                raise FunnelError(f"no event in the log is named {pattern.event!r}; {meant}")


def require_fields(connection: duckdb.DuckDBPyConnection, funnel: Funnel, raw: RawLog, carried: Sequence[str]) -> None:
    """Raise :class:`FunnelError` for a column or property that no event has, with those that there are."""
    for name in funnel.fields:
        query = f"SELECT 1 FROM checked WHERE reason IS NULL AND {field_sql(name, carried)} IS NOT NULL LIMIT 1"
        if not connection.execute(query).fetchall():
            raise FunnelError(f"no event has a column or property {name!r}; {_known_fields(connection, raw)}")


def _known_fields(connection: duckdb.DuckDBPyConnection, raw: RawLog) -> str:
    columns = [name for name in raw.fields if name not in ("event_id", "properties", "occurred_at", "received_at")]
    keys = connection.execute(
        "SELECT DISTINCT unnest(json_keys(properties)) AS key FROM "
        f"(SELECT properties FROM checked WHERE reason IS NULL AND properties IS NOT NULL LIMIT {_SAMPLED_ROWS}) "
        "ORDER BY key"
    ).fetchall()
    return f"columns are {_listed(columns)}; properties are {_listed([str(key) for (key,) in keys])}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return (", ".join(names[:_NAMES_SHOWN]) or "none") + (f" and {more} more" if more > 0 else "")


def _takes_sql(step: Step, carried: Sequence[str]) -> str:
    return " OR ".join(f"({_pattern_sql(pattern, carried)})" for pattern in step.patterns)


def _pattern_sql(pattern: Pattern, carried: Sequence[str]) -> str:
    conditions = [f"({_condition_sql(condition, carried)})" for condition in pattern.conditions]
    return " AND ".join([f"name = {quoted(pattern.event)}", *conditions])


def _condition_sql(condition: Condition, carried: Sequence[str]) -> str:
    text = field_sql(condition.name, carried)
    if condition.operator not in ("=", "!="):
        return f"{number_sql(text)} {condition.operator} {float(condition.value)!r}"
    same = f"{text} = {quoted(condition.value)}"
    # 10 is 10.0, as text is not.
    number = _as_number(condition.value)
    if number is not None:
        same = f"({same} OR {number_sql(text)} = {number!r})"
    return f"coalesce({same}, false)" if condition.operator == "=" else f"NOT coalesce({same}, false)"


def _as_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def quoted(text: str) -> str:
    """Return a text as SQL."""
    return "'" + text.replace("'", "''") + "'"
