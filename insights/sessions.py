"""Single sessions: found by an id, listed by risk, and retold event by event."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import duckdb


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A session in a list; ``last_at`` is ISO 8601, and ``risk`` as it stood at the last event before the end."""

    session_id: str
    visitor_id: str
    user_id: str | None
    last_at: str
    stage: str | None
    outcome: str
    events: int
    risk: float | None
    blocker: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """One event with what was to be said right after it; ``at`` is ISO 8601, ``phrase`` the strongest sign."""

    at: str
    name: str
    stage: str | None
    risk: float | None
    leaving_soon: float | None
    blocker: str | None
    phrase: str | None


@dataclass(frozen=True, slots=True)
class Advice:
    """A decision about a session, as the ledger has it; ``experiment`` names the one that decided, and the variant."""

    at: str
    stage: str | None
    risk: float
    chosen: str | None
    reason: str
    narrative: str
    outcomes: tuple[str, ...]
    experiment: str | None = None


@dataclass(frozen=True, slots=True)
class Touch:
    """What happened to the person outside of sessions; ``at`` is ISO 8601."""

    at: str
    name: str
    channel: str | None
    campaign: str | None


@dataclass(frozen=True, slots=True)
class ToldSession:
    """A session retold; ``touches`` are what happened to the same person outside of sessions until its last event."""

    session_id: str
    visitor_id: str
    user_id: str | None
    steps: tuple[Step, ...]
    advice: tuple[Advice, ...] = ()
    touches: tuple[Touch, ...] = ()


class LiveSessions(Protocol):
    """Sessions as they stand now, which facts know only up to their last making."""

    def tell(self, session_id: str) -> ToldSession | None:
        """Return a session; None for an unknown one."""
        ...

    def find(self, text: str) -> Sequence[str]:
        """Return the ids of sessions whose session, visitor or user id is ``text``, the latest first."""
        ...


def list_sessions(
    connection: duckdb.DuckDBPyConnection,
    *,
    text: str = "",
    least_risk: float = 0.0,
    by_risk: bool = False,
    most: int = 200,
) -> tuple[ListedSession, ...]:
    """Return the sessions in whose session, visitor or user id ``text`` occurs, the latest or the riskiest first."""
    order = "risk DESC NULLS LAST, last_at DESC" if by_risk else "last_at DESC"
    rows = connection.execute(
        f"""SELECT session_id, visitor_id, user_id, strftime(last_at, '%Y-%m-%dT%H:%M:%SZ'), stage, outcome, events,
            risk, blocker FROM sessions
            WHERE (contains(session_id, $text) OR contains(visitor_id, $text) OR contains(coalesce(user_id, ''), $text))
            AND ($least = 0 OR risk >= $least) ORDER BY {order}, session LIMIT $most""",
        {"text": text, "least": least_risk, "most": most},
    ).fetchall()
    return tuple(ListedSession(*row) for row in rows)


def retold_sessions(connection: duckdb.DuckDBPyConnection, most: int) -> tuple[str, ...]:
    """Return the ids of sessions that the facts retell: of the commonest blockers first, the surest of each."""
    rows = connection.execute(
        """WITH retold AS (SELECT DISTINCT session FROM timelines),
        ranked AS (
            SELECT session_id, confidence, count(*) OVER (PARTITION BY blocker) AS common,
                row_number() OVER (PARTITION BY blocker ORDER BY confidence DESC, session) AS rank
            FROM sessions JOIN retold USING (session) WHERE outcome = 'abandoned' AND blocker IS NOT NULL
        )
        SELECT session_id FROM ranked ORDER BY rank, common DESC, confidence DESC, session_id LIMIT ?""",
        [most],
    ).fetchall()
    return tuple(session_id for (session_id,) in rows)


def tell_session(connection: duckdb.DuckDBPyConnection, session_id: str) -> ToldSession | None:
    """Return a session that the facts retell; None for any other."""
    rows = connection.execute(
        """SELECT visitor_id, user_id, strftime(occurred_at, '%Y-%m-%dT%H:%M:%SZ'), name, timelines.stage,
            timelines.risk, timelines.leaving_soon, timelines.blocker, phrase
        FROM timelines JOIN sessions USING (session) WHERE session_id = ? ORDER BY place""",
        [session_id],
    ).fetchall()
    if not rows:
        return None
    steps = tuple(
        Step(at, name, stage, known(risk), known(soon), *why) for _, _, at, name, stage, risk, soon, *why in rows
    )
    return ToldSession(session_id, rows[0][0], rows[0][1], steps)


def known(value: float | None) -> float | None:
    """Return a number, None for NaN."""
    return None if value is None or math.isnan(value) else float(value)
