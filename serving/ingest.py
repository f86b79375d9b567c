"""Events in, of whatever protocol: put into their sessions, and kept before anybody is told so."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import msgspec
from sqlalchemy import Connection

from features.encode import number
from features.events import US_PER_SECOND, Event
from features.personal import without_contact
from serving.errors import ClientError
from serving.privacy import Privacy
from serving.runtime import Runtime
from serving.segment import Arrival
from serving.sessions import VisitorFull
from serving.visitor import Placed

_TURN_SECONDS = 0.002
_VALUE_PROPERTIES = ("revenue", "value", "total")


@dataclass(frozen=True, slots=True)
class Refused:
    """What cannot be used: the reason, what was sent, and whom it is about, so that erasing a visitor erases it too."""

    reason: str
    payload: str
    visitor_id: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of events: those in their sessions, of which some were known; those refused or withheld."""

    placed: Sequence[Placed]
    duplicates: int
    refused: Sequence[Refused]
    withheld: int

    @property
    def new(self) -> int:
        """How many events are in the log that were not before."""
        return len(self.placed) - self.duplicates


def arrival(runtime: Runtime) -> Arrival:
    """Return what the server knows about a request that has just come."""
    now_us = runtime.now_us()
    return Arrival(now_us, now_us + int(runtime.configuration.future_tolerance_seconds * US_PER_SECOND))


async def keep_event(runtime: Runtime, event: Event) -> Placed | None:
    """Keep one event and return it in its session, or None where its visitor has not consented.

    Raises ClientError for one that cannot be used.
    """
    admitted = runtime.privacy.admit(event)
    if admitted is None:
        runtime.metrics.events.labels("withheld").inc()
        return None
    placed = _place(runtime, admitted)
    await asyncio.shield(_commit(runtime, [placed], []))
    return placed


async def keep_events(runtime: Runtime, events: Sequence[Event], refused: Sequence[Refused] = ()) -> Kept:
    """Keep events, of which no two have one id, and the refused ones with their reasons.

    All is in the log, or nothing, when this returns or raises.
    """
    placed: list[Placed] = []
    privacy = runtime.privacy
    bad = [_without_people(privacy, one) for one in refused]
    admitted = [one for one in map(privacy.admit, events) if one is not None]
    turn = perf_counter()
    try:
        for event in sorted(admitted, key=_order):
            turn = await give_way(turn)
            try:
                placed.append(_place(runtime, event))
            except ClientError as error:
                bad.append(Refused(error.message, msgspec.json.encode(event).decode(), event.visitor_id))
    except BaseException:
        # The log could not be read half-way: nothing of the batch is kept, in memory neither.
        runtime.sessions.settle(placed, doubtful=True)
        raise
    present = await asyncio.shield(_commit(runtime, placed, bad))
    withheld = len(events) - len(admitted)
    runtime.metrics.events.labels("withheld").inc(withheld)
    return Kept(placed, present, bad, withheld)


async def give_way(since: float) -> float:
    """Let other requests have a turn where this one has held the loop for long; return when it last did."""
    if perf_counter() - since < _TURN_SECONDS:
        return since
    await asyncio.sleep(0)
    return perf_counter()


def _without_people(privacy: Privacy, refused: Refused) -> Refused:
    """Return what may be kept of what cannot be used."""
    named = refused.visitor_id
    return Refused(
        without_contact(refused.reason),
        privacy.quarantined(refused.payload),
        None if named is None else privacy.visitor_id(named),
    )


def _order(event: Event) -> tuple[int, bytes]:
    return event.occurred_at_us, event.event_id.encode()


def _place(runtime: Runtime, event: Event) -> Placed:
    try:
        return runtime.sessions.place(event, runtime.configuration.max_visitor_events)
    except VisitorFull as error:
        raise ClientError(422, "visitor_too_long", str(error), "anonymousId") from error


async def _commit(runtime: Runtime, placed: Sequence[Placed], refused: Sequence[Refused]) -> int:
    """Commit and return how many of the placed events were in the log before."""
    received_at_us = runtime.now_us()

    def write(connection: Connection) -> frozenset[str]:
        present = runtime.log.append(connection, [one.event for one in placed])
        for bad in refused:
            runtime.log.refuse(connection, received_at_us, bad.visitor_id, bad.reason, bad.payload)
        for one in placed:
            if one.event.name in runtime.goals and one.event.event_id not in present:
                runtime.ledger.record_conversion(
                    connection, one.session.session_id, one.event.occurred_at_us, _value(one.event)
                )
        return present

    try:
        present = await runtime.commit(write)
    except BaseException:
        runtime.sessions.settle(placed, doubtful=True)
        raise
    # The log knew an event that memory took for new, under another session or visitor: the log is right.
    unforeseen = [one for one in placed if one.is_new and one.event.event_id in present]
    runtime.sessions.settle(unforeseen, doubtful=True)
    runtime.sessions.settle(one for one in placed if not (one.is_new and one.event.event_id in present))
    runtime.metrics.events.labels("new").inc(len(placed) - len(present))
    runtime.metrics.events.labels("duplicate").inc(len(present))
    runtime.metrics.events.labels("quarantined").inc(len(refused))
    return len(present)


def _value(event: Event) -> float | None:
    values = (number(event.properties.get(name)) for name in _VALUE_PROPERTIES)
    return next((value for value in values if not math.isnan(value)), None)
