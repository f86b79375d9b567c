"""Canonical events of a request's body, as sessions that are scored and forgotten."""

from typing import Any

import msgspec

from features.events import Event
from features.live import LiveSession
from features.plan import Plan
from serving.errors import ClientError
from serving.messages import CanonicalEvent
from serving.times import parse_event_time, parse_time
from serving.visitor import Visitor

# As long as what reading a log accepts.
_LONGEST = {"event_id": 512, "visitor_id": 512, "name": 200, "session_id": 512, "user_id": 512}
_REQUIRED = ("event_id", "visitor_id", "name")
_NUL = "\x00"


def sessions_of(
    events: list[CanonicalEvent], plan: Plan, timeout_us: int, *, latest_us: int, most: int
) -> tuple[Visitor, LiveSession]:
    """Return the visitor with all sessions, and the session with the latest event.

    Raises ClientError, naming the field, for no events, too many, several visitors, or an event that cannot be used.
    """
    if not events:
        raise ClientError(422, "no_events", "The list of events is empty.", "events")
    if len(events) > most:
        raise ClientError(413, "too_many_events", f"At most {most:,} events can be scored at once.", "events")
    visitor = Visitor(plan, events[0].visitor_id, timeout_us)
    read: dict[str, Event] = {}
    for index, event in enumerate(events):
        if event.visitor_id != visitor.visitor_id:
            raise ClientError(
                422,
                "several_visitors",
                "The events are of several visitors: ask for one at a time.",
                f"events[{index}].visitor_id",
            )
        read.setdefault(event.event_id, _read(event, f"events[{index}]", latest_us))
    for one in sorted(read.values(), key=lambda event: (event.occurred_at_us, event.event_id.encode())):
        visitor.place(one)
    session = visitor.latest()
    if session is None:
        raise ClientError(422, "no_events", "The list of events is empty.", "events")
    return visitor, session


def _read(event: CanonicalEvent, where: str, latest_us: int) -> Event:
    for field, longest in _LONGEST.items():
        text = getattr(event, field) or ""
        if _NUL in text or (field in _REQUIRED and not text):
            raise ClientError(422, "invalid_field", f"An event's {field} must be text without NUL.", f"{where}.{field}")
        if len(text) > longest:
            raise ClientError(
                422, "too_long", f"An event's {field} is longer than {longest} characters.", f"{where}.{field}"
            )
    if event.received_at:
        parse_time(event.received_at, f"{where}.received_at")
    occurred_at_us = parse_event_time(event.occurred_at, f"{where}.occurred_at", latest_us)
    return Event(
        event_id=event.event_id,
        name=event.name,
        occurred_at_us=occurred_at_us,
        visitor_id=event.visitor_id,
        session_id=event.session_id or None,
        user_id=event.user_id or None,
        received_at_us=None,
        channel=event.channel or None,
        device=event.device or None,
        source=event.source or None,
        campaign=event.campaign or None,
        properties=_properties(event.properties, f"{where}.properties"),
    )


def _properties(said: dict[str, Any] | str | None, where: str) -> dict[str, Any]:
    if not said:
        return {}
    if isinstance(said, dict):
        return said
    try:
        parsed: dict[str, Any] = msgspec.json.decode(said, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise ClientError(
            422, "invalid_field", "An event's properties are the text of no JSON object.", where
        ) from error
    return parsed
