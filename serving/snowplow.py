"""Snowplow's tracker protocol, version 2, as canonical events.

https://docs.snowplow.io/docs/events/going-deeper/tracker-protocol/: a payload is a flat object of short names; what
describes itself is JSON, in base64 or plain. ``docs/clients.md`` says which fields go where.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from features.clocks import on_our_clock
from features.device import device_of_agent
from features.events import Event
from features.landing import read_landing
from features.names import EventNames, PropertyNames
from serving.decoding import decode
from serving.errors import ClientError
from serving.once import made_event_id
from serving.segment import Arrival
from serving.snowplow_json import Json, contexts_of, packed, self_describing
from serving.snowplow_properties import properties_of
from serving.times import parse_moment, require_plausible
from serving.usable import require_no_nul, require_usable

VISITOR_FIELDS = ("duid", "tnuid", "nuid", "uid")
"""Which fields name the visitor, the first that does; the entity ``client_session`` of apps goes after ``duid``."""
PACKED_FIELDS = ("ue_px", "ue_pr", "cx", "co")
"""Fields that hold JSON in text."""
_MEMBERS = {"event_id": "eid", "name": "e", "visitor_id": "duid", "user_id": "uid", "session_id": "sid"}
_NAMES = {"pv": "page_view", "pp": "page_ping", "tr": "transaction", "ti": "transaction_item"}
_ECOMMERCE = "snowplow_ecommerce_action"


class PayloadData(Struct, frozen=True):
    """Many events in one request: ``payload_data``, of which each is read by itself."""

    schema: str
    data: list[msgspec.Raw]


class SnowplowReader:
    """Turns payloads into events of one journey."""

    def __init__(self, names: EventNames, property_names: PropertyNames, max_event_bytes: int) -> None:
        self._names = names
        self._property_names = property_names
        self._max_event_bytes = max_event_bytes

    def fields_of(self, raw: bytes | msgspec.Raw) -> dict[str, str]:
        """Return the fields of a payload in JSON, all as text; raises :class:`ClientError`."""
        content = bytes(raw)
        require_no_nul(content)
        said = decode(content, dict[str, str | int | float | bool | None])
        return {name: _text(value) for name, value in said.items() if value is not None and value != ""}

    def read(self, fields: Mapping[str, str], arrival: Arrival, sent_us: int | None, agent: str | None) -> Event:
        """Return the event that a payload tells of.

        ``sent_us`` is the time by the tracker's clock at which the request was sent, ``agent`` the ``User-Agent`` of
        who sent it. Raises :class:`ClientError`, which names the field at fault.
        """
        size = sum(len(value) for value in fields.values())
        if size > self._max_event_bytes:
            raise ClientError(
                422,
                "event_too_large",
                f"The event has {size:,} characters; at most {self._max_event_bytes:,} are kept.",
            )
        if any("\x00" in value for value in fields.values()):
            raise ClientError(422, "nul_character", "The event contains a NUL character, which no database keeps.")
        contexts = contexts_of(packed(fields, "cx", "co"))
        session = contexts.get("client_session", [{}])[0]
        named = (fields.get("duid"), _id(session, "userId"), *(fields.get(name) for name in VISITOR_FIELDS))
        visitor_id = next((one for one in named if one), None)
        if visitor_id is None:
            raise ClientError(422, "no_visitor", "The event needs a duid, a tnuid or a uid.", "duid")
        name, properties = self._described(fields, contexts)
        landing = read_landing(fields.get("url"))
        if landing.click_id:
            properties.setdefault("click_id", landing.click_id)
        event = Event(
            event_id=fields.get("eid") or made_event_id(),
            name=name,
            occurred_at_us=_occurred_at_us(fields, arrival, sent_us),
            visitor_id=visitor_id,
            session_id=fields.get("sid") or _id(session, "sessionId"),
            user_id=fields.get("uid"),
            received_at_us=arrival.received_at_us,
            channel=landing.medium,
            device=_device(fields, agent),
            source=landing.source,
            campaign=landing.campaign,
            properties=properties,
        )
        require_usable(event, _MEMBERS)
        return event

    def _described(
        self, fields: Mapping[str, str], contexts: Mapping[str, Sequence[Json]]
    ) -> tuple[str, dict[str, Any]]:
        kind = fields.get("e")
        if kind == "ue":
            schema, described = self_describing(packed(fields, "ue_px", "ue_pr"))
            sent = _id(described, "type") if schema == _ECOMMERCE else None
            name = self._names.kept(sent or schema)
        elif kind == "se":
            described = {}
            name = self._names.kept(_required(fields, "se_ac"))
        elif kind in _NAMES:
            described = {}
            name = self._names.kept(_NAMES[kind])
        else:
            known = ", ".join([*_NAMES, "se", "ue"])
            raise ClientError(422, "no_event_name", f"The event's kind must be one of {known}.", "e")
        properties = properties_of(fields, kind, described)
        if contexts:
            # Aliases find entities by their names; they are kept as an import of enriched events has them.
            properties["contexts"] = contexts
            self._property_names.fill(name, properties)
            properties["contexts"] = [{"name": key, "data": one} for key, found in contexts.items() for one in found]
        else:
            self._property_names.fill(name, properties)
        return name, properties


def sent_at_us(payloads: Iterable[Mapping[str, str]]) -> int | None:
    """Return when payloads were sent by the tracker's clock, which must lie after all that they tell of.

    Trackers may say it in whole seconds only: the latest event of the request says it better then. None where no
    payload says it.
    """
    told = [(_moment(fields, "stm"), _moment(fields, "dtm")) for fields in payloads]
    if all(sent is None for sent, _ in told):
        return None
    return max(moment for moments in told for moment in moments if moment is not None)


def _moment(fields: Mapping[str, str], name: str) -> int | None:
    """Return a moment, or None where it is not told, or cannot be read, which is said of the event itself."""
    try:
        return parse_moment(fields[name], name) if name in fields else None
    except ClientError:
        return None


def _occurred_at_us(fields: Mapping[str, str], arrival: Arrival, sent_us: int | None) -> int:
    if true := fields.get("ttm"):
        field, at_us = "ttm", parse_moment(true, "ttm")
    elif created := fields.get("dtm"):
        field, at_us = "dtm", parse_moment(created, "dtm")
        if sent_us is not None:
            # The derived_tstamp of Snowplow.
            at_us = on_our_clock(at_us, sent_us, arrival.received_at_us)
        if stm := fields.get("stm"):
            parse_moment(stm, "stm")
    else:
        return arrival.received_at_us
    require_plausible(at_us, field, arrival.latest_us)
    return at_us


def _required(fields: Mapping[str, str], name: str) -> str:
    if name not in fields:
        raise ClientError(422, "no_event_name", f"The event needs {name}.", name)
    return fields[name]


def _device(fields: Mapping[str, str], agent: str | None) -> str | None:
    if said := fields.get("ua"):
        return device_of_agent(said)
    platform = fields.get("p")
    if platform == "mob":
        return "mobile"
    return device_of_agent(agent) if platform == "web" and agent else None


def _id(said: Json, name: str) -> str | None:
    value = said.get(name)
    return value if isinstance(value, str) and value else None


def _text(value: str | float | bool) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
