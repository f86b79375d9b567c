"""A visitor's sessions, and the rule by which an event finds its own."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from features.encode import encode_event
from features.events import Event
from features.live import LiveSession
from features.plan import Plan
from storage.visitor_log import Anchor


def session_for(event: Event, spans: Iterable[tuple[str, int, int]], timeout_us: int) -> str:
    """Return the id of the session that an event belongs to: that which it names, else by the moment that it occurred.

    ``spans`` are the visitor's sessions with their first and last moment, in microseconds. The event joins the one that
    it is near, the latest of several, or starts another. Near means at most the timeout away: a gap of exactly the
    timeout stays one session, one more starts another.
    """
    if event.session_id is not None:
        return event.session_id
    at_us = event.occurred_at_us
    near = [
        (last_us, first_us, session_id)
        for session_id, first_us, last_us in spans
        if first_us - timeout_us <= at_us <= last_us + timeout_us
    ]
    if not near:
        return f"{event.visitor_id}~{at_us}"
    return near[0][2] if len(near) == 1 else max(near)[2]


def in_session_beside(event: Event) -> Event:
    """Return an event that names somebody else's session in one of its visitor's own.

    A session has one visitor, the first that named it. Another who names it too gets one beside it: so nobody's events
    are mixed with somebody else's, and erasing a visitor erases exactly what was theirs.
    """
    return event.in_session(f"{event.session_id}~{event.visitor_id}")


class Placed(Struct, frozen=True, gc=False):
    """An event with its session; ``is_new`` is false for an event id that is there already."""

    event: Event
    is_new: bool


class Visitor:
    """A visitor's sessions, as far as they are known."""

    def __init__(
        self,
        plan: Plan,
        visitor_id: str,
        timeout_us: int,
        sessions: Iterable[LiveSession] = (),
        anchor: Anchor | None = None,
    ) -> None:
        self.visitor_id = visitor_id
        self.anchor = anchor
        """The latest event that the log had when this was caught up with it."""
        self._plan = plan
        self._timeout_us = timeout_us
        self._sessions = {session.session_id: session for session in sessions}
        self.event_count = sum(map(len, self._sessions.values()))

    def place(self, event: Event) -> Placed:
        """Put the event into its session and say which that is."""
        encoded = encode_event(self._plan, event)
        session = self._session_of(event)
        is_new = session.append(encoded)
        self.event_count += is_new
        return Placed(event.in_session(session.session_id), is_new)

    def add(self, sessions: Iterable[LiveSession]) -> None:
        """Take in what others have packed: new sessions, and further events of known ones."""
        for session in sessions:
            known = self._sessions.get(session.session_id)
            if known is None:
                self._sessions[session.session_id] = session
                self.event_count += len(session)
            else:
                self.event_count += known.extend(session)

    def has(self, event_id: str) -> bool:
        """Whether one of the sessions has the event."""
        return any(session.has(event_id) for session in self._sessions.values())

    @property
    def sessions(self) -> Sequence[LiveSession]:
        """All sessions, those first that were known first."""
        return tuple(self._sessions.values())

    @property
    def session_ids(self) -> Sequence[str]:
        """The ids of all sessions, in the same order."""
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
        session_id = session_for(event, self._spans(), self._timeout_us)
        found = self._sessions.get(session_id)
        if found is None:
            found = self._sessions[session_id] = LiveSession(self._plan, session_id, self.visitor_id)
        return found

    def _spans(self) -> Sequence[tuple[str, int, int]]:
        return [one.span for one in self._sessions.values()]


def _latest_first(session: LiveSession) -> tuple[int, int, str]:
    return session.last_at_us, session.first_at_us, session.session_id
