"""How a session has ended, by the same definition that labels history."""

from collections.abc import Sequence
from dataclasses import dataclass

from features.events import Event
from features.histories import rows_as_known
from features.live import LiveSession
from journeys.ends import find_ends, name_outcomes
from serving.persons import known_at
from serving.records import read_visitor, sessions_in_log, stage_name
from serving.runtime import Runtime
from serving.visitor import Placed, Visitor
from storage.session_ends import OpenSession, SessionEnd, SessionOutcome


@dataclass(frozen=True, slots=True)
class Closing:
    """A session that has been silent for the timeout, as the log had it up to ``position``."""

    visitor: Visitor
    session: LiveSession
    events: Sequence[Event]
    """All of the visitor's, in the order of their arrival."""
    position: int
    end: SessionEnd


@dataclass(frozen=True, slots=True)
class NotClosed:
    """A session that is not over: an event of a later moment has come meanwhile, or it is no more (None)."""

    session_id: str
    visitor_id: str
    position: int | None
    last_at_us: int | None


def examine(runtime: Runtime, silent: OpenSession, now_us: int) -> Closing | NotClosed:
    """Return how a session has ended, or why it has not, from the log; for any thread."""
    with runtime.engine.connect() as connection:
        # Before the events are read: what comes in between is noticed when the end is written.
        position = runtime.ends.position_of(connection, silent.visitor_id)
    visitor, placed = read_visitor(runtime, silent.visitor_id)
    session = visitor.session(silent.session_id)
    if position is None or session is None:
        return NotClosed(silent.session_id, silent.visitor_id, position, None)
    if session.last_at_us + runtime.timeout_us > now_us:
        return NotClosed(silent.session_id, silent.visitor_id, position, session.last_at_us)
    end = _end_of(runtime, visitor, session, placed, now_us)
    return Closing(visitor, session, [one.event for one in placed], position, end)


def _end_of(
    runtime: Runtime, visitor: Visitor, session: LiveSession, placed: Sequence[Placed], now_us: int
) -> SessionEnd:
    log = session.as_log()
    ends = find_ends(runtime.plan, log, runtime.journey, now_us)
    (outcome,) = name_outcomes(runtime.plan, log, runtime.journey, ends)
    last_at_us = session.last_at_us
    moment = (len(session), last_at_us)
    book = known_at(runtime, last_at_us).book
    (row,) = rows_as_known(session, [moment], book, sessions_in_log(runtime, visitor))
    has_declared_end = session.happened(runtime.scorer.ends, last_at_us)
    users = [one.event for one in placed if one.event.session_id == session.session_id and one.event.user_id]
    latest = max(users, key=lambda event: (event.occurred_at_us, event.event_id.encode()), default=None)
    return SessionEnd(
        session_id=session.session_id,
        visitor_id=visitor.visitor_id,
        user_id=None if latest is None else latest.user_id,
        outcome=outcome,
        stage=stage_name(runtime, row),
        last_at_us=int(ends.left_us[0]) if outcome is SessionOutcome.ABANDONED else last_at_us,
        closed_us=now_us,
        risk=None if has_declared_end else float(runtime.model.predict(row[None])[0]),
    )
