"""Sessions in memory: whole visitors, read back from the event log when they have been put aside."""

import sys
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from decisions.eligibility import PastIntervention
from features.events import Event
from features.live import LiveSession
from features.plan import Plan
from serving.visitor import Placed, Visitor
from storage.event_log import EventLog
from storage.ledger import Ledger

VISITOR_WEIGHT = 3
"""As how many events a visitor counts beside its own: it takes as much memory as these."""


class VisitorFull(ValueError):
    """A visitor has as many events as are kept of one."""


class SessionStore:
    """The visitors that were touched last, up to so many events; the rest waits in the event log.

    Lives on one event loop and takes no locks. Between :meth:`place` and :meth:`settle` a visitor's events are on
    their way into the log, as a recommendation is between :meth:`recommend` and :meth:`settle_recommendation`; until
    then the visitor is not put aside.
    """

    def __init__(self, plan: Plan, log: EventLog, ledger: Ledger, timeout_us: int, memory_events: int) -> None:
        self.plan = plan
        self._log = log
        self._ledger = ledger
        self._timeout_us = timeout_us
        self._memory_events = memory_events
        self._visitors: OrderedDict[str, Visitor] = OrderedDict()
        self._visitor_of_session: dict[str, str] = {}
        self._recommended: dict[str, list[PastIntervention]] = {}
        self._unsettled: Counter[str] = Counter()
        self._doubtful: set[str] = set()
        self._event_count = 0

    def __len__(self) -> int:
        return len(self._visitors)

    @property
    def event_count(self) -> int:
        """Events in memory."""
        return self._event_count

    def open_sessions(self, now_us: int) -> int:
        """Return how many sessions in memory an event at this moment could still join; for any thread."""
        return sum(visitor.open_sessions(now_us) for visitor in list(self._visitors.values()))

    def visitor(self, visitor_id: str) -> Visitor:
        """Return a visitor with all that the log knows; an unknown one has no sessions and is not kept."""
        found = self._visitors.get(visitor_id)
        if found is not None:
            self._visitors.move_to_end(visitor_id)
            return found
        loaded = Visitor(self.plan, visitor_id, self._timeout_us)
        for event in self._log.visitor_events(visitor_id):
            loaded.place(event)
        if loaded.event_count:
            self._keep(loaded)
        return loaded

    def visitor_of_session(self, session_id: str) -> Visitor | None:
        """Return whose session it is, or None for an unknown one."""
        visitor_id = self._visitor_of_session.get(session_id) or self._log.visitor_of_session(session_id)
        return None if visitor_id is None else self.visitor(visitor_id)

    def visitor_of_user(self, user_id: str) -> tuple[Visitor, LiveSession] | None:
        """Return a user's visitor and the session of the user's latest event, or None for an unknown user."""
        found = self._log.latest_session_of_user(user_id)
        if found is None:
            return None
        visitor = self.visitor(found[0])
        session = visitor.session(found[1])
        return None if session is None else (visitor, session)

    def recommended(self, visitor_id: str) -> Sequence[PastIntervention]:
        """Return what a visitor was recommended so far, what is on its way into the ledger included."""
        known = self._recommended.get(visitor_id)
        if known is None:
            known = [PastIntervention(*one) for one in self._ledger.visitor_recommendations(visitor_id)]
            if visitor_id in self._visitors:
                self._recommended[visitor_id] = known
        return known

    def recommend(self, visitor_id: str, one: PastIntervention) -> None:
        """Count a recommendation at once; :meth:`settle_recommendation` has to follow."""
        self._recommended[visitor_id] = [*self.recommended(visitor_id), one]
        self._unsettled[visitor_id] += 1

    def settle_recommendation(self, visitor_id: str, one: PastIntervention, *, kept: bool) -> None:
        """Say whether a recommendation is in the ledger."""
        if not kept:
            self._recommended[visitor_id].remove(one)
        self._release(visitor_id)
        self._put_aside()

    def place(self, event: Event, most_events: int = sys.maxsize) -> Placed:
        """Put an event into its session in memory; :meth:`settle` has to follow once it is in the log, or is not.

        Raises :class:`VisitorFull` where the visitor has ``most_events`` already.
        """
        visitor = self.visitor(event.visitor_id)
        if visitor.event_count >= most_events:
            raise VisitorFull(f"The visitor has {most_events:,} events already, the most that are kept.")
        placed = visitor.place(self._with_session_of_its_own(event))
        if event.visitor_id not in self._visitors:
            self._keep(visitor)
        else:
            self._event_count += placed.is_new
        self._visitor_of_session[placed.session.session_id] = event.visitor_id
        self._unsettled[event.visitor_id] += 1
        return placed

    def settle(self, placed: Iterable[Placed], *, doubtful: bool = False) -> None:
        """Say that events are in the log; ``doubtful`` where memory and log may differ, so that it is read again."""
        for one in placed:
            visitor_id = one.event.visitor_id
            if doubtful:
                self._doubtful.add(visitor_id)
            self._release(visitor_id)
        self._put_aside()

    def forget(self, visitor_id: str) -> None:
        """Drop a visitor from memory, as soon as nothing is on its way; the log is not touched."""
        if self._unsettled[visitor_id]:
            self._doubtful.add(visitor_id)
            return
        self._doubtful.discard(visitor_id)
        self._recommended.pop(visitor_id, None)
        visitor = self._visitors.pop(visitor_id, None)
        if visitor is None:
            return
        self._event_count -= visitor.event_count
        for session_id in visitor.session_ids:
            if self._visitor_of_session.get(session_id) == visitor_id:
                del self._visitor_of_session[session_id]

    def _release(self, visitor_id: str) -> None:
        self._unsettled[visitor_id] -= 1
        if self._unsettled[visitor_id]:
            return
        del self._unsettled[visitor_id]
        if visitor_id in self._doubtful or visitor_id not in self._visitors:
            self.forget(visitor_id)

    def _with_session_of_its_own(self, event: Event) -> Event:
        # A session has one visitor, the first that named it. Another who names it too gets one beside it: so nobody's
        # events are mixed with somebody else's, and erasing a visitor erases exactly what was theirs.
        if event.session_id is None:
            return event
        owner = self._visitor_of_session.get(event.session_id) or self._log.visitor_of_session(event.session_id)
        if owner is None or owner == event.visitor_id:
            return event
        return replace(event, session_id=f"{event.session_id}~{event.visitor_id}")

    def _keep(self, visitor: Visitor) -> None:
        self._visitors[visitor.visitor_id] = visitor
        self._event_count += visitor.event_count
        for session_id in visitor.session_ids:
            self._visitor_of_session[session_id] = visitor.visitor_id
        self._put_aside()

    def _put_aside(self) -> None:
        # Each visitor is looked at once at most: where all have events on their way, memory may grow for that moment.
        for _ in range(len(self._visitors) - 1):
            if self._event_count + VISITOR_WEIGHT * len(self._visitors) <= self._memory_events:
                return
            longest_untouched = next(iter(self._visitors))
            if self._unsettled[longest_untouched]:
                self._visitors.move_to_end(longest_untouched)
            else:
                self.forget(longest_untouched)
