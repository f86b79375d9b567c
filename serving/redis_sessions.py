"""The sessions of a journey that several processes serve on one database, with Redis between them."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from sqlalchemy import Connection

from features.events import Event
from features.packing import PackedElsewhere, Packing
from features.plan import Plan
from serving.database_sessions import DatabaseStore, Keep
from serving.errors import ClientError
from serving.redis_visitors import Appended, Found, Lease, RedisAway, RedisVisitors
from serving.session_store import Alongside, Limits, Placements
from serving.visitor import Visitor
from serving.visitor_memory import label_of, split_label, with_anchor
from storage.event_log import EventLog
from storage.ledger import Ledger
from storage.visitor_log import Anchor, VisitorLog
from storage.writer import Writer

_MOST_BYTES_AT_ONCE = 64_000
"""Unpacking more would hold up everybody else for more than some milliseconds."""


class _Committed(NamedTuple):
    """What became of a request's events: where each visitor's latest stood ``before``, and where the new ones end."""

    placements: Placements
    before: Mapping[str, int]
    ends: Mapping[str, Anchor]


class RedisStore(DatabaseStore):
    """As :class:`DatabaseStore`, but what has come is asked of Redis, and of the log only where Redis does not know.

    An event is committed to the log first, then appended in Redis, then acknowledged. While Redis is away, answers are
    made from the log; events are refused, as other processes may still reach it and would not learn of them.
    """

    kind = "redis"

    def __init__(
        self,
        plan: Plan,
        log: EventLog,
        ledger: Ledger,
        known: VisitorLog,
        writer: Writer,
        limits: Limits,
        redis_url: str,
    ) -> None:
        super().__init__(plan, log, ledger, known, writer, limits)
        self._packing = Packing(plan)
        self._shared = RedisVisitors(redis_url, log.journey, self._packing.head, limits.timeout_us)

    async def visitor(self, visitor_id: str) -> Visitor:
        """Return a visitor with all that was acknowledged by now; an unknown one has no sessions."""
        known, erasures = self.memory.find(visitor_id), self._erasures
        try:
            found = await self._shared.read(visitor_id, label_of(known.anchor if known is not None else None))
            if isinstance(found, Lease):
                self.counts.miss()
                return await self._filled(visitor_id, found)
            visitor = await self._told(visitor_id, known, found, erasures)
        except (RedisAway, PackedElsewhere):
            return await super().visitor(visitor_id)
        self.counts.hit()
        if found.scattered:
            await self._pack(visitor)
        return visitor

    async def keep(self, events: Sequence[Event], alongside: Alongside) -> Placements:
        """Put events, of which no two have one id, into their sessions and into the log, in this order.

        All is committed, or nothing, when this returns; it may also be where it raises ClientError, 503, and the
        same events have to be sent again.
        """
        if self._shared.is_away:
            raise ClientError(503, "redis_unavailable", "Redis cannot be reached: nothing was kept; send it again.")

        # Whoever asked may give up, but what is committed has to be told.
        return await asyncio.shield(self._keep(events, alongside))

    async def forget(self, visitor_id: str) -> None:
        """Drop a visitor who has been erased from the log."""
        await super().forget(visitor_id)
        try:
            await self._shared.drop(visitor_id)
        except RedisAway as error:
            raise ClientError(503, "redis_unavailable", "Redis cannot be reached: erase the visitor again.") from error

    async def close(self) -> None:
        """Close the connections, and stop reading."""
        await self._shared.close()
        await super().close()

    async def _keep(self, events: Sequence[Event], alongside: Alongside) -> Placements:
        committed = await self._commit_together(self._write_and_place, Keep(events, alongside))
        try:
            await self._shared.append(self._appended(committed))
        except RedisAway as error:
            # It is in the log and will be counted once. Sending it again makes sure that all processes know of it.
            raise ClientError(503, "redis_unavailable", "Redis cannot be reached: send it again.") from error
        return committed.placements

    def _write_and_place(self, connection: Connection, keeps: Sequence[Keep]) -> list[_Committed]:
        """Write requests that wait together, and say of each what Redis has to be told, in this order."""
        every, latest = self._place_all(connection, keeps)
        new = [[one.event for one in placements.placed if one.is_new] for placements in every]
        anchors = self._known.anchors(connection, [event.event_id for of_one in new for event in of_one])
        committed = []
        for keep, placements, of_one in zip(keeps, every, new, strict=True):
            before = {event.visitor_id: latest[event.visitor_id] for event in keep.events}
            ends: dict[str, Anchor] = {}
            for event in of_one:
                anchor = anchors[event.event_id]
                ends[event.visitor_id] = max(anchor, ends.get(event.visitor_id, anchor))
            latest.update((visitor_id, anchor.position) for visitor_id, anchor in ends.items())
            committed.append(_Committed(placements, before, ends))
        return committed

    def _appended(self, committed: _Committed) -> dict[str, Appended]:
        """Return what is new of each visitor, packed; what was known before may not have been told yet."""
        new: dict[str, list[Event]] = {visitor_id: [] for visitor_id in committed.before}
        for one in committed.placements.placed:
            if one.is_new:
                new[one.event.visitor_id].append(one.event)
        return {
            visitor_id: Appended(
                committed.before[visitor_id],
                with_anchor(committed.ends[visitor_id], self._packed(visitor_id, events)) if events else b"",
            )
            for visitor_id, events in new.items()
        }

    def _packed(self, visitor_id: str, events: Sequence[Event]) -> bytes:
        visitor = Visitor(self.plan, visitor_id, self._limits.timeout_us)
        for event in events:
            visitor.place(event)
        return self._packing.pack(visitor.sessions)

    async def _told(self, visitor_id: str, known: Visitor | None, found: Found, erasures: int) -> Visitor:
        """Return a visitor with the pieces that Redis has; raises ``PackedElsewhere``."""
        if known is None or found.whole:
            visitor = Visitor(self.plan, visitor_id, self._limits.timeout_us)
            if sum(map(len, found.pieces)) > _MOST_BYTES_AT_ONCE:
                await self._read(self._add, visitor, found.pieces)
            else:
                self._add(visitor, found.pieces)
            return self._replace(visitor, erasures)
        self._add(known, found.pieces)
        # Where memory has let go of the visitor meanwhile, what was told is answered and not kept.
        if self.memory.find(visitor_id) is known:
            self.memory.count(visitor_id)
            self.memory.make_room()
        return known

    def _add(self, visitor: Visitor, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            anchor, packed = split_label(piece)
            visitor.add(self._packing.unpack(packed, visitor.visitor_id))
            if anchor is not None and (visitor.anchor is None or anchor > visitor.anchor):
                visitor.anchor = anchor

    async def _filled(self, visitor_id: str, lease: Lease) -> Visitor:
        visitor = await super().visitor(visitor_id)
        if lease.token and visitor.event_count:
            with suppress(RedisAway):
                await self._shared.fill(visitor_id, lease, self._whole(visitor))
                self.counts.refill()
        return visitor

    async def _pack(self, visitor: Visitor) -> None:
        with suppress(RedisAway):
            await self._shared.pack(visitor.visitor_id, self._whole(visitor))

    def _whole(self, visitor: Visitor) -> bytes:
        return with_anchor(visitor.anchor, self._packing.pack(visitor.sessions))
