"""What stands in people's way: how many are expected to have left for each blocker, where, who and since when.

The confidence of a blocker is the probability that a visitor who left did so for it. Summed over abandoned sessions it
is the expected number of exits, where being named first only says which blocker led. Confidences below .005 are not
kept, so that sums are a trifle low.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import duckdb

from insights.facts import Facts
from insights.filters import Filters
from insights.intervals import Estimate, estimate_count
from insights.suppression import hide_parts, min_cell
from insights.timelines import rank_typical
from journeys.journey import Journey

TYPICAL = 3
_FREQUENT_PHRASES = 5
_NUMBER = r"once|twice|[0-9][0-9.,]*( times)?|s\b"
"""What phrases of other numbers differ in, plurals included."""


class Step(StrEnum):
    """How long the periods of a trend are."""

    DAY = "day"
    WEEK = "week"


@dataclass(frozen=True, slots=True)
class Part:
    """A blocker among some exits: those of a stage, a cohort or a period, ``name`` (None where it is not known).

    ``expected`` of the ``exits`` were for it, ``share`` of them. All is None where the exits are of fewer visitors than
    are shown.
    """

    name: str | None
    exits: int | None
    expected: Estimate | None
    share: Estimate | None


@dataclass(frozen=True, slots=True)
class Blocker:
    """A blocker over all abandoned sessions.

    ``expected`` exits are for it, by the confidences of all abandoned sessions. It is named first in ``named_first`` of
    them; ``expected_where_named`` of those are expected to have been for it.
    """

    friction: str
    problem_type: str
    expected: Estimate
    share: Estimate
    named_first: int
    expected_where_named: Estimate
    stages: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Blockers:
    """All blockers, the most expected exits first; ``exits`` is None where they are of too few visitors to be shown.

    ``nothing_named`` of the exits have no blocker; ``unexplained`` are expected to be for none.
    """

    exits: int | None
    visitors: int | None
    nothing_named: int | None
    unexplained: float | None
    has_model: bool
    blockers: tuple[Blocker, ...]


@dataclass(frozen=True, slots=True)
class Phrase:
    """What abandoned sessions showed where a blocker was named: the phrase, and in how many of those retold."""

    phrase: str
    sessions: int


def describe_blockers(
    facts: Facts, journey: Journey, filters: Filters | None = None, *, least: int | None = None
) -> Blockers:
    """Return all blockers with their stages."""
    least = min_cell() if least is None else least
    with facts.connect(filters) as connection:
        exits, visitors, unnamed = connection.execute(
            """SELECT count(*), count(DISTINCT visitor_id), count(*) FILTER (WHERE blocker IS NULL)
            FROM sessions WHERE outcome = 'abandoned'"""
        ).fetchall()[0]
        if visitors < max(1, least):
            return Blockers(None, None, None, None, facts.model_version is not None, ())
        rows = connection.execute(
            """SELECT friction, any_value(problem_type), round(sum(confidence), 9),
                round(sum(confidence * (1 - confidence)), 9),
                count(*) FILTER (WHERE first), coalesce(round(sum(confidence) FILTER (WHERE first), 9), 0),
                coalesce(round(sum(confidence * (1 - confidence)) FILTER (WHERE first), 9), 0)
            FROM blockers GROUP BY friction ORDER BY 3 DESC, friction"""
        ).fetchall()
        stages = _parts(connection, "stage", least, {stage.name: place for place, stage in enumerate(journey.stages)})
    blockers = tuple(
        Blocker(
            friction=friction,
            problem_type=problem_type,
            expected=estimate_count(expected, variance),
            share=_per(estimate_count(expected, variance), exits),
            named_first=named,
            expected_where_named=estimate_count(of_named, variance_of_named),
            stages=stages.get(friction, ()),
        )
        for friction, problem_type, expected, variance, named, of_named, variance_of_named in rows
    )
    unexplained = exits - sum(blocker.expected.value for blocker in blockers)
    return Blockers(exits, visitors, unnamed, unexplained, facts.model_version is not None, blockers)


def split_blocker(
    facts: Facts, friction: str, dimension: str, filters: Filters | None = None, *, least: int | None = None
) -> tuple[Part, ...]:
    """Return a blocker by the cohorts of a dimension, the one with most exits first; small ones are left out."""
    with facts.connect(filters) as connection:
        parts = _parts(connection, dimension, min_cell() if least is None else least).get(friction, ())
    return tuple(part for part in parts if part.exits is not None)


def follow_blocker(
    facts: Facts, friction: str, step: Step, filters: Filters | None = None, *, least: int | None = None
) -> tuple[tuple[date, Part], ...]:
    """Return a blocker day by day, or by weeks that begin on Monday, of when sessions began in the journey's zone."""
    with facts.connect(filters) as connection:
        connection.execute(
            f"""CREATE TEMP VIEW periods AS
            SELECT *, strftime(date_trunc('{step}', local_day), '%Y-%m-%d') AS period FROM sessions"""
        )
        found = _parts(connection, "period", min_cell() if least is None else least, view="periods")
    dated = [(date.fromisoformat(str(part.name)), part) for part in found.get(friction, ())]
    return tuple(sorted(dated, key=lambda pair: pair[0]))


