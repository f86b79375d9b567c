"""Events put into their sessions by what the log knows, within the transaction that appends them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from features.events import Event
from serving.session_store import Limits, Placements
from serving.visitor import Placed, in_session_beside, session_for
from storage.visitor_log import Known, Span, VisitorLog


@dataclass(frozen=True)
class LoggedVisitors:
    """Where sessions lie, whose they are and which events are there; only for the transaction that read it."""

    spans: dict[str, dict[str, Span]]
    owners: dict[str, str]
    known: dict[str, Known]
    limits: Limits

    @classmethod
    def read(cls, connection: Connection, log: VisitorLog, events: Sequence[Event], limits: Limits) -> "LoggedVisitors":
        """Return what the log knows of the events' visitors, whom no other process can write before the commit."""
        visitor_ids = {event.visitor_id for event in events}
        named = {event.session_id for event in events if event.session_id is not None}
        spans = log.spans(connection, visitor_ids)
        own = {session_id: visitor_id for visitor_id, sessions in spans.items() for session_id in sessions}
        owners = own | log.owners(connection, named - own.keys())
        return cls(spans, owners, log.known(connection, [event.event_id for event in events]), limits)

    @property
    def positions(self) -> dict[str, int]:
        """The place in the log of each visitor's latest event, 0 for one without."""
        return {
            visitor_id: max((span.position for span in sessions.values()), default=0)
            for visitor_id, sessions in self.spans.items()
        }

    def place(self, events: Sequence[Event]) -> Placements:
        """Return the events in their sessions, in this order; those that the log has stay where they are.

        What is placed is known to whoever is placed afterwards.
        """
        placed, full = [], []
        for event in events:
            there = self.known.get(event.event_id)
            if there is not None:
                # Somebody else's event may have the same id: its session is not told.
                own = there.session_id if there.visitor_id == event.visitor_id else self._session(event)
                placed.append(Placed(event.in_session(own), is_new=False))
            elif sum(span.events for span in self.spans[event.visitor_id].values()) >= self.limits.visitor_events:
                full.append(event)
            else:
                placed.append(self._add(event))
        return Placements(placed, full)

    def _add(self, event: Event) -> Placed:
        at_us = event.occurred_at_us
        session_id = self._session(event)
        sessions = self.spans[event.visitor_id]
        first_us, last_us, count, position = sessions.get(session_id, Span(at_us, at_us, 0, 0))
        sessions[session_id] = Span(min(first_us, at_us), max(last_us, at_us), count + 1, position)
        self.owners.setdefault(session_id, event.visitor_id)
        self.known[event.event_id] = Known(session_id, event.visitor_id)
        return Placed(event.in_session(session_id), is_new=True)

    def _session(self, event: Event) -> str:
        if event.session_id is not None and self.owners.get(event.session_id, event.visitor_id) != event.visitor_id:
            event = in_session_beside(event)
        spans = ((one, span.first_at_us, span.last_at_us) for one, span in self.spans[event.visitor_id].items())
        return session_for(event, spans, self.limits.timeout_us)
