"""Google Analytics 4's Measurement Protocol as canonical events.

https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference: a request is about one client, and
holds events with parameters. ``docs/clients.md`` says which fields go where.
"""

import hashlib
from typing import Any

import msgspec
from msgspec import Struct

from features.device import device_of_agent, device_of_type
from features.events import Event
from features.landing import path_of, read_landing
from features.names import EventNames, PropertyNames
from serving.decoding import decode
from serving.errors import ClientError
from serving.nesting import require_shallow
from serving.once import made_event_id
from serving.segment import Arrival, Id, Moment
from serving.segment_context import object_at, text_at
from serving.times import parse_moment, require_plausible
from serving.usable import require_no_nul, require_usable

_MEMBERS = {
    "event_id": "params.event_id",
    "name": "events.name",
    "visitor_id": "client_id",
    "user_id": "user_id",
    "session_id": "params.session_id",
}


class Measurement(Struct, frozen=True):
    """A request: one client, or instance of an app, and what it did; each event is read by itself.

    Members that are not listed are ignored; ``user_data`` is among them, which holds contact details.
    """

    events: list[msgspec.Raw]
    client_id: Id | None = None
    app_instance_id: Id | None = None
    user_id: Id | None = None
    timestamp_micros: Moment | None = None
    user_properties: dict[str, Any] | None = None
    user_location: dict[str, Any] | None = None
    device: dict[str, Any] | None = None
    user_agent: str | None = None


class MeasurementEvent(Struct, frozen=True):
    """One event; ``timestamp_micros`` goes before that of the request."""

    name: str
    params: dict[str, Any] | None = None
    timestamp_micros: Moment | None = None


class MeasurementReader:
    """Turns events of the Measurement Protocol into events of one journey."""

    def __init__(self, names: EventNames, property_names: PropertyNames, max_event_bytes: int) -> None:
        self._names = names
        self._property_names = property_names
        self._max_event_bytes = max_event_bytes

    def read(self, request: Measurement, index: int, arrival: Arrival) -> Event:
        """Return the event at a place of the request; raises :class:`ClientError`, which names the field at fault."""
        content = bytes(request.events[index])
        if len(content) > self._max_event_bytes:
            raise ClientError(
                413, "event_too_large", f"The event has {len(content):,} bytes; the most is {self._max_event_bytes:,}."
            )
        require_no_nul(content)
        said = decode(content, MeasurementEvent)
        visitor_id = visitor_of(request)
        if not visitor_id:
            raise ClientError(422, "no_visitor", "The request needs a client_id or an app_instance_id.", "client_id")
        if not said.name:
            raise ClientError(422, "no_event_name", "The event needs a name.", "events.name")
        name = self._names.kept(said.name)
        properties = _properties(request, said, name)
        landing = read_landing(text_at(properties, "page_location"))
        if landing.click_id:
            properties.setdefault("click_id", landing.click_id)
        self._property_names.fill(name, properties)
        event = Event(
            event_id=_event_id(request, said, visitor_id, index, content),
            name=name,
            occurred_at_us=_occurred_at_us(request, said, arrival),
            visitor_id=visitor_id,
            session_id=_session_id(properties, visitor_id),
            user_id=_id(request.user_id),
            received_at_us=arrival.received_at_us,
            channel=text_at(properties, "medium") or landing.medium,
            device=_device(request),
            source=text_at(properties, "source") or landing.source,
            campaign=text_at(properties, "campaign") or landing.campaign,
            properties=properties,
        )
        require_usable(event, _MEMBERS)
        require_shallow(event.properties, content, "params")
        return event


def visitor_of(request: Measurement) -> str | None:
    """Return whom a request is about."""
    return _id(request.client_id) or _id(request.app_instance_id) or _id(request.user_id)


def user_of(request: Measurement) -> str | None:
    """Return the user that a request names."""
    return _id(request.user_id)


def _properties(request: Measurement, said: MeasurementEvent, name: str) -> dict[str, Any]:
    properties = dict(said.params or {})
    if name in ("page_view", "screen_view"):
        page = (
            path_of(text_at(properties, "page_location"))
            or text_at(properties, "screen_name")
            or text_at(properties, "page_title")
        )
        if page:
            properties.setdefault("page", page)
    country = text_at(request.user_location or {}, "country_id")
    if country:
        properties.setdefault("country", country)
    if request.user_properties:
        properties["user_properties"] = {
            key: value.get("value") if isinstance(value, dict) else value
            for key, value in request.user_properties.items()
        }
    return properties


def _event_id(request: Measurement, said: MeasurementEvent, visitor_id: str, index: int, content: bytes) -> str:
    """Return an id that a retry has, too: the one that is given, else a digest where the request tells its time."""
    given = _id_at(said.params or {}, "event_id")
    if given:
        return given
    moment = said.timestamp_micros or request.timestamp_micros
    if moment is None:
        return made_event_id()
    parts = (visitor_id.encode(), str(moment).encode(), str(index).encode(), content)
    digest = hashlib.sha256(b"".join(len(part).to_bytes(8) + part for part in parts))
    return f"ga4-{digest.hexdigest()[:40]}"


def _occurred_at_us(request: Measurement, said: MeasurementEvent, arrival: Arrival) -> int:
    moment = said.timestamp_micros if said.timestamp_micros is not None else request.timestamp_micros
    if moment is None:
        return arrival.received_at_us
    at_us = parse_moment(moment, "timestamp_micros")
    require_plausible(at_us, "timestamp_micros", arrival.latest_us)
    return at_us


def _device(request: Measurement) -> str | None:
    category = text_at(object_at({"device": request.device}, "device"), "category")
    if category:
        return device_of_type(category)
    return device_of_agent(request.user_agent) if request.user_agent else None


def _session_id(properties: dict[str, Any], visitor_id: str) -> str | None:
    """Return the session's id; Google's own, a number, is unique within a visitor only."""
    said = _id_at(properties, "session_id") or _id_at(properties, "ga_session_id")
    return f"{visitor_id}.{said}" if said and said.isdecimal() else said


def _id(said: Id | None) -> str | None:
    return None if said is None or said == "" else str(said)


def _id_at(said: dict[str, Any], name: str) -> str | None:
    value = said.get(name)
    return _id(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
