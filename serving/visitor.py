"""A visitor's sessions, and the rule by which an event finds its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from features.encode import encode_event
from features.events import Event
from features.live import LiveSession
from features.plan import Plan


@dataclass(frozen=True, slots=True)
class Placed:
    """An event in its session; ``is_new`` is false for an event id that the session holds already."""

    event: Event
    session: LiveSession
    is_new: bool


class Visitor:
    """A visitor's sessions; an event that names none joins the one it is near, or starts another.

    Near means at most the timeout away: a gap of exactly the timeout stays one session, one more starts another.
    """

    def __init__(self, plan: Plan, visitor_id: str, timeout_us: int) -> None:
        self.visitor_id = visitor_id
        self.event_count = 0
        self._plan = plan
        self._timeout_us = timeout_us
        self._sessions: dict[str, LiveSession] = {}

    def place(self, event: Event) -> Placed:
        """Put the event into its session and say which that is."""
        encoded = encode_event(self._plan, event)
        session = self._session_of(event)
        is_new = session.append(encoded)
        self.event_count += is_new
        return Placed(replace(event, session_id=session.session_id), session, is_new)

    @property
    def session_ids(self) -> Sequence[str]:
        """The ids of all sessions."""
        return tuple(self._sessions)

    def session(self, session_id: str) -> LiveSession | None:
        """Return the session of that id, if this visitor has one."""
        return self._sessions.get(session_id)

    def latest(self) -> LiveSession | None:
        """Return the session with the latest event, or None where there is none yet."""
        return max(self._sessions.values(), key=_latest_first, default=None)

    def others(self, session: LiveSession) -> Sequence[LiveSession]:
        """Return the visitor's sessions but this one."""
        return [other for other in self._sessions.values() if other is not session]

    def open_sessions(self, now_us: int) -> int:
        """Return how many sessions an event at this moment could still join."""
        return sum(
            len(session) > 0 and now_us - session.last_at_us <= self._timeout_us
            for session in list(self._sessions.values())
        )

    def _session_of(self, event: Event) -> LiveSession:
        if event.session_id is not None:
            return self._sessions.get(event.session_id) or self._start(event.session_id)
        at_us = event.occurred_at_us
        near = [
            session
            for session in self._sessions.values()
            if session.first_at_us - self._timeout_us <= at_us <= session.last_at_us + self._timeout_us
        ]
        if near:
            return max(near, key=_latest_first)
        return self._start(f"{self.visitor_id}~{at_us}")

    def _start(self, session_id: str) -> LiveSession:
        session = LiveSession(self._plan, session_id, self.visitor_id)
        self._sessions[session_id] = session
        return session


def _latest_first(session: LiveSession) -> tuple[int, int, str]:
    return session.last_at_us, session.first_at_us, session.session_id
