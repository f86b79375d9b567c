"""Segment's tracking format as canonical events."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from features.events import Event
from features.names import EventNames
from serving.errors import ClientError
from serving.nesting import require_shallow
from serving.times import parse_time, require_plausible

# What reading the log again would refuse is refused at once; derived session ids need some room.
_LONGEST_NAME, _LONGEST_ID = 200, 240
VISITOR_MEMBERS = ("anonymousId", "previousId", "userId")
"""Where a message names its visitor, the first that does."""
_TABLET = re.compile(r"ipad|tablet|kindle|silk|android(?!.*mobi)", re.IGNORECASE)
_MOBILE = re.compile(r"mobi|iphone|ipod|android|windows phone", re.IGNORECASE)
_DEVICE_TYPES = {"ios": "mobile", "android": "mobile", "phone": "mobile", "web": "desktop"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

Json = Mapping[str, Any]


class MessageType(StrEnum):
    """Segment's calls."""

    TRACK = "track"
    PAGE = "page"
    SCREEN = "screen"
    IDENTIFY = "identify"
    ALIAS = "alias"
    GROUP = "group"


class Message(Struct, frozen=True, rename="camel"):
    """One call in Segment's format; members that are not listed are ignored, as Segment's own servers do."""

    type: MessageType | None = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    message_id: str | None = None
    anonymous_id: str | None = None
    user_id: str | None = None
    previous_id: str | None = None
    group_id: str | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    channel: str | None = None
    timestamp: str | None = None
    original_timestamp: str | None = None
    sent_at: str | None = None


