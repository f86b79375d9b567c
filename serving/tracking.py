"""Calls in Segment's format, read and kept."""

from dataclasses import replace

import msgspec

from features.events import Event
from serving.errors import ClientError
from serving.ingest import Refused, arrival, keep_event
from serving.keep_each import keep_each, require_few
from serving.messages import BatchAnswer, TrackAnswer, decode
from serving.runtime import Runtime
from serving.segment import VISITOR_MEMBERS, Batch, MessageType


async def track(runtime: Runtime, body: bytes, route: MessageType) -> TrackAnswer:
    """Keep one event and say which session it went to; raises ClientError for one that cannot be used."""
    placed = await keep_event(runtime, runtime.reader.read(body, route, arrival(runtime)))
    return TrackAnswer(placed.event.session_id if placed else None)


async def track_batch(runtime: Runtime, body: bytes) -> BatchAnswer:
    """Keep the events of a batch that can be used, and the others with the reason in the quarantine.

    Raises ClientError where none can.
    """
    batch = decode(body, Batch)
    require_few(len(batch.batch), runtime.configuration.max_batch_events, "batch")
    came = replace(arrival(runtime), context=batch.context, sent_at=batch.sent_at)

    def read(raw: msgspec.Raw) -> Event:
        return runtime.reader.read(raw, None, came)

    # Without a time of sending, times are no estimates: they are kept as they are said.
    return await keep_each(runtime, batch.batch, read, _refuse, ordered=batch.sent_at is not None)


def _refuse(raw: msgspec.Raw, error: ClientError) -> Refused:
    return Refused(error.message, bytes(raw).decode(errors="replace"), _visitor_named(raw))


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
