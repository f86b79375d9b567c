"""The sessions of a journey that several processes serve on one database."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection

from decisions.decision import Decision, Reason
from decisions.past import PastIntervention
from features.events import Event
from features.live import LiveSession
from features.plan import Plan
from serving.placing import LoggedVisitors
from serving.session_store import Alongside, Counts, Decide, Limits, Placements, past_of
from serving.spans import carried, span
from serving.visitor import Visitor
from serving.visitor_memory import VisitorMemory
from storage.event_log import EventLog
from storage.ledger import Ledger
from storage.visitor_log import Anchor, Tail, VisitorLog
from storage.writer import Writer

_READERS = 4
_NO_HISTORY = (Reason.ENDED, Reason.LOW_RISK)
"""Reasons that are found before it is asked what was recommended before."""

_T = TypeVar("_T")


class Keep(NamedTuple):
    """Events that a request brought, and what is written with them."""

    events: Sequence[Event]
    alongside: Alongside


class DatabaseStore:
    """Visitors in memory, caught up with the event log whenever they are asked for.

    The log alone says where an event belongs: it is placed within the transaction that appends it, beside all that
    other processes have appended, and memory learns of it as of everything else, by reading the tail.
    """

    kind = "database"

    def __init__(
        self, plan: Plan, log: EventLog, ledger: Ledger, known: VisitorLog, writer: Writer, limits: Limits
    ) -> None:
        self.plan = plan
        self._log = log
        self._ledger = ledger
        self._known = known
        self._writer = writer
        self._limits = limits
        self.memory = VisitorMemory(plan, limits.timeout_us, limits.memory_events)
        self.counts = Counts()
        self._erasures = 0
        self._readers = ThreadPoolExecutor(_READERS, "dropoff-sessions")

    async def visitor(self, visitor_id: str) -> Visitor:
        """Return a visitor with all that the log knows at this moment; an unknown one has no sessions."""
        known, erasures = self.memory.find(visitor_id), self._erasures
        tail, whole = await self._read(self._read_tail, visitor_id, known.anchor if known is not None else None)
        if known is None or whole is not None:
            return self._replace(whole or Visitor(self.plan, visitor_id, self._limits.timeout_us), erasures)
        # Where memory has let go of the visitor meanwhile, what was caught up is answered and not kept.
        kept = self.memory.find(visitor_id) is known
        self._catch_up(known, tail, kept=kept)
        return known

    async def visitor_of_session(self, session_id: str) -> Visitor | None:
        """Return whose session it is, or None for an unknown one."""
        remembered = self.memory.owner(session_id)
        if remembered is not None:
            visitor = await self.visitor(remembered)
            if visitor.session(session_id) is not None:
                return visitor
        owner = await self._read(self._log.visitor_of_session, session_id)
        return None if owner is None else await self.visitor(owner)

    async def visitor_of_user(self, user_id: str) -> tuple[Visitor, LiveSession] | None:
        """Return a user's visitor and the session of the user's latest event, or None for an unknown user."""
        found = await self._read(self._log.latest_session_of_user, user_id)
        if found is None:
            return None
        visitor = await self.visitor(found[0])
        session = visitor.session(found[1])
        return None if session is None else (visitor, session)

    async def keep(self, events: Sequence[Event], alongside: Alongside) -> Placements:
        """Put events, of which no two have one id, into their sessions and into the log, in this order.

        All is committed, or nothing, when this returns or raises.
        """

        return await self._commit_together(self._write_keeps, Keep(events, alongside))

    async def advise(
        self, visitor_ids: Sequence[str], decide: Decide, write: Callable[[Connection, Decision], None]
    ) -> Decision:
        """Return a decision, once it is written, made with all that these visitors of one person were recommended."""
        visitor_id = visitor_ids[0]
        # What was last found for the person; where it is not all any more, the transaction says so.
        history: Sequence[PastIntervention] = self.memory.recommended.get(visitor_id, [])
        while True:
            decision = decide(history)
            with span("ledger write"):
                found = await self._commit(self._unless_overtaken(visitor_ids, decision, history, write))
            if found is None:
                break
            history = found
        counted = past_of(decision)
        if visitor_id in self.memory:
            self.memory.recommended[visitor_id] = [*history, counted] if counted is not None else [*history]
        return decision

    async def forget(self, visitor_id: str) -> None:
        """Drop a visitor who has been erased from the log."""
        self._erasures += 1
        self.memory.drop(visitor_id)

    async def close(self) -> None:
        """Stop reading."""
        self._readers.shutdown()

    def _unless_overtaken(
        self,
        visitor_ids: Sequence[str],
        decision: Decision,
        history: Sequence[PastIntervention],
        write: Callable[[Connection, Decision], None],
    ) -> Callable[[Connection], list[PastIntervention] | None]:
        """Return a write that keeps the decision, or returns the history where it is not what was decided by."""

        def write_or_tell(connection: Connection) -> list[PastIntervention] | None:
            if decision.reason not in _NO_HISTORY:
                found = self._ledger.recommendations(visitor_ids, connection)
                if list(map(astuple, history)) != found:
                    return [PastIntervention(*one) for one in found]
            write(connection, decision)
            return None

        return write_or_tell

    def _write_keeps(self, connection: Connection, keeps: Sequence[Keep]) -> list[Placements]:
        """Put the events of requests that wait together into their sessions and into the log, in this order."""
        return self._place_all(connection, keeps)[0]

    def _place_all(self, connection: Connection, keeps: Sequence[Keep]) -> tuple[list[Placements], dict[str, int]]:
        """Do so, and return with it the place in the log of each visitor's latest event before that."""
        logged = LoggedVisitors.read(
            connection, self._known, [one for keep in keeps for one in keep.events], self._limits
        )
        before = logged.positions
        every = [logged.place(keep.events) for keep in keeps]
        self._log.append(connection, [one.event for placements in every for one in placements.placed if one.is_new])
        for keep, placements in zip(keeps, every, strict=True):
            keep.alongside(connection, placements)
        return every, before

    def _read_tail(self, visitor_id: str, anchor: Anchor | None) -> tuple[Tail, Visitor | None]:
        """Return what has come since the anchor, and the visitor where that is all; for a reader's thread."""
        tail = self._known.tail(visitor_id, anchor)
        if not tail.whole:
            return tail, None
        whole = Visitor(self.plan, visitor_id, self._limits.timeout_us, anchor=tail.anchor)
        for event in tail.events:
            whole.place(event)
        return tail, whole

    def _replace(self, visitor: Visitor, erasures: int) -> Visitor:
        """Keep a visitor in the place of what was known, and return it."""
        self.memory.drop(visitor.visitor_id)
        # What was read before an erasure may be what has been erased.
        if visitor.event_count and erasures == self._erasures:
            self.memory.add(visitor)
        return visitor

    def _catch_up(self, visitor: Visitor, tail: Tail, *, kept: bool) -> None:
        for event in tail.events:
            visitor.place(event)
        if tail.anchor is not None and (visitor.anchor is None or tail.anchor > visitor.anchor):
            visitor.anchor = tail.anchor
        if kept:
            self.memory.count(visitor.visitor_id)
            self.memory.make_room()

    async def _read(self, read: Callable[..., _T], *arguments: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, carried(read), *arguments)

    async def _commit(self, write: Callable[[Connection], _T]) -> _T:
        # Whoever asked may give up, but what is queued will be written.
        return await asyncio.shield(asyncio.wrap_future(self._writer.submit(write)))

    async def _commit_together(self, write: Callable[[Connection, Sequence[Keep]], Sequence[_T]], keep: Keep) -> _T:
        done = self._writer.submit_to(write, keep, max(1, len(keep.events)))
        return await asyncio.shield(asyncio.wrap_future(done))
