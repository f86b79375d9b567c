"""What the log says of whole sessions: the columns by which people are compared."""

from collections.abc import Mapping

from sqlalchemy import Engine, func, select

from storage.tables import events

SESSION_COLUMNS = ("channel", "device", "source", "campaign")
_ROWS_AT_ONCE = 10_000


def session_columns(engine: Engine, journey: str) -> Mapping[str, tuple[str | None, ...]]:
    """Return the values of ``SESSION_COLUMNS`` of each session; of several values the first in alphabetical order."""
    query = (
        select(events.c.session_id, *(func.min(events.c[name]) for name in SESSION_COLUMNS))
        .where(events.c.journey == journey)
        .group_by(events.c.session_id)
    )
    with engine.connect() as connection:
        found = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query)
        return {row[0]: tuple(row[1:]) for row in found}
