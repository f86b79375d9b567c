"""Moments of hesitation: at what, before which step, and how often people left afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from insights.comparisons import Correction, adjust, p_of_shares
from insights.intervals import Estimate, estimate_difference, estimate_share
from insights.pacing.curve import name_stage

LEAST_HESITANT = 30
"""A moment is told where so many sessions hesitated, and as many did not."""


@dataclass(frozen=True, slots=True)
class Hesitation:
    """One kind of hesitation at one event of a stage.

    ``kind`` is pause, repeat, oscillation or correction; ``element`` what the event was about, None for all of them
    together. ``before`` is what most often came next, in ``before_share`` of the moments. ``sessions`` hesitated there,
    ``others`` passed without, and both acted again at least once; ``left`` and ``left_of_others`` of them were
    abandoned at that stage. Of pauses, ``seconds`` is the median and ``normal_seconds`` what is normal there.
    """

    kind: str
    stage: str | None
    event: str
    element: str | None
    before: str
    before_share: float
    sessions: int
    left: int
    others: int
    left_of_others: int
    seconds: float
    normal_seconds: float
    p_value: float
    """Of no difference, corrected for the number of moments told (Benjamini and Hochberg 1995)."""

    @property
    def share_left(self) -> Estimate | None:
        """The share of those who hesitated that left at that stage."""
        return estimate_share(self.left, self.sessions)

    @property
    def share_of_others(self) -> Estimate | None:
        """The share of those who passed without that left at that stage."""
        return estimate_share(self.left_of_others, self.others)

    @property
    def difference(self) -> Estimate | None:
        """The share of those who hesitated less that of the others: an association, no more."""
        return estimate_difference(self.left, self.sessions, self.left_of_others, self.others)


def find_hesitations(connection: duckdb.DuckDBPyConnection, stages: Sequence[str]) -> tuple[Hesitation, ...]:
    """Return the moments of hesitation with enough sessions, the commonest first.

    Sessions that are still open are left out. Who left right after an event took no next step and so cannot be
    seen to hesitate there; they count on neither side.
    """
    # With and without the element: GROUPING tells "all elements" from "no element".
    sets = "GROUPING SETS (({keys}, stage_index, name, element), ({keys}, stage_index, name))"
    rows = connection.execute(
        f"""WITH passed AS (
            SELECT pace.*, outcome = 'abandoned' AND sessions.stage_index = pace.stage_index AS left_here
            FROM pace JOIN sessions USING (session) WHERE seconds IS NOT NULL AND outcome <> 'open'
        ), moments AS (
            SELECT hesitation AS kind, stage_index, name, element, grouping(element) AS whole,
                median(seconds) AS seconds, median(normal_seconds) AS normal_seconds
            FROM passed WHERE hesitation IS NOT NULL GROUP BY {sets.format(keys="hesitation")}
            HAVING count(*) >= {LEAST_HESITANT} AND (whole = 1 OR element IS NOT NULL)
        ), following AS (
            SELECT hesitation AS kind, stage_index, name, element, grouping(element) AS whole, next_name,
                count(*) AS moments
            FROM passed WHERE hesitation IS NOT NULL GROUP BY {sets.format(keys="hesitation, next_name")}
        ), commonest AS (
            SELECT kind, stage_index, name, element, whole,
                arg_max(next_name, (moments, next_name)) AS next_name, max(moments) / sum(moments) AS share
            FROM following GROUP BY ALL
        ), by_session AS (
            SELECT kind, session, stage_index, name, NULL AS element, whole,
                bool_or(coalesce(hesitation = kind, false)) AS hesitated, any_value(left_here) AS left_here
            FROM passed JOIN (SELECT kind, stage_index, name, whole FROM moments WHERE whole = 1)
                USING (stage_index, name) GROUP BY ALL
            UNION ALL
            SELECT kind, session, stage_index, name, element, whole,
                bool_or(coalesce(hesitation = kind, false)), any_value(left_here)
            FROM passed JOIN (SELECT kind, stage_index, name, element, whole FROM moments WHERE whole = 0)
                USING (stage_index, name, element) GROUP BY ALL
        ), counted AS (
            SELECT kind, stage_index, name, element, whole, count_if(hesitated) AS sessions,
                count_if(hesitated AND left_here) AS left_hesitant, count_if(NOT hesitated) AS others,
                count_if(NOT hesitated AND left_here) AS left_others
            FROM by_session GROUP BY ALL HAVING sessions >= {LEAST_HESITANT} AND others >= {LEAST_HESITANT}
        )
        SELECT kind, stage_index, name, counted.element, next_name, share, sessions, left_hesitant, others,
            left_others, seconds, normal_seconds
        FROM counted
        JOIN commonest USING (kind, stage_index, name, whole) JOIN moments USING (kind, stage_index, name, whole)
        WHERE commonest.element IS NOT DISTINCT FROM counted.element
            AND moments.element IS NOT DISTINCT FROM counted.element
        ORDER BY sessions DESC, kind, stage_index, name, counted.element NULLS FIRST"""
    ).fetchall()
    p_values = adjust([p_of_shares(row[7], row[6], row[9], row[8]) for row in rows], Correction.DISCOVERY)
    return tuple(
        Hesitation(*(row[0], name_stage(stages, row[1]), *row[2:12], 1.0 if p_value is None else p_value))
        for row, p_value in zip(rows, p_values, strict=True)
    )
