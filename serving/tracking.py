"""Events in: read, put into their sessions, and kept before anybody is told so."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import msgspec
from sqlalchemy import Connection

from features.encode import number
from features.events import US_PER_SECOND, Event
from serving.errors import ClientError
from serving.messages import BatchAnswer, TrackAnswer, decode
from serving.runtime import Runtime
from serving.segment import VISITOR_MEMBERS, Arrival, Batch, MessageType
from serving.sessions import VisitorFull
from serving.visitor import Placed

_REASONS_SHOWN = 5
_TURN_SECONDS = 0.002
_VALUE_PROPERTIES = ("revenue", "value", "total")


@dataclass(frozen=True, slots=True)
class _Refused:
    reason: str
    payload: str
    visitor_id: str | None


async def track(runtime: Runtime, body: bytes, route: MessageType) -> TrackAnswer:
    """Keep one event and say which session it went to; raises ClientError for one that cannot be used."""
    event = runtime.reader.read(body, route, _arrival(runtime))
    placed = _place(runtime, event)
    await asyncio.shield(_keep(runtime, [placed], []))
    return TrackAnswer(placed.event.session_id or "")


async def track_batch(runtime: Runtime, body: bytes) -> BatchAnswer:
    """Keep the events of a batch that can be used, and the others with the reason in the quarantine.

    Raises ClientError where none can.
    """
    batch = decode(body, Batch)
    if len(batch.batch) > runtime.configuration.max_batch_events:
        raise ClientError(
            413, "batch_too_large", f"A batch holds at most {runtime.configuration.max_batch_events} events.", "batch"
        )
    events, refused, duplicates = await _read_batch(runtime, batch)
    placed: list[Placed] = []
    turn = perf_counter()
    try:
        for event in events:
            turn = await _give_way(turn)
            try:
                placed.append(_place(runtime, event))
            except ClientError as error:
                payload = msgspec.json.encode(event).decode()
                refused.append(_Refused(error.message, payload, event.visitor_id))
    except BaseException:
        # The log could not be read half-way: nothing of the batch is kept, in memory neither.
        runtime.sessions.settle(placed, doubtful=True)
        raise
    present = await asyncio.shield(_keep(runtime, placed, refused))
    if refused and not placed:
        raise ClientError(
            422, "no_usable_event", f"None of the batch's events can be used. The first: {refused[0].reason}", "batch"
        )
    reasons = list(dict.fromkeys(one.reason for one in refused))[:_REASONS_SHOWN]
    return BatchAnswer(len(placed) - present, duplicates + present, len(refused), reasons)


def _arrival(runtime: Runtime, batch: Batch | None = None) -> Arrival:
    now_us = runtime.now_us()
    latest_us = now_us + int(runtime.configuration.future_tolerance_seconds * US_PER_SECOND)
    return Arrival(now_us, latest_us, batch.context if batch else None, batch.sent_at if batch else None)


async def _read_batch(runtime: Runtime, batch: Batch) -> tuple[list[Event], list[_Refused], int]:
    arrival = _arrival(runtime, batch)
    events: dict[str, Event] = {}
    refused: list[_Refused] = []
    duplicates = 0
    turn = perf_counter()
    for raw in batch.batch:
        turn = await _give_way(turn)
        try:
            event = runtime.reader.read(raw, None, arrival)
        except ClientError as error:
            refused.append(_Refused(error.message, bytes(raw).decode(errors="replace"), _visitor_named(raw)))
            continue
        duplicates += event.event_id in events
        events.setdefault(event.event_id, event)
    ordered = sorted(events.values(), key=lambda event: (event.occurred_at_us, event.event_id.encode()))
    return ordered, refused, duplicates


def _visitor_named(raw: msgspec.Raw) -> str | None:
    """Return whom a refused message is about, so that erasing the visitor erases it too."""
    try:
        said = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    return next((said[name] for name in VISITOR_MEMBERS if isinstance(said.get(name), str) and said[name]), None)


def _place(runtime: Runtime, event: Event) -> Placed:
    try:
        return runtime.sessions.place(event, runtime.configuration.max_visitor_events)
    except VisitorFull as error:
        raise ClientError(422, "visitor_too_long", str(error), "anonymousId") from error


async def _give_way(since: float) -> float:
    """Let other requests have a turn where this one has held the loop for long; return when it last did."""
    if perf_counter() - since < _TURN_SECONDS:
        return since
    await asyncio.sleep(0)
    return perf_counter()


async def _keep(runtime: Runtime, placed: Sequence[Placed], refused: Sequence[_Refused]) -> int:
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
