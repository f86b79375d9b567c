"""SQL for moments: what a log says as microseconds since 1970, UTC."""

from features.clocks import LONGEST_WAY_US


def text_us_sql(text: str) -> str:
    """Return the SQL for a text that is ISO 8601 or a number since 1970; null for any other."""
    number = number_us_sql(f"TRY_CAST({text} AS DOUBLE)")
    return (
        f"CASE WHEN regexp_full_match({text}, '-?[0-9]+(\\.[0-9]+)?') THEN {number} "
        f"ELSE epoch_us(TRY_CAST({text} AS TIMESTAMPTZ)) END"
    )


def on_our_clock_sql(at_us: str, sent_us: str, received_us: str) -> str:
    """Return the SQL twin of ``features.clocks.on_our_clock``."""
    difference = f"({received_us} - {sent_us})"
    return f"CASE WHEN {difference} BETWEEN 0 AND {LONGEST_WAY_US} THEN {at_us} ELSE {at_us} + {difference} END"


def number_us_sql(number: str) -> str:
    """Return the SQL for a number of seconds, milliseconds or microseconds, which its magnitude tells apart."""
    # Seconds reach until the year 5138, then milliseconds, then microseconds.
    return (
        f"CASE WHEN abs({number}) < 1e11 THEN TRY_CAST(round({number} * 1e6) AS BIGINT) "
        f"WHEN abs({number}) < 1e14 THEN TRY_CAST(round({number} * 1e3) AS BIGINT) "
        f"WHEN abs({number}) < 1e17 THEN TRY_CAST({number} AS BIGINT) END"
    )
