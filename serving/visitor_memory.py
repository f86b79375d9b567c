"""Visitors in memory: at hand who was touched last, packed who was touched before, up to a bound of bytes."""

import struct
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from decisions.past import PastIntervention
from features.packing import Packing
from features.plan import Plan
from serving.visitor import Visitor
from storage.visitor_log import Anchor

EVENT_BYTES = 80
"""What an event counts as where memory is bounded by a number of events: a packed one takes 25 to 80 bytes."""

_AT_HAND = 4
"""One part in so many of the bytes is for visitors at hand, which take ten times as much as packed ones."""
_VISITOR_BYTES, _SESSION_BYTES, _PACKED_BYTES = 700, 1_000, 300
_BYTES_OF_EVENT, _BYTES_OF_VALUE = 300, 10
_MOST_PACKED_EVENTS = 2_000
"""Packing more would hold up everybody else; the log has them, and reads them aside."""
_LABEL = struct.Struct("<qQ")
_NOTHING = Anchor(0, 0)


@dataclass(slots=True)
class _AtHand:
    """A visitor at hand, and how many events and sessions of it are counted."""

    visitor: Visitor
    events: int = 0
    sessions: int = 0


class VisitorMemory:
    """The visitors that were touched last, up to so many bytes; whoever is held stays at hand.

    ``recommended`` is what visitors at hand were recommended before; it leaves with them.
    """

    def __init__(self, plan: Plan, timeout_us: int, memory_events: int) -> None:
        self.event_count = 0
        self.recommended: dict[str, list[PastIntervention]] = {}
        self._plan = plan
        self._timeout_us = timeout_us
        self._packing = Packing(plan)
        self._most_bytes = EVENT_BYTES * memory_events
        self._event_bytes = _BYTES_OF_EVENT + _BYTES_OF_VALUE * len(plan.columns)
        self._at_hand: OrderedDict[str, _AtHand] = OrderedDict()
        self._at_hand_bytes = 0
        self._packed: OrderedDict[str, bytes] = OrderedDict()
        self._packed_bytes = 0
        self._owners: dict[str, str] = {}
        self._held: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._at_hand) + len(self._packed)

    def __contains__(self, visitor_id: str) -> bool:
        return visitor_id in self._at_hand or visitor_id in self._packed

    @property
    def packed_count(self) -> int:
        """How many visitors are packed."""
        return len(self._packed)

    @property
    def byte_count(self) -> int:
        """About how many bytes all visitors take."""
        return self._at_hand_bytes + self._packed_bytes

    def open_sessions(self, now_us: int) -> int:
        """Return how many sessions an event at this moment could still join; for any thread."""
        at_hand = sum(one.visitor.open_sessions(now_us) for one in list(self._at_hand.values()))
        packed = sum(
            session.events > 0 and now_us - session.last_at_us <= self._timeout_us
            for one in list(self._packed.values())
            for session in self._packing.glance(split_label(one)[1])
        )
        return at_hand + packed

    def find(self, visitor_id: str) -> Visitor | None:
        """Return a visitor and count it as touched, or None for one that is not in memory."""
        found = self._at_hand.get(visitor_id)
        if found is not None:
            self._at_hand.move_to_end(visitor_id)
            return found.visitor
        packed = self._packed.pop(visitor_id, None)
        if packed is None:
            return None
        unpacked = self._unpack(visitor_id, packed)
        self._packed_bytes -= _packed_cost(packed)
        self.event_count -= unpacked.event_count
        self.add(unpacked)
        return unpacked

    def owner(self, session_id: str) -> str | None:
        """Return whose session it is, or None where no visitor in memory has it."""
        named = self._owners.get(session_id)
        if named is not None:
            return named
        visitor = self.find(_visitor_in(session_id))
        return None if visitor is None or visitor.session(session_id) is None else visitor.visitor_id

    def add(self, visitor: Visitor) -> None:
        """Take a visitor in that is not in memory."""
        self._at_hand[visitor.visitor_id] = _AtHand(visitor)
        self._at_hand_bytes += _VISITOR_BYTES
        self.count(visitor.visitor_id)
        self.make_room()

    def count(self, visitor_id: str) -> None:
        """Count what a visitor at hand has got since it was counted."""
        one = self._at_hand[visitor_id]
        begun = one.visitor.session_ids[one.sessions :]
        new = one.visitor.event_count - one.events
        self.event_count += new
        self._at_hand_bytes += new * self._event_bytes + len(begun) * _SESSION_BYTES
        one.events, one.sessions = one.events + new, one.sessions + len(begun)
        for session_id in begun:
            # A session that nobody named tells its visitor by itself.
            if _visitor_in(session_id) != visitor_id:
                self._owners[session_id] = visitor_id

    def drop(self, visitor_id: str) -> None:
        """Take a visitor out."""
        self.recommended.pop(visitor_id, None)
        if visitor_id in self._at_hand:
            self._disown(visitor_id, self._take(visitor_id).session_ids)
            return
        packed = self._packed.pop(visitor_id, None)
        if packed is not None:
            self._packed_bytes -= _packed_cost(packed)
            glances = list(self._packing.glance(split_label(packed)[1]))
            self.event_count -= sum(one.events for one in glances)
            self._disown(visitor_id, [one.session_id for one in glances])

    def hold(self, visitor_id: str) -> None:
        """Keep a visitor at hand until :meth:`release`; may be nested."""
        self._held[visitor_id] = self._held.get(visitor_id, 0) + 1

    def release(self, visitor_id: str) -> bool:
        """End one hold and return whether it was the last."""
        if self._held[visitor_id] > 1:
            self._held[visitor_id] -= 1
            return False
        del self._held[visitor_id]
        if visitor_id not in self._at_hand:
            self.recommended.pop(visitor_id, None)
        return True

    def is_held(self, visitor_id: str) -> bool:
        """Whether somebody needs the visitor at hand."""
        return visitor_id in self._held

    def make_room(self) -> None:
        """Pack who was not touched for long, and take out who was not touched for longest, down to the bound."""
        # Each visitor is looked at once at most: where all are held, memory may grow for that moment.
        for _ in range(len(self._at_hand) - 1):
            if self._at_hand_bytes <= self._most_bytes // _AT_HAND:
                break
            longest_untouched = next(iter(self._at_hand))
            if self.is_held(longest_untouched):
                self._at_hand.move_to_end(longest_untouched)
            else:
                self._pack(longest_untouched)
        self._take_out()

    def pack_all(self) -> None:
        """Pack everybody who is not held."""
        for visitor_id in list(self._at_hand):
            if not self.is_held(visitor_id):
                self._pack(visitor_id)
        self._take_out()

    def _take_out(self) -> None:
        while self._packed and self.byte_count > self._most_bytes:
            self.drop(next(iter(self._packed)))

    def _pack(self, visitor_id: str) -> None:
        if self._at_hand[visitor_id].events > _MOST_PACKED_EVENTS:
            self.drop(visitor_id)
            return
        visitor = self._take(visitor_id)
        self.event_count += visitor.event_count
        self.recommended.pop(visitor_id, None)
        packed = with_anchor(visitor.anchor, self._packing.pack(visitor.sessions))
        self._packed[visitor_id] = packed
        self._packed_bytes += _packed_cost(packed)

    def _unpack(self, visitor_id: str, packed: bytes) -> Visitor:
        anchor, sessions = split_label(packed)
        return Visitor(self._plan, visitor_id, self._timeout_us, self._packing.unpack(sessions, visitor_id), anchor)

    def _take(self, visitor_id: str) -> Visitor:
        one = self._at_hand.pop(visitor_id)
        self.event_count -= one.events
        self._at_hand_bytes -= _VISITOR_BYTES + one.sessions * _SESSION_BYTES + one.events * self._event_bytes
        return one.visitor

    def _disown(self, visitor_id: str, session_ids: Iterable[str]) -> None:
        for session_id in session_ids:
            if self._owners.get(session_id) == visitor_id:
                del self._owners[session_id]


def _visitor_in(session_id: str) -> str:
    return session_id.rpartition("~")[0]


def _packed_cost(packed: bytes) -> int:
    return len(packed) + _PACKED_BYTES


def with_anchor(anchor: Anchor | None, packed: bytes) -> bytes:
    """Return packed sessions behind the label of the latest event that they hold."""
    return label_of(anchor) + packed


def label_of(anchor: Anchor | None) -> bytes:
    """Return an anchor as sixteen bytes."""
    return _LABEL.pack(*(anchor or _NOTHING))


def split_label(labelled: bytes) -> tuple[Anchor | None, bytes]:
    """Return what :func:`with_anchor` put together."""
    anchor = Anchor(*_LABEL.unpack_from(labelled))
    return (None if anchor == _NOTHING else anchor), labelled[_LABEL.size :]
