"""Calls in Segment's format, read and kept."""

from dataclasses import replace

import msgspec

from features.events import Event
from serving.decoding import decode
from serving.errors import ClientError
from serving.ingest import Refused, arrival, keep_event
from serving.keep_each import keep_each, require_few
from serving.messages import BatchAnswer, TrackAnswer
from serving.runtime import Runtime
from serving.segment import VISITOR_MEMBERS, Batch, MessageType
from serving.spans import span


async def track(runtime: Runtime, body: bytes, route: MessageType) -> TrackAnswer:
    """Keep one event and say which session it went to; raises ClientError for one that cannot be used."""
    with span("parse"):
        event = runtime.reader.read(body, route, arrival(runtime))
    placed = await keep_event(runtime, event)
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
    return Refused(error.message, bytes(raw).decode(errors="replace"), *_named(raw))


def _named(raw: msgspec.Raw) -> tuple[str | None, str | None]:
    """Return the visitor that a refused message is about, so that erasing the visitor erases it too, and its user."""
    try:
        said = msgspec.json.decode(bytes(raw).decode(errors="replace"))
    except (msgspec.DecodeError, RecursionError):
        return None, None
    if not isinstance(said, dict):
        return None, None
    ids = {name: str(one) for name in VISITOR_MEMBERS if isinstance(one := said.get(name), str | int) and one != ""}
    visitor_id = next(iter(ids.values()), None)
    # Where there is no anonymousId, whatever names the visitor may be a user's id.
    return visitor_id, ids.get("userId") if "anonymousId" in ids else visitor_id
