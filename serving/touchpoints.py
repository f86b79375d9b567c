"""Touchpoints in: what happened to people outside of their sessions, kept beside the log."""

from dataclasses import replace

import msgspec

from features.events import Event
from features.touchpoints import CLICK, TOUCHPOINT_PROPERTIES, Touchpoint, channel_of, touchpoint_name
from serving.decoding import decode
from serving.errors import ClientError
from serving.ingest import arrival
from serving.messages import TouchpointRequest, TouchpointsAnswer
from serving.nesting import require_shallow
from serving.privacy import Privacy
from serving.runtime import Runtime
from serving.segment import Arrival
from serving.times import parse_moment, require_plausible
from serving.usable import require_no_nul, require_usable

_MEMBERS = {"event_id": "id", "name": "name", "visitor_id": "visitor_id", "user_id": "user_id", "session_id": "id"}
_LONGEST_CLICK = 240


async def keep_touchpoints(runtime: Runtime, body: bytes) -> TouchpointsAnswer:
    """Keep one touchpoint or an array of them; all of them or, with the ClientError that names the field, none."""
    require_no_nul(body)
    came = arrival(runtime)
    privacy = with_records(runtime.privacy)
    if body.lstrip()[:1] == b"[":
        requests = decode(body, list[TouchpointRequest])
        most = runtime.configuration.max_batch_events
        if len(requests) > most:
            raise ClientError(413, "too_many_touchpoints", f"At most {most:,} touchpoints are taken at once.")
        read = [_read(runtime, one, f"[{place}].", came, body) for place, one in enumerate(requests)]
    else:
        read = [_read(runtime, decode(body, TouchpointRequest), "", came, body)]
    admitted = [kept for one in read if (kept := admit(privacy, one)) is not None]
    duplicates = await runtime.commit(lambda connection: runtime.touchpoints.append(connection, admitted))
    return TouchpointsAnswer(len(admitted) - duplicates, duplicates, len(read) - len(admitted))


def with_records(privacy: Privacy) -> Privacy:
    """Return rules that also keep what touchpoints say of deals, tickets and calls."""
    allowed = None if privacy.allowed is None else privacy.allowed | TOUCHPOINT_PROPERTIES
    return replace(privacy, allowed=allowed)


def admit(privacy: Privacy, one: Touchpoint) -> Touchpoint | None:
    """Return what may be kept of a touchpoint, by the rules that events are kept by; None without consent."""
    said = dict(one.properties) | ({} if one.click_id is None else {CLICK: one.click_id})
    event = privacy.admit(
        Event(
            event_id=one.touchpoint_id,
            name=one.name,
            occurred_at_us=one.occurred_at_us,
            # A touchpoint need not know the visitor, an event must.
            visitor_id=one.visitor_id or one.touchpoint_id,
            user_id=one.user_id,
            channel=one.channel,
            source=one.source,
            campaign=one.campaign,
            properties=said,
        )
    )
    if event is None:
        return None
    kept = dict(event.properties)
    click_id = kept.pop(CLICK, None)
    return replace(
        one,
        touchpoint_id=event.event_id,
        name=event.name,
        visitor_id=None if one.visitor_id is None else event.visitor_id,
        user_id=event.user_id,
        click_id=click_id,
        channel=event.channel,
        source=event.source,
        campaign=event.campaign,
        properties=kept,
    )


def _read(runtime: Runtime, said: TouchpointRequest, where: str, came: Arrival, body: bytes) -> Touchpoint:
    for member in ("id", "name"):
        if not getattr(said, member):
            raise ClientError(422, "invalid_field", f"A touchpoint needs its {where}{member}.", f"{where}{member}")
    if not (said.visitor_id or said.user_id or said.click_id):
        raise ClientError(
            422,
            "nobody",
            f"A touchpoint needs a user_id, a click_id or a visitor_id{f' at {where}user_id' if where else ''}.",
            f"{where}user_id",
        )
    field = f"{where}occurred_at"
    at_us = parse_moment(said.occurred_at, field)
    require_plausible(at_us, field, came.latest_us)
    if said.click_id and len(said.click_id) > _LONGEST_CLICK:
        raise ClientError(
            422, "too_long", f"{where}click_id is longer than {_LONGEST_CLICK} characters.", f"{where}click_id"
        )
    properties = said.properties or {}
    require_shallow(properties, body, f"{where}properties")
    name = touchpoint_name(runtime.journey.names, said.name)
    visitor_id, user_id = said.visitor_id or None, said.user_id or None
    require_usable(
        Event(said.id, name, at_us, visitor_id or said.id, user_id=user_id),
        {member: f"{where}{called}" for member, called in _MEMBERS.items()},
    )
    size = len(msgspec.json.encode(properties))
    if size > runtime.configuration.max_event_bytes:
        raise ClientError(
            413, "event_too_large", f"The touchpoint's properties have {size:,} bytes.", f"{where}properties"
        )
    return Touchpoint(
        touchpoint_id=said.id,
        name=name,
        occurred_at_us=at_us,
        received_at_us=came.received_at_us,
        visitor_id=visitor_id,
        user_id=user_id,
        click_id=said.click_id or None,
        channel=said.channel or channel_of(name),
        source=said.source or None,
        campaign=said.campaign or None,
        properties=properties,
    )
