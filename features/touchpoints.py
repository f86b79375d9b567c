"""Touchpoints: what happens to people outside of their sessions, from e-mails and ads to calls, deals and tickets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from features.names import EventNames, snake

CLICK = "click_id"
"""The property by which an event says from which click its visitor came."""
TOUCHPOINT_PROPERTIES = frozenset(
    {
        "amount",
        "currency",
        "deal",
        "duration_seconds",
        "outcome",
        "priority",
        "stage",
        "status",
        "ticket",
    }
)
"""What is kept of deals, tickets and calls beside a journey's declared properties."""
_CHANNELS = {"email": "email", "ad": "ads", "ads": "ads", "call": "call", "chat": "chat", "sms": "sms", "push": "push"}


@dataclass(frozen=True, slots=True)
class Touchpoint:
    """One of them; times are microseconds since 1970, UTC. It names a visitor, a user or the id of a click."""

    touchpoint_id: str
    name: str
    occurred_at_us: int
    received_at_us: int
    visitor_id: str | None = None
    user_id: str | None = None
    click_id: str | None = None
    channel: str | None = None
    source: str | None = None
    campaign: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)


def touchpoint_name(names: EventNames, sent: str) -> str:
    """Return the name of a touchpoint: the declared event that it means, else its own, spelt as journeys spell theirs.

    >>> touchpoint_name(EventNames(("purchase",)), "Email Open")
    'email_open'
    """
    return names.find(sent) or snake(sent) or sent


def channel_of(name: str) -> str | None:
    """Return the channel that a touchpoint's name begins with; a deal or a ticket is no way to come.

    >>> channel_of("email_open"), channel_of("deal")
    ('email', None)
    """
    return _CHANNELS.get(name.split("_", 1)[0])
