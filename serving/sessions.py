"""The sessions of a process that serves its journey alone."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from sqlalchemy import Connection

from decisions.decision import Decision
from decisions.past import PastIntervention
from features.events import Event
from features.live import LiveSession
from features.plan import Plan
from serving.session_store import Alongside, Counts, Decide, Limits, Placements, past_of
from serving.spans import carried, span
from serving.turn import give_way
from serving.visitor import Placed, Visitor, in_session_beside
from serving.visitor_memory import VisitorMemory
from storage.event_log import EventLog
from storage.ledger import Ledger
from storage.writer import Writer

_EVENTS_PER_TURN = 128
_EVENTS_AT_ONCE = 1_000
"""How many events are read from the log while everybody else waits, which takes some ten milliseconds."""
_READERS = 2


class AloneStore:
    """Visitors in memory, read back from the event log when they were put aside.

    Nobody else writes this journey's events, so memory is ahead of the log and never behind it. Lives on one event
    loop and takes no locks. Between :meth:`place` and :meth:`settle` a visitor's events are on their way into the log,
    and so is a recommendation within :meth:`advise`; until then the visitor is held in memory.
    """

    kind = "alone"

    def __init__(self, plan: Plan, log: EventLog, ledger: Ledger, writer: Writer, limits: Limits) -> None:
        self.plan = plan
        self._log = log
        self._ledger = ledger
        self._writer = writer
        self._limits = limits
        self.memory = VisitorMemory(plan, limits.timeout_us, limits.memory_events)
        self.counts = Counts()
        self._doubtful: set[str] = set()
        self._writing: list[tuple[str, PastIntervention]] = []
        self._erasures = 0
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._readers = ThreadPoolExecutor(_READERS, "dropoff-sessions")

    async def visitor(self, visitor_id: str) -> Visitor:
        """Return a visitor with all that the log knows; an unknown one has no sessions and is not kept."""
        if visitor_id not in self.memory:
            await self._bring((visitor_id,), unknown_too=False)
        return self._visitor(visitor_id)

    async def visitor_of_session(self, session_id: str) -> Visitor | None:
        """Return whose session it is, or None for an unknown one."""
        visitor_id = self._owner(session_id)
        return None if visitor_id is None else await self.visitor(visitor_id)

    async def visitor_of_user(self, user_id: str) -> tuple[Visitor, LiveSession] | None:
        """Return a user's visitor and the session of the user's latest event, or None for an unknown user."""
        found = self._log.latest_session_of_user(user_id)
        if found is None:
            return None
        visitor = await self.visitor(found[0])
        session = visitor.session(found[1])
        return None if session is None else (visitor, session)

    async def keep(self, events: Sequence[Event], alongside: Alongside) -> Placements:
        """Put events, of which no two have one id, into their sessions and into the log, in this order.

        All is committed, or nothing, when this returns or raises.
        """
        placed: list[Placed] = []
        full: list[Event] = []
        turn = perf_counter()
        try:
            for start in range(0, len(events), _EVENTS_PER_TURN):
                turn = await give_way(turn)
                together = events[start : start + _EVENTS_PER_TURN]
                nobodys = await self._fetch(together)
                for event in together:
                    one = self.place(event, nobodys)
                    if one is None:
                        full.append(event)
                    else:
                        placed.append(one)
        except BaseException:
            # The log could not be read half-way: nothing is kept, in memory neither.
            self.settle(placed, doubtful=True)
            raise
        return await asyncio.shield(self._commit(Placements(placed, full), alongside))

    def place(self, event: Event, nobodys: Collection[str] = ()) -> Placed | None:
        """Put an event into its session in memory; :meth:`settle` has to follow once it is in the log, or is not.

        ``nobodys`` are sessions that are known not to be in the log. None where the visitor is full.
        """
        event = self._with_session_of_its_own(event, nobodys)
        visitor = self._visitor(event.visitor_id)
        if visitor.event_count >= self._limits.visitor_events and not visitor.has(event.event_id):
            return None
        placed = visitor.place(event)
        self.memory.hold(event.visitor_id)
        if event.visitor_id in self.memory:
            self.memory.count(event.visitor_id)
        else:
            self.memory.add(visitor)
        return placed

    def settle(self, placed: Iterable[Placed], *, doubtful: bool = False) -> None:
        """Say that events are in the log; ``doubtful`` where memory and log may differ, so that it is read again."""
        for one in placed:
            visitor_id = one.event.visitor_id
            if doubtful:
                self._doubtful.add(visitor_id)
            self._release(visitor_id)
        self.memory.make_room()

    async def advise(
        self, visitor_ids: Sequence[str], decide: Decide, write: Callable[[Connection, Decision], None]
    ) -> Decision:
        """Return a decision, once it is written, made with all that these visitors of one person were recommended."""
        visitor_id = visitor_ids[0]
        while True:
            of_person = [one for name in visitor_ids for one in self._recommended(name)]
            decision = decide(sorted(of_person, key=lambda one: one.at_us))
            # Counted before anything is awaited, so that a request that comes before the commit knows of it.
            counted = past_of(decision)
            if counted is not None:
                self.memory.recommended[visitor_id] = [*self._recommended(visitor_id), counted]
                self._writing.append((visitor_id, counted))
                self.memory.hold(visitor_id)
            write_or_tell = self._unless_overtaken(visitor_ids, decision, of_person, write)
            with span("ledger write"):
                overtaken = await asyncio.shield(self._write(decision, counted, write_or_tell))
            if not overtaken:
                return decision
            for name in visitor_ids:
                self._recommend_anew(name)

    async def forget(self, visitor_id: str) -> None:
        """Drop a visitor from memory, as soon as nothing is on its way; the log is not touched."""
        self._erasures += 1
        self._forget(visitor_id)

    async def close(self) -> None:
        """Stop reading."""
        self._readers.shutdown()

    def _unless_overtaken(
        self,
        visitor_ids: Sequence[str],
        decision: Decision,
        history: Sequence[PastIntervention],
        write: Callable[[Connection, Decision], None],
    ) -> Callable[[Connection], bool]:
        """Return a write that keeps the decision, or says that the person was sent a message meanwhile."""
        known = {(one.session_id, one.at_us, one.name) for one in history}

        def write_or_tell(connection: Connection) -> bool:
            if decision.recommendation is not None:
                found = self._ledger.recommendations(visitor_ids, connection)
                if any(one[:3] not in known for one in found):
                    return True
            write(connection, decision)
            return False

        return write_or_tell

    async def _write(
        self, decision: Decision, counted: PastIntervention | None, write: Callable[[Connection], bool]
    ) -> bool:
        kept = False
        try:
            overtaken = await asyncio.wrap_future(self._writer.submit(write))
            kept = not overtaken
            return overtaken
        finally:
            if counted is not None:
                self._writing.remove((decision.visitor_id, counted))
                known = self.memory.recommended.get(decision.visitor_id, [])
                if not kept and counted in known:
                    known.remove(counted)
                self._release(decision.visitor_id)
                self.memory.make_room()

    async def _commit(self, placements: Placements, alongside: Alongside) -> Placements:
        try:
            write = self._writer.submit_to(self._write_keeps, (placements, alongside), len(placements.placed))
            kept = await asyncio.wrap_future(write)
        except BaseException:
            self.settle(placements.placed, doubtful=True)
            raise
        for one, told in zip(placements.placed, kept.placed, strict=True):
            if one.is_new and not told.is_new:
                # The log knew it under another session or visitor: the log is right.
                self._doubtful.add(one.event.visitor_id)
        self.settle(placements.placed)
        return kept

    def _write_keeps(self, connection: Connection, keeps: Sequence[tuple[Placements, Alongside]]) -> list[Placements]:
        """Write the events of requests that wait together, in this order, with what goes alongside each."""
        present = {*self._log.append(connection, [one.event for keep, _ in keeps for one in keep.placed])}
        written = []
        for placements, alongside in keeps:
            # The log knows whether an event was there, memory only whether its visitor and session have it.
            found = [Placed(one.event, one.event.event_id not in present) for one in placements.placed]
            present.update(one.event.event_id for one in placements.placed)
            told = Placements(found, placements.full)
            alongside(connection, told)
            written.append(told)
        return written

    async def _fetch(self, events: Sequence[Event]) -> frozenset[str]:
        """Read at once what placing these events needs; what has been read holds until the loop's next turn.

        Returns the sessions that they name and that the log does not have.
        """
        visitor_ids = {event.visitor_id for event in events if event.visitor_id not in self.memory}
        if visitor_ids:
            await self._bring(visitor_ids, unknown_too=True)
        if len(events) == 1:
            return frozenset()
        named = {event.session_id for event in events if event.session_id is not None}
        session_ids = {session_id for session_id in named if self.memory.owner(session_id) is None}
        owners = self._log.visitors_of_sessions(session_ids) if session_ids else {}
        return frozenset(session_ids - owners.keys())

    async def _bring(self, visitor_ids: Collection[str], *, unknown_too: bool) -> None:
        """Have visitors in memory that are not there, and, where they are to be kept, those whom nobody knows."""
        logged = self._log.events_of_visitors(visitor_ids, _EVENTS_AT_ONCE)
        if logged is not None:
            # Not a turn of the loop between reading and keeping: nobody can have written meanwhile.
            for visitor_id in visitor_ids if unknown_too else logged:
                self.memory.add(self._placed(visitor_id, logged.get(visitor_id, ())))
            return
        for visitor_id in visitor_ids:
            if visitor_id not in self._reading:
                self._reading[visitor_id] = asyncio.create_task(self._read_long(visitor_id))
            await asyncio.shield(self._reading[visitor_id])

    async def _read_long(self, visitor_id: str) -> None:
        """Have a visitor in memory whose events are so many that reading them would hold up everybody else."""

        def read() -> Visitor:
            return self._placed(visitor_id, self._log.visitor_events(visitor_id))

        try:
            # Whoever writes about the visitor waits for this, so that nothing but an erasure can come in between.
            while True:
                erasures = self._erasures
                visitor = await asyncio.get_running_loop().run_in_executor(self._readers, carried(read))
                if erasures == self._erasures:
                    break
            if visitor.event_count and visitor_id not in self.memory:
                self.memory.add(visitor)
        finally:
            del self._reading[visitor_id]

    def _placed(self, visitor_id: str, events: Iterable[Event]) -> Visitor:
        visitor = Visitor(self.plan, visitor_id, self._limits.timeout_us)
        for event in events:
            visitor.place(event)
        return visitor

    def _visitor(self, visitor_id: str) -> Visitor:
        """Return a visitor that is in memory, or that the log does not know."""
        found = self.memory.find(visitor_id)
        if found is not None:
            return found
        loaded = self._placed(visitor_id, self._log.visitor_events(visitor_id))
        if loaded.event_count:
            self.memory.add(loaded)
        return loaded

    def _owner(self, session_id: str) -> str | None:
        return self.memory.owner(session_id) or self._log.visitor_of_session(session_id)

    def _recommended(self, visitor_id: str) -> Sequence[PastIntervention]:
        """Return what a visitor was recommended so far, what is on its way into the ledger included."""
        known = self.memory.recommended.get(visitor_id)
        if known is None:
            known = [PastIntervention(*one) for one in self._ledger.recommendations((visitor_id,))]
            if visitor_id in self.memory:
                self.memory.recommended[visitor_id] = known
        return known

    def _recommend_anew(self, visitor_id: str) -> None:
        """Read again what a visitor was recommended, and keep what is on its way into the ledger."""
        if visitor_id not in self.memory.recommended:
            return
        read = [PastIntervention(*one) for one in self._ledger.recommendations((visitor_id,))]
        written = {(one.session_id, one.at_us, one.name) for one in read}
        coming = [
            one
            for whose, one in self._writing
            if whose == visitor_id and (one.session_id, one.at_us, one.name) not in written
        ]
        self.memory.recommended[visitor_id] = [*read, *coming]

    def _forget(self, visitor_id: str) -> None:
        if self.memory.is_held(visitor_id):
            self._doubtful.add(visitor_id)
            return
        self._doubtful.discard(visitor_id)
        self.memory.drop(visitor_id)

    def _release(self, visitor_id: str) -> None:
        if self.memory.release(visitor_id) and visitor_id in self._doubtful:
            self._forget(visitor_id)

    def _with_session_of_its_own(self, event: Event, nobodys: Collection[str]) -> Event:
        if event.session_id is None:
            return event
        owner = self.memory.owner(event.session_id)
        if owner is None and event.session_id not in nobodys:
            owner = self._log.visitor_of_session(event.session_id)
        if owner is None or owner == event.visitor_id:
            return event
        return in_session_beside(event)
