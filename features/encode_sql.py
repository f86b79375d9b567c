"""SQL twins of how values are encoded; tests compare them with ``features.encode``."""

from features.encode import NO_NUMBERS, NUMERIC_TEXT
from features.plan import TREATMENT_CODE, UNKNOWN_CODE
from features.table import TREATMENT_PREFIX


def code_sql(name: str) -> str:
    """Return the SQL twin of ``Plan.code_of`` over a name joined to the table ``codes``."""
    undeclared = f"CASE WHEN starts_with({name}, '{TREATMENT_PREFIX}') THEN {TREATMENT_CODE} ELSE {UNKNOWN_CODE} END"
    return f"coalesce(code, {undeclared})"


def number_sql(text: str) -> str:
    """Return the SQL twin of ``features.encode.number`` over a text expression."""
    parsed = f"TRY_CAST({text} AS DOUBLE)"
    return (
        f"CASE WHEN {text} = 'true' THEN 1.0 WHEN {text} = 'false' THEN 0.0 "
        f"WHEN {parsed} IS NOT NULL AND isfinite({parsed}) AND regexp_full_match({text}, '{NUMERIC_TEXT}') "
        f"THEN {parsed} + 0.0 END"
    )


def key_sql(text: str) -> str:
    """Return the SQL twin of ``features.encode.key`` over a text expression."""
    hashed = f"-(1.0::DOUBLE + (md5_number_upper({text}) >> 12)::DOUBLE)"
    return (
        f"coalesce({number_sql(text)}, CASE WHEN {text} <> '' AND left({text}, 1) NOT IN ('{{', '[') "
        f"AND {text} NOT IN {NO_NUMBERS} AND NOT regexp_full_match({text}, '{NUMERIC_TEXT}') THEN {hashed} END)"
    )


def json_path(name: str) -> str:
    """Return a property's JSON path as an SQL literal."""
    return "'$.\"" + name.replace("'", "''") + "\"'"
