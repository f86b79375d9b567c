"""Segment's tracking format as canonical events."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from features.clocks import on_our_clock
from features.events import Event
from features.names import EventNames, PropertyNames
from serving.errors import ClientError
from serving.nesting import require_shallow
from serving.once import made_event_id
from serving.segment_context import Json, consent_of, country_of, device_of, landing_of, object_at, text_at
from serving.times import parse_moment, require_plausible
from serving.usable import require_no_nul, require_usable

VISITOR_MEMBERS = ("anonymousId", "previousId", "userId")
"""Where a message names its visitor, the first that does."""
_MEMBERS = {
    "event_id": "messageId",
    "name": "event",
    "visitor_id": "anonymousId",
    "user_id": "userId",
    "session_id": "sessionId",
}
"""Which member of a message each id comes from, for what is said about it."""


Id = str | int
Moment = str | float


class MessageType(StrEnum):
    """Segment's calls."""

    TRACK = "track"
    PAGE = "page"
    SCREEN = "screen"
    IDENTIFY = "identify"
    ALIAS = "alias"
    GROUP = "group"


CALLS = frozenset({"page_view", "screen_view", "identify", "alias", "group"})
"""What calls that name no event are kept as: known to every journey, declared or not."""


class Message(Struct, frozen=True, rename="camel"):
    """One call in Segment's format; members that are not listed are ignored, as Segment's own servers do.

    Clients may send whole numbers as ids, and moments as ISO 8601 or as seconds or milliseconds since 1970.
    """

    type: MessageType | None = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    message_id: Id | None = None
    anonymous_id: Id | None = None
    user_id: Id | None = None
    previous_id: Id | None = None
    group_id: Id | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    channel: str | None = None
    timestamp: Moment | None = None
    original_timestamp: Moment | None = None
    sent_at: Moment | None = None


class Batch(Struct, frozen=True, rename="camel"):
    """Many calls in one request; each is read by itself, so that a bad one does not spoil the others."""

    batch: list[msgspec.Raw]
    context: dict[str, Any] | None = None
    sent_at: Moment | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the server knows about a request: its own time, and what a batch says for all its events."""

    received_at_us: int
    latest_us: int
    context: Json | None = None
    sent_at: Moment | None = None


_AS_SENT = PropertyNames()


class SegmentReader:
    """Turns messages into events of one journey.

    ``previous_is_user`` says that the earlier id of an alias without an ``anonymousId`` counts as a user's, not as the
    visitor's: where user ids are hashed, what may be one must not be kept as it is.
    """

    def __init__(
        self,
        names: EventNames,
        max_event_bytes: int,
        property_names: PropertyNames = _AS_SENT,
        *,
        previous_is_user: bool = False,
    ) -> None:
        self._previous_is_user = previous_is_user
        self._names = names
        self._property_names = property_names
        self._max_event_bytes = max_event_bytes
        self._decoder = msgspec.json.Decoder(Message)

    def read(self, raw: bytes | msgspec.Raw, route: MessageType | None, arrival: Arrival) -> Event:
        """Return the event that a message tells of; its session is None where the payload names none.

        ``route`` is the type that the address names; None where each message says it itself. Raises
        :class:`ClientError`, which names the field at fault.
        """
        from serving.decoding import decode

        size = memoryview(raw).nbytes
        if size > self._max_event_bytes:
            raise ClientError(
                413, "event_too_large", f"The event has {size:,} bytes; at most {self._max_event_bytes:,} are kept."
            )
        content = bytes(raw)
        require_no_nul(content)
        message = decode(content, Message, self._decoder)
        event = self._event(message, route or _type_of(message), arrival)
        require_shallow(event.properties, content, "properties")
        return event

    def _event(self, message: Message, kind: MessageType, arrival: Arrival) -> Event:
        context = {**(arrival.context or {}), **(message.context or {})}
        user_id = _id(message.user_id)
        visitor_id = _id(message.anonymous_id) or self._previous(message, kind) or user_id
        if not visitor_id:
            raise ClientError(422, "no_visitor", "The event needs an anonymousId or a userId.", "anonymousId")
        properties = _properties(message, kind, context)
        landing = landing_of(context, properties)
        if landing.click_id:
            properties.setdefault("click_id", landing.click_id)
        name = self._name(message, kind)
        self._property_names.fill(name, properties)
        event = Event(
            event_id=_id(message.message_id) or made_event_id(),
            name=name,
            occurred_at_us=_occurred_at_us(message, arrival),
            visitor_id=visitor_id,
            session_id=_session_id(context, properties),
            user_id=user_id,
            received_at_us=arrival.received_at_us,
            channel=text_at(context, "channel") or landing.medium or message.channel or None,
            device=device_of(context),
            source=text_at(context, "source") or landing.source,
            campaign=landing.campaign,
            properties=properties,
        )
        require_usable(event, _MEMBERS)
        return event

    def _previous(self, message: Message, kind: MessageType) -> str | None:
        is_user = self._previous_is_user and kind is MessageType.ALIAS and _id(message.user_id) is not None
        return None if is_user else _id(message.previous_id)

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
            # RudderStack's clients say them in the context.
            properties |= object_at(context, "traits") | (message.traits or {})
        case MessageType.GROUP:
            properties |= (message.traits or {}) | {"group_id": _id(message.group_id)}
        case MessageType.ALIAS:
            properties |= {"previous_id": _id(message.previous_id)}
        case MessageType.PAGE | MessageType.SCREEN:
            properties.setdefault("page", message.name or text_at(properties, "path"))
            if message.category:
                properties.setdefault("category", message.category)
    country = country_of(context)
    if country:
        properties.setdefault("country", country)
    consent = consent_of(context)
    if consent is not None:
        properties.setdefault("consent", consent)
    return properties


def _occurred_at_us(message: Message, arrival: Arrival) -> int:
    sent_at = message.sent_at or arrival.sent_at
    if message.timestamp and message.original_timestamp:
        # Both means that the difference of the clocks has been taken out already.
        field, occurred_at_us = "timestamp", parse_moment(message.timestamp, "timestamp")
    elif said := message.original_timestamp or message.timestamp:
        field = "originalTimestamp" if message.original_timestamp else "timestamp"
        occurred_at_us = parse_moment(said, field)
        if sent_at:
            occurred_at_us = on_our_clock(occurred_at_us, parse_moment(sent_at, "sentAt"), arrival.received_at_us)
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


def _id(said: Id | None) -> str | None:
    return None if said is None or said == "" else str(said)
