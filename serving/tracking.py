"""Calls in Segment's format, read and kept."""

from dataclasses import replace
from time import perf_counter

import msgspec

from features.events import Event
from serving.errors import ClientError
from serving.ingest import Refused, arrival, keep_event, keep_events
from serving.messages import BatchAnswer, TrackAnswer, decode
from serving.runtime import Runtime
from serving.segment import VISITOR_MEMBERS, Batch, MessageType
from serving.ties import keep_order
from serving.turn import give_way

_REASONS_SHOWN = 5


async def track(runtime: Runtime, body: bytes, route: MessageType) -> TrackAnswer:
    """Keep one event and say which session it went to; raises ClientError for one that cannot be used."""
    placed = await keep_event(runtime, runtime.reader.read(body, route, arrival(runtime)))
    return TrackAnswer(placed.event.session_id if placed else None)


async def track_batch(runtime: Runtime, body: bytes) -> BatchAnswer:
    """Keep the events of a batch that can be used, and the others with the reason in the quarantine.

    Raises ClientError where none can.
    """
    batch = decode(body, Batch)
    if len(batch.batch) > runtime.configuration.max_batch_events:
        raise ClientError(
            413, "batch_too_large", f"A batch holds at most {runtime.configuration.max_batch_events} events.", "batch"
        )
    events, unread, duplicates = await _read_batch(runtime, batch)
    kept = await keep_events(runtime, events, unread)
    if kept.refused and not kept.placed:
        raise ClientError(
            422,
            "no_usable_event",
            f"None of the batch's events can be used. The first: {kept.refused[0].reason}",
            "batch",
        )
    reasons = list(dict.fromkeys(one.reason for one in kept.refused))[:_REASONS_SHOWN]
    return BatchAnswer(kept.new, duplicates + kept.duplicates, len(kept.refused), reasons, kept.withheld)


async def _read_batch(runtime: Runtime, batch: Batch) -> tuple[list[Event], list[Refused], int]:
    came = replace(arrival(runtime), context=batch.context, sent_at=batch.sent_at)
    events: dict[str, Event] = {}
    refused: list[Refused] = []
    duplicates = 0
    turn = perf_counter()
    for raw in batch.batch:
        turn = await give_way(turn)
        try:
            event = runtime.reader.read(raw, None, came)
        except ClientError as error:
            refused.append(Refused(error.message, bytes(raw).decode(errors="replace"), _visitor_named(raw)))
            continue
        duplicates += event.event_id in events
        events.setdefault(event.event_id, event)
    usable = list(events.values())
    # Without a time of sending, times are no estimates: they are kept as they are said.
    return usable if batch.sent_at is None else keep_order(usable), refused, duplicates


def _visitor_named(raw: msgspec.Raw) -> str | None:
    """Return whom a refused message is about, so that erasing the visitor erases it too."""
    try:
        said = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    named = (said.get(name) for name in VISITOR_MEMBERS)
    return next((str(one) for one in named if isinstance(one, str | int) and one != ""), None)