class Batch(Struct, frozen=True, rename="camel"):
    """Many calls in one request; each is read by itself, so that a bad one does not spoil the others."""

    batch: list[msgspec.Raw]
    context: dict[str, Any] | None = None
    sent_at: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the server knows about a request: its own time, and what a batch says for all its events."""

    received_at_us: int
    latest_us: int
    context: Json | None = None
    sent_at: str | None = None


class SegmentReader:
    """Turns messages into events of one journey."""

    def __init__(self, names: EventNames, max_event_bytes: int) -> None:
        self._names = names
        self._max_event_bytes = max_event_bytes
        self._decoder = msgspec.json.Decoder(Message)

    def read(self, raw: bytes | msgspec.Raw, route: MessageType | None, arrival: Arrival) -> Event:
        """Return the event that a message tells of; its session is None where the payload names none.

        ``route`` is the type that the address names; None where each message says it itself. Raises
        :class:`ClientError`, which names the field at fault.
        """
        from serving.messages import decode

        size = memoryview(raw).nbytes
        if size > self._max_event_bytes:
            raise ClientError(
                413, "event_too_large", f"The event has {size:,} bytes; at most {self._max_event_bytes:,} are kept."
            )
        content = bytes(raw)
        if _NUL.search(content):
            raise ClientError(422, "nul_character", "The event contains a NUL character, which no database keeps.")
        message = decode(content, Message, self._decoder)
        event = self._event(message, route or _type_of(message), arrival)
        require_shallow(event.properties, content, "properties")
        return event

    def _event(self, message: Message, kind: MessageType, arrival: Arrival) -> Event:
        context = {**(arrival.context or {}), **(message.context or {})}
        visitor_id = message.anonymous_id or message.previous_id or message.user_id
        if not visitor_id:
            raise ClientError(422, "no_visitor", "The event needs an anonymousId or a userId.", "anonymousId")
        properties = _properties(message, kind, context)
        campaign = _object(context, "campaign")
        event = Event(
            event_id=message.message_id or f"dropoff-{uuid.uuid4()}",
            name=self._name(message, kind),
            occurred_at_us=_occurred_at_us(message, arrival),
            visitor_id=visitor_id,
            session_id=_session_id(context, properties),
            user_id=message.user_id or None,
            received_at_us=arrival.received_at_us,
            channel=_text(context, "channel") or message.channel or None,
            device=_device(context),
            source=_text(context, "source") or _text(campaign, "source"),
            campaign=_text(campaign, "name"),
            properties=properties,
        )
        _require_usable(event)
        return event

    def _name(self, message: Message, kind: MessageType) -> str:
        match kind:
            case MessageType.TRACK:
                if not message.event:
                    raise ClientError(422, "no_event_name", "A track call needs the name of its event.", "event")
                return self._names.kept(message.event)
            case MessageType.PAGE | MessageType.SCREEN:
                return self._names.find(message.name or "") or f"{kind}_view"
            case _:
                return str(kind)


def _type_of(message: Message) -> MessageType:
    if message.type is None:
        raise ClientError(422, "no_type", f"The message needs a type: {', '.join(MessageType)}.", "type")
    return message.type


def _properties(message: Message, kind: MessageType, context: Json) -> dict[str, Any]:
    properties = dict(message.properties or {})
    match kind:
        case MessageType.IDENTIFY:
            properties |= message.traits or {}
        case MessageType.GROUP:
            properties |= (message.traits or {}) | {"group_id": message.group_id}
        case MessageType.ALIAS:
            properties |= {"previous_id": message.previous_id}
        case MessageType.PAGE | MessageType.SCREEN:
            properties.setdefault("page", message.name or _text(properties, "path"))
            if message.category:
                properties.setdefault("category", message.category)
    country = _text(_object(context, "location"), "country") or _text(context, "country")
    if country:
        properties.setdefault("country", country)
    return properties


def _occurred_at_us(message: Message, arrival: Arrival) -> int:
    sent_at = message.sent_at or arrival.sent_at
    if message.timestamp and message.original_timestamp:
        # Both means that the difference of the clocks has been taken out already.
        field, occurred_at_us = "timestamp", parse_time(message.timestamp, "timestamp")
    elif said := message.original_timestamp or message.timestamp:
        field = "originalTimestamp" if message.original_timestamp else "timestamp"
        occurred_at_us = parse_time(said, field)
        if sent_at:
            # Segment's correction: the client's clock may be wrong, but it measures durations well.
            occurred_at_us = arrival.received_at_us - (parse_time(sent_at, "sentAt") - occurred_at_us)
    else:
        return arrival.received_at_us
    require_plausible(occurred_at_us, field, arrival.latest_us)
    return occurred_at_us


def _session_id(context: Json, properties: Json) -> str | None:
    for given, field in (
        (context.get("sessionId"), "context.sessionId"),
        (properties.get("session_id"), "properties.session_id"),
    ):
        if given is None or given == "":
            continue
        if not isinstance(given, str | int) or isinstance(given, bool):
            raise ClientError(422, "invalid_field", f"A session's id is text or a whole number at {field}.", field)
        return str(given)
    return None


def _device(context: Json) -> str | None:
    said = _text(_object(context, "device"), "type") or _text(context, "device")
    if said:
        return _DEVICE_TYPES.get(said.lower(), said.lower())
    agent = _text(context, "userAgent")
    if not agent:
        return None
    if _TABLET.search(agent):
        return "tablet"
    return "mobile" if _MOBILE.search(agent) else "desktop"


def _object(parent: Json, name: str) -> Json:
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def _text(parent: Json, name: str) -> str | None:
    value = parent.get(name)
    return value if isinstance(value, str) and value else None


def _require_usable(event: Event) -> None:
    said = {
        "messageId": (event.event_id, _LONGEST_ID),
        "event": (event.name, _LONGEST_NAME),
        "anonymousId": (event.visitor_id, _LONGEST_ID),
        "userId": (event.user_id, _LONGEST_ID),
        "sessionId": (event.session_id, _LONGEST_ID),
    }
    for field, (text, longest) in said.items():
        if text is not None and len(text) > longest:
            raise ClientError(422, "too_long", f"{field} is longer than {longest} characters.", field)
        # An address, which names sessions and visitors, cannot carry a line break.
        if text is not None and _CONTROL.search(text):
            raise ClientError(422, "control_character", f"{field} contains a control character.", field)
