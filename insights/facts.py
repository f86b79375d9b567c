"""What a log comes to for everything that looks at many sessions: a few small tables in a folder, read by DuckDB.

``insights.build_facts`` makes them in one pass; pages and commands read them and never touch the log again. The views
that :meth:`Facts.connect` opens are the contract:

* ``sessions``, a row each: ``session`` (the key), ``session_id, visitor_id, user_id, started_at, last_at``, the day,
  hour and weekday (0 is Monday) of its start in the journey's time zone (``local_day, local_hour, local_weekday``),
  ``events``, the furthest stage (``stage_index``, -1 before the first; ``stage``), ``outcome`` (goal, abandoned,
  competing, open), ``left_at`` (an abandoned session's last sign of life), ``visitor_kind`` (new for a visitor's first
  session in the log, else returning), ``channel, device, source, campaign``, the journey's declared cohorts, ``value``
  (what its goal brought), and with a model ``risk`` and ``leaving_soon`` as they stood at the last event before the
  end, and of sessions without a goal or competing end ``blocker, problem_type, share, confidence``.
* ``stages``, a row for each stage a session stood in or skipped (then ``events`` is 0): ``session, stage_index, stage,
  entered_at, left_at, dwell_seconds, events, advanced`` (a later stage or the goal came), ``exited`` (the session
  was abandoned here) and, with a model, ``named``: the friction named at the last event in the stage, also of those who
  went on, and ``named_probability``, how probable it is that it really stands in their way.
* ``blockers``, for abandoned sessions: ``session, stage_index, friction, problem_type, confidence, first``. The sum of
  confidences is the expected number of sessions left for a friction.
* ``events``: ``session, place`` (from 0), ``occurred_at, name``, the ``element`` that it was about where the journey
  declares one, ``stage_index`` (after it), ``gap_seconds`` (null for the first).
* ``pace``: the visitor's own actions with what is normal after each (``insights.pacing.normal``); ``silences``: what
  the model says while some of them last (``insights.pacing.silences``).
* ``timelines``, some sessions retold: ``session, place, occurred_at, name, stage, risk, leaving_soon, blocker,
  phrase``.
* ``hours``: ``local_day, local_hour, name, events``.
* ``touches`` and ``persons``: which channels people came by, in and before sessions (``insights.touches``).
"""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from insights.days import day_of
from insights.filters import Filters

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 3
"""The version of the layout; a folder of another is refused."""
UNFILTERED = ("hours", "touches")
"""Tables that are not about single sessions, so that no filter applies to them."""
OF_SESSIONS = ("stages", "blockers", "events", "timelines", "pace", "silences", "persons")
"""Tables whose rows belong to a session each."""


class FactsError(ValueError):
    """A folder that holds no facts that can be read; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one journey's log; times are microseconds since 1970, UTC.

    ``summary`` are the counts of what became of the log's rows (see ``features.read_log.ReadSummary``);
    ``model_version`` is None where no model was asked.
    """

    folder: Path
    journey: str
    timezone: str
    built_at_us: int
    first_at_us: int
    last_at_us: int
    sessions: int
    events: int
    model_version: str | None
    summary: "Mapping[str, Any]"
    matured_until_us: int | None = None
    """Sessions that began until then have ended, but for one of twenty; None where no session has an end."""

    @property
    def settled_day(self) -> date:
        """The latest day of which nearly all sessions have ended; of later ones, those that end quickly count alone."""
        if self.matured_until_us is None:
            return day_of(self.last_at_us, self.timezone)
        return day_of(self.matured_until_us, self.timezone) - timedelta(days=1)

    def connect(self, filters: Filters | None = None, threads: int = 2) -> duckdb.DuckDBPyConnection:
        """Return a connection whose views hold what the filters let through; close it, or use it in a ``with``.

        Threads add floating-point numbers in any order: round sums to fewer digits, so that they are reproducible.
        """
        connection = duckdb.connect(config={"threads": threads, "memory_limit": "2GB"})
        connection.execute("SET TimeZone = 'UTC'")
        condition = (filters or Filters()).condition()
        connection.execute(f"CREATE VIEW sessions AS SELECT * FROM {self._file('sessions')} WHERE {condition}")
        chosen = "" if condition == "true" else " WHERE session IN (SELECT session FROM sessions)"
        for name in OF_SESSIONS:
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {self._file(name)}{chosen}")
        for name in UNFILTERED:
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {self._file(name)}")
        return connection

    def _file(self, name: str) -> str:
        path = str(self.folder / f"{name}.parquet").replace("'", "''")
        return f"read_parquet('{path}')"


def open_facts(folder: Path) -> Facts:
    """Return the facts in a folder; raises :class:`FactsError` where there are none, or of another layout."""
    try:
        described = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FactsError(f"{folder} holds no facts; make them with dropoff insights") from None
    except ValueError as error:
        raise FactsError(f"the facts in {folder} cannot be read ({error}); make them anew") from error
    if described.pop("format", None) != FORMAT:
        raise FactsError(f"the facts in {folder} are of another version of dropoff; make them anew")
    return Facts(folder=folder, **described)