def find_phrases(facts: Facts, friction: str, filters: Filters | None = None) -> tuple[tuple[Phrase, ...], int]:
    """Return what retold sessions with a blocker showed, the commonest first, and how many such sessions there are.

    Only some sessions are retold (``insights.timelines``). Of each, the last phrase that was said of the blocker
    counts; phrases that differ in their numbers only count as one.
    """
    with facts.connect(filters) as connection:
        rows = connection.execute(
            f"""WITH last_words AS (
                SELECT session, arg_max(phrase, place) FILTER (WHERE timelines.blocker = sessions.blocker) AS phrase
                FROM timelines JOIN sessions USING (session)
                WHERE sessions.blocker = ? AND outcome = 'abandoned' GROUP BY session
            )
            SELECT mode(phrase), count(*) FROM last_words
            GROUP BY regexp_replace(phrase, '{_NUMBER}', '', 'g') ORDER BY 2 DESC, 1""",
            [friction],
        ).fetchall()
    phrases = tuple(Phrase(phrase, count) for phrase, count in rows if phrase)[:_FREQUENT_PHRASES]
    return phrases, sum(count for _, count in rows)


def find_typical(facts: Facts, friction: str, filters: Filters | None = None) -> tuple[str, ...]:
    """Return the ids of a blocker's most typical retold sessions at its commonest stage, the latest week's first."""
    with facts.connect(filters) as connection:
        rows = connection.execute(
            f"""WITH ranked AS ({rank_typical()}),
            retold AS (
                SELECT session, stage_index, week, rank
                FROM ranked WHERE blocker = ? AND session IN (SELECT session FROM timelines)
            ),
            commonest AS (
                SELECT stage_index FROM ranked WHERE blocker = ? AND stage_index IN (SELECT stage_index FROM retold)
                GROUP BY stage_index ORDER BY count(*) DESC, stage_index LIMIT 1
            )
            SELECT session_id FROM retold JOIN commonest USING (stage_index) JOIN sessions USING (session)
            ORDER BY week DESC, rank LIMIT {TYPICAL}""",
            [friction, friction],
        ).fetchall()
    return tuple(session_id for (session_id,) in rows)


def _parts(
    connection: duckdb.DuckDBPyConnection,
    column: str,
    least: int,
    order: Mapping[str, int] | None = None,
    view: str = "sessions",
) -> dict[str, tuple[Part, ...]]:
    """Return each blocker among the exits by a column of the sessions: in an order, or the most exits first."""
    exits = connection.execute(
        f"""SELECT "{column}", count(*), count(DISTINCT visitor_id) FROM {view} WHERE outcome = 'abandoned'
        GROUP BY 1 ORDER BY 2 DESC, 1"""
    ).fetchall()
    hidden = hide_parts([visitors for *_, visitors in exits], sum(visitors for *_, visitors in exits), least).tolist()
    counts = {name: None if is_hidden else count for (name, count, _), is_hidden in zip(exits, hidden, strict=False)}
    names: Sequence[str | None] = list(counts)
    if order is not None:
        names = sorted(counts, key=lambda name: order.get(name or "", -1))
    sums = {
        (friction, name): (expected, variance)
        for friction, name, expected, variance in connection.execute(
            f"""SELECT friction, "{column}", round(sum(blockers.confidence), 9),
                round(sum(blockers.confidence * (1 - blockers.confidence)), 9)
            FROM blockers JOIN {view} USING (session) GROUP BY ALL"""
        ).fetchall()
    }
    return {
        friction: tuple(_part(name, counts[name], *sums.get((friction, name), (0.0, 0.0))) for name in names)
        for friction in {friction for friction, _ in sums}
    }


def _part(name: str | None, exits: int | None, expected: float, variance: float) -> Part:
    if exits is None:
        return Part(name, None, None, None)
    count = estimate_count(expected, variance)
    return Part(name, exits, count, _per(count, exits))


def _per(estimate: Estimate, exits: int) -> Estimate:
    return Estimate(estimate.value / exits, estimate.low / exits, min(1.0, estimate.high / exits))
