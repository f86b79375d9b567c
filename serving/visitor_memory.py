"""Visitors in memory: those that were touched last, up to a bound."""

from collections import OrderedDict
from collections.abc import Sequence

from decisions.eligibility import PastIntervention
from serving.visitor import Visitor

VISITOR_WEIGHT = 3
"""As how many events a visitor counts beside its own: it takes as much memory as these."""


class VisitorMemory:
    """The visitors that were touched last, up to so many events; whoever is held is not put aside.

    ``recommended`` is what visitors at hand were recommended before; it leaves with them.
    """

    def __init__(self, memory_events: int) -> None:
        self.event_count = 0
        self.recommended: dict[str, list[PastIntervention]] = {}
        self._memory_events = memory_events
        self._visitors: OrderedDict[str, Visitor] = OrderedDict()
        self._visitor_of_session: dict[str, str] = {}
        self._held: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._visitors)

    def __contains__(self, visitor_id: str) -> bool:
        return visitor_id in self._visitors

    def visitors(self) -> Sequence[Visitor]:
        """Return all of them, for any thread."""
        return list(self._visitors.values())

    def find(self, visitor_id: str) -> Visitor | None:
        """Return a visitor and count it as touched, or None for one that is not in memory."""
        found = self._visitors.get(visitor_id)
        if found is not None:
            self._visitors.move_to_end(visitor_id)
        return found

    def owner(self, session_id: str) -> str | None:
        """Return whose session it is, or None where no visitor in memory has it."""
        return self._visitor_of_session.get(session_id)

    def add(self, visitor: Visitor) -> None:
        """Take a visitor in."""
        self._visitors[visitor.visitor_id] = visitor
        self.event_count += visitor.event_count
        for session_id in visitor.session_ids:
            self._visitor_of_session[session_id] = visitor.visitor_id
        self.make_room()

    def grown(self, visitor: Visitor, events: int, session_ids: Sequence[str]) -> None:
        """Count events that a visitor in memory has got, in sessions of these ids."""
        self.event_count += events
        for session_id in session_ids:
            self._visitor_of_session[session_id] = visitor.visitor_id

    def drop(self, visitor_id: str) -> None:
        """Take a visitor out."""
        self.recommended.pop(visitor_id, None)
        visitor = self._visitors.pop(visitor_id, None)
        if visitor is None:
            return
        self.event_count -= visitor.event_count
        for session_id in visitor.session_ids:
            if self._visitor_of_session.get(session_id) == visitor_id:
                del self._visitor_of_session[session_id]

    def hold(self, visitor_id: str) -> None:
        """Keep a visitor at hand until :meth:`release`; may be nested."""
        self._held[visitor_id] = self._held.get(visitor_id, 0) + 1

    def release(self, visitor_id: str) -> bool:
        """End one hold and return whether it was the last."""
        if self._held[visitor_id] > 1:
            self._held[visitor_id] -= 1
            return False
        del self._held[visitor_id]
        if visitor_id not in self._visitors:
            self.recommended.pop(visitor_id, None)
        return True

    def is_held(self, visitor_id: str) -> bool:
        """Whether somebody needs the visitor at hand."""
        return visitor_id in self._held

    def make_room(self) -> None:
        """Put aside who was not touched for longest, down to the bound."""
        # Each visitor is looked at once at most: where all are held, memory may grow for that moment.
        for _ in range(len(self._visitors) - 1):
            if self.event_count + VISITOR_WEIGHT * len(self._visitors) <= self._memory_events:
                return
            longest_untouched = next(iter(self._visitors))
            if self.is_held(longest_untouched):
                self._visitors.move_to_end(longest_untouched)
            else:
                self.drop(longest_untouched)
