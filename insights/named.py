"""In whom a blocker is named at the end of a stage, and how probable it is that it really stands in their way.

They are whom an intervention of that stage is meant for. It is shown where it is expected to pay, from some probability
on, so that the counts are kept by probability.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

BINS = 200
"""Probabilities are told apart in steps of half a percent."""


@dataclass(frozen=True, slots=True)
class Target:
    """Sessions with a known end that an intervention would be shown in, and how they went on without it.

    ``stopped`` is how many of them the blocker is expected to really stop, ``variance`` that of their number.
    """

    sessions: int = 0
    visitors: int = 0
    advanced: int = 0
    goals: int = 0
    stopped: float = 0.0
    variance: float = 0.0

    @property
    def share_stopped(self) -> float:
        """The part of them that the blocker is expected to really stop; 0 of nobody."""
        return self.stopped / self.sessions if self.sessions else 0.0


@dataclass(frozen=True, slots=True)
class Named:
    """All in whom the blocker is named, from the lowest probability to the highest: the step, and who is in it.

    A visitor counts once, at the highest of their probabilities.
    """

    steps: Sequence[tuple[int, Target]]

    def above(self, probability: float) -> Target:
        """Return those whose step begins at a probability or above it."""
        chosen = [target for step, target in self.steps if step >= probability * BINS]
        return Target(
            sum(one.sessions for one in chosen),
            sum(one.visitors for one in chosen),
            sum(one.advanced for one in chosen),
            sum(one.goals for one in chosen),
            sum(one.stopped for one in chosen),
            sum(one.variance for one in chosen),
        )


def count_named(
    connection: duckdb.DuckDBPyConnection, part: str, condition: str
) -> dict[tuple[int, str, str | None], Named]:
    """Return who is named for each stage, friction and part; ``part`` and ``condition`` are SQL over the sessions."""
    rows = connection.execute(
        f"""WITH named AS (
            SELECT stages.stage_index, named, {part} AS part, visitor_id, advanced, outcome = 'goal' AS goal,
                named_probability AS p, CAST(floor(named_probability * {BINS}) AS INTEGER) AS step,
                row_number() OVER (PARTITION BY stages.stage_index, named, part, visitor_id
                    ORDER BY named_probability DESC) AS place
            FROM stages JOIN sessions USING (session)
            WHERE named IS NOT NULL AND stages.stage_index >= 0 AND outcome <> 'open' AND ({condition}))
        SELECT stage_index, named, part, step, count(*), count(*) FILTER (place = 1), count(*) FILTER (advanced),
            count(*) FILTER (goal), round(sum(p), 9), round(sum(p * (1 - p)), 9)
        FROM named GROUP BY ALL ORDER BY step"""
    ).fetchall()
    found: dict[tuple[int, str, str | None], list[tuple[int, Target]]] = {}
    for stage, friction, value, step, *counts in rows:
        found.setdefault((stage, friction, value), []).append((step, Target(*counts)))
    return {key: Named(tuple(steps)) for key, steps in found.items()}
