"""Decisions with what the log says of their sessions, so that they can be told apart by it."""

from dataclasses import replace

import numpy as np
from sqlalchemy import Engine

from decisions.logged import LoggedDecisions, Texts
from storage.session_columns import SESSION_COLUMNS, session_columns


def with_cohorts(logged: LoggedDecisions, engine: Engine, journey: str) -> LoggedDecisions:
    """Return the decisions with a cohort for each column that any of their sessions has a value of."""
    known = session_columns(engine, journey)
    nothing = (None,) * len(SESSION_COLUMNS)
    rows = [known.get(session_id, nothing) for session_id in logged.session_ids.tolist()]
    cohorts: dict[str, Texts] = {}
    for place, name in enumerate(SESSION_COLUMNS):
        values = np.empty(len(rows), object)
        values[:] = [row[place] or "" for row in rows]
        if any(values):
            cohorts[name] = values
    return replace(logged, cohorts={**logged.cohorts, **cohorts})
