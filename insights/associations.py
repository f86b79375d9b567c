"""What goes with progress: how many of those who did something, or came from somewhere, reached the next stage.

Time does not leak: what counts was done before the stage was left, and before the session's end. The people are those
who stood in the stage and whose stay there is over. What was done in the stage itself is told apart from what was done
before it: who stays longer does more, so that what is done in a stage also tells how long somebody stayed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import duckdb

from insights.cohort_sums import VISITORS, Value, pair_up
from insights.cohorts import ENDINGS, CohortError, name_value
from insights.comparisons import Correction
from insights.contrasts import Contrast, contrast_shares, correct
from insights.facts import Facts
from insights.filters import Filters, dimensions
from insights.suppression import min_cell
from journeys.journey import Journey


class When(StrEnum):
    """When something was so, or was done: from the session's start, before the stage, or inside it."""

    START = "start"
    BEFORE = "before"
    INSIDE = "inside"


_TIMES = (When.BEFORE, When.INSIDE)
_PROGRESS = ("progress", "")


@dataclass(frozen=True, slots=True)
class Association:
    """How progress from a stage goes with one thing; ``contrast`` is the share of those with it less that without.

    ``what`` is an event's name, or a cohort like ``device=mobile``.
    """

    stage: str
    when: When
    what: str
    sessions_with: int
    sessions_without: int
    contrast: Contrast

    @property
    def is_step(self) -> bool:
        """Whether nobody went on without it: then it is part of the way, and says nothing about people."""
        return self.contrast.of_other.value == 0


@dataclass(frozen=True, slots=True)
class Associations:
    """All that goes with progress, or may do; adjusted over everything that was looked at.

    ``sessions`` stood in each stage. ``hidden`` more could not be told, as fewer than ``least_visitors`` visitors did
    it, or did not.
    """

    sessions: Mapping[str, int]
    associations: tuple[Association, ...]
    hidden: int
    least_visitors: int
    correction: Correction

    @property
    def findings(self) -> tuple[Association, ...]:
        """Those that are more than chance and no steps of the way, the largest differences first."""
        found = [one for one in self.associations if one.contrast.is_finding and not one.is_step]
        return tuple(sorted(found, key=lambda one: -abs(one.contrast.difference.value)))


def find_associations(
    facts: Facts,
    journey: Journey,
    filters: Filters | None = None,
    *,
    stage: str | None = None,
    correction: Correction = Correction.DISCOVERY,
    least: int | None = None,
) -> Associations:
    """Return how progress from each stage, or from one, goes with events and cohorts; raises :class:`CohortError`."""
    names = [one.name for one in journey.stages]
    if stage is not None and stage not in names:
        raise CohortError(f"{journey.name} has no stage {stage[:60]!r}; there is {', '.join(names)}")
    least = min_cell() if least is None else least
    with facts.connect(filters) as connection:
        sessions = _stand(connection, names, stage)
        _do(connection, journey)
        beginnings = [name for name in dimensions(journey) if name not in ENDINGS]
        _set_own(connection, beginnings)
        sums = pair_up(connection, [_PROGRESS])
    found, contrasts, hidden = [], [], 0
    for (kind, scope, _), cohorts in sorted(sums.items()):
        for value, pair in sorted(cohorts.items(), key=lambda item: item[0] or ""):
            if not pair.rest.count:
                continue
            if min(pair.own.people, pair.rest.people) < least:
                hidden += 1
                continue
            at = names[scope]
            found.append((at, *_name(beginnings, kind, value), pair.own.count, pair.rest.count))
            contrasts.append(contrast_shares("progress", at, "with", "without", pair.own, pair.rest))
    adjusted = correct(contrasts, correction)
    associations = tuple(Association(*one, contrast) for one, contrast in zip(found, adjusted, strict=True))
    return Associations(sessions, associations, hidden, least, correction)


def _stand(connection: duckdb.DuckDBPyConnection, names: list[str], stage: str | None) -> dict[str, int]:
    """Make the table ``stood`` of sessions and the stages they stood in, and return how many did in each."""
    chosen = "stages.stage_index >= 0" if stage is None else f"stages.stage_index = {names.index(stage)}"
    connection.execute(
        f"""CREATE TEMP TABLE stood AS
        SELECT session, visitor, stages.stage_index, CAST(advanced AS DOUBLE) AS y
        FROM stages JOIN sessions USING (session) JOIN ({VISITORS}) USING (visitor_id)
        WHERE {chosen} AND stages.events > 0 AND (advanced OR outcome <> 'open')"""
    )
    counts = dict(connection.execute("SELECT stage_index, count(*) FROM stood GROUP BY stage_index").fetchall())
    return {name: counts.get(index, 0) for index, name in enumerate(names) if stage in (None, name)}


def _do(connection: duckdb.DuckDBPyConnection, journey: Journey) -> None:
    """Make the table ``did`` of what was done in which stage, before the session's end."""
    ends = list(journey.ends.all_names)
    connection.execute(
        """CREATE TEMP TABLE did AS
        WITH ended AS (
            SELECT session, min(place) AS end_place FROM events WHERE list_contains(?, name) GROUP BY session
        )
        SELECT DISTINCT session, name, stage_index FROM events LEFT JOIN ended USING (session)
        WHERE end_place IS NULL OR place < end_place""",
        [ends],
    )


def _set_own(connection: duckdb.DuckDBPyConnection, beginnings: list[str]) -> None:
    """Make the tables that sums are made of: who did what, or came how, and whoever stood there."""
    chosen = "\nUNION ALL\n".join(
        f"""SELECT {kind} AS kind, stood.stage_index AS scope, "{name}" AS cohort, visitor, y
        FROM stood JOIN sessions USING (session)"""
        for kind, name in enumerate(beginnings, start=len(_TIMES))
    )
    connection.execute(
        f"""CREATE TEMP TABLE own AS
        SELECT kind, scope, cohort, visitor, CAST(count(*) AS DOUBLE) AS n, sum(y) AS y0 FROM (
            {chosen}
            UNION ALL
            SELECT {_TIMES.index(When.INSIDE)}, stage_index, name, visitor, y
            FROM stood JOIN did USING (session, stage_index)
            UNION ALL
            SELECT {_TIMES.index(When.BEFORE)}, stood.stage_index, name, visitor, y FROM stood JOIN (
                SELECT session, name, min(stage_index) AS earliest FROM did GROUP BY session, name
            ) USING (session) WHERE earliest < stood.stage_index
        ) GROUP BY ALL"""
    )
    connection.execute(
        """CREATE TEMP TABLE whole AS
        SELECT stage_index AS scope, visitor, CAST(count(*) AS DOUBLE) AS all_n, sum(y) AS all_y0
        FROM stood GROUP BY ALL"""
    )


def _name(beginnings: list[str], kind: int, value: Value) -> tuple[When, str]:
    if kind < len(_TIMES):
        return _TIMES[kind], str(value)
    dimension = beginnings[kind - len(_TIMES)]
    return When.START, f"{dimension}={name_value(dimension, value)}"
