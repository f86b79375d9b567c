"""What the service keeps of people: decided for every event before anything is stored, and for every id asked about."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from features.claims import is_placeholder
from features.events import Event
from features.personal import allowed_only, cleaned, hashed_id, names_somebody, without_contact, word_without_contact
from journeys.journey import Journey
from serving.configuration import Configuration
from storage.secrets import local_secret

OWN_PROPERTIES = frozenset({"page", "country", "previous_id", "group_id", "click_id", "consent", "definition"})
"""What the service itself reads beside a journey's declared properties."""
EVERYTHING = "*"
_ABOUT_PEOPLE = frozenset({"traits", "context", "user_properties", "contexts"})
_PROPERTIES = frozenset({"properties", "params"})
_USERS = frozenset({"userId", "user_id", "uid"})
_PAYLOAD_CHARACTERS = 2_000
_SECRET = "ids"  # noqa: S105 (the name of a file)


@dataclass(frozen=True)
class Privacy:
    """The rules of one service.

    ``allowed`` are the names of properties that are kept; None keeps all. Ids that are, or hold, e-mail or IP addresses
    are always hashed with ``key``, user ids all where ``hash_user_ids`` says so.
    """

    allowed: frozenset[str] | None
    key: bytes
    hash_user_ids: bool = False
    consent_required: bool = False

    def admit(self, event: Event) -> Event | None:
        """Return what may be kept of an event, or None for one that its visitor has not consented to."""
        consent = event.properties.get("consent")
        if consent is False or (self.consent_required and consent is not True):
            return None
        properties = self.properties(event.properties)
        visitor_id, user_id = self.visitor_id(event.visitor_id), event.user_id
        if user_id is not None:
            # Where nothing but the user names the visitor, both stay the same.
            same, user_id = user_id == event.visitor_id, self.user_id(user_id)
            visitor_id = user_id if same else visitor_id
        # As `dataclasses.replace` does, in a fraction of its time.
        return Event(
            self.visitor_id(event.event_id),
            word_without_contact(event.name),
            event.occurred_at_us,
            visitor_id,
            None if event.session_id is None else self.visitor_id(event.session_id),
            user_id,
            event.received_at_us,
            _cleaned(event.channel),
            _cleaned(event.device),
            _cleaned(event.source),
            _cleaned(event.campaign),
            properties,
        )

    def quarantined(self, payload: str) -> str:
        """Return what may be kept of a payload that cannot be used: of JSON, no more than of an event."""
        try:
            said = msgspec.json.decode(payload)
        except (msgspec.DecodeError, RecursionError):
            return without_contact(payload[:_PAYLOAD_CHARACTERS])
        if not isinstance(said, dict):
            return msgspec.json.encode(cleaned(said)).decode()
        kept = {name: value for name, value in said.items() if name not in _ABOUT_PEOPLE}
        for name in _PROPERTIES & kept.keys():
            kept[name] = self.properties(kept[name]) if isinstance(kept[name], dict) else None
        for name in _USERS & kept.keys():
            kept[name] = self.user_id(kept[name]) if isinstance(kept[name], str) else None
        return msgspec.json.encode(cleaned(kept)).decode()

    def properties(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return the properties that may be kept, without what names somebody."""
        allowed = dict(said) if self.allowed is None else allowed_only(said, self.allowed)
        kept: dict[str, Any] = cleaned(allowed)
        if isinstance(previous := said.get("previous_id"), str) and "previous_id" in kept:
            kept["previous_id"] = self.visitor_id(previous)
        return kept

    def user_id(self, said: str) -> str:
        """Return the id under which a user is kept."""
        # A placeholder stays readable, so that it is known for one.
        if is_placeholder(said):
            return said
        return hashed_id(self.key, said) if self.hash_user_ids or names_somebody(said) else said

    def visitor_id(self, said: str) -> str:
        """Return the id under which a visitor, a session or an event is kept."""
        return hashed_id(self.key, said) if names_somebody(said) else said


def privacy_of(configuration: Configuration, journey: Journey) -> Privacy:
    """Return the rules that the settings and the journey make; raises ``storage.secrets.SecretUnreadable``."""
    named = {name.strip() for name in configuration.keep_properties.split(",")} - {""}
    allowed = None if EVERYTHING in named else frozenset(journey.properties) | OWN_PROPERTIES | named
    return replace(ids_of(configuration), allowed=allowed)


def ids_of(configuration: Configuration) -> Privacy:
    """Return the rules for ids alone, which are those of every journey; raises ``storage.secrets.SecretUnreadable``."""
    key = configuration.id_secret.encode() or local_secret(configuration.home, _SECRET)
    return Privacy(None, key, configuration.hash_user_ids, configuration.consent_required)


def _cleaned(text: str | None) -> str | None:
    return None if text is None else word_without_contact(text)
