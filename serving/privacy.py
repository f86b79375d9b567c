"""What the service keeps of people: decided for every event before anything is stored, and for every id asked about."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from features.claims import ALIAS, PREVIOUS_ID, is_placeholder
from features.events import Event
from features.personal import allowed_only, cleaned, hashed_id, names_somebody, word_without_contact
from journeys.journey import Journey
from serving.configuration import Configuration
from serving.segment_context import consent_of, object_at
from storage.secrets import local_secret

OWN_PROPERTIES = frozenset({"page", "country", "previous_id", "group_id", "click_id", "consent", "definition"})
"""What the service itself reads beside a journey's declared properties."""
EVERYTHING = "*"
_PROPERTIES = frozenset({"properties", "params"})
_USERS = frozenset({"userId", "user_id", "uid", "previousId", "previous_id", "distinct_id"})
_VISITORS = frozenset({"anonymousId", "visitor_id", "duid", "tnuid", "nuid", "domain_userid", "user_pseudo_id"})
_WHAT_AND_WHEN = (
    "type event name category messageId groupId timestamp originalTimestamp sentAt receivedAt channel version "
    "event_id occurred_at occurred_at_us received_at received_at_us session_id device source campaign "
    "timestamp_micros event_name event_timestamp uuid created_at "
    "e eid sid p aid tv url page dtm stm ttm se_ca se_ac se_va tr_id ti_id domain_sessionid platform "
    "collector_tstamp derived_tstamp dvce_created_tstamp dvce_sent_tstamp true_tstamp"
)
_MEMBERS = _USERS | _VISITORS | frozenset(_WHAT_AND_WHEN.split())
"""What protocols and sources call ids, names and times: what explains why an event cannot be used."""
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
        if not self._has_consent(event.properties.get("consent")):
            return None
        user_id, session_id = event.user_id, event.session_id
        # An alias without a user says nothing of whom it names; it may be one.
        named = event.properties.get(PREVIOUS_ID) if user_id is None and event.name == ALIAS else user_id
        properties = self.properties(event.properties, event.visitor_id if user_id is not None else None)
        # GA4's sessions, and the events of its exports, are named after their visitor.
        after_user = f"{named}." if named == event.visitor_id else None
        # As `dataclasses.replace` does, in a fraction of its time.
        return Event(
            self._named_after(event.event_id, after_user),
            word_without_contact(event.name),
            event.occurred_at_us,
            self.visitor_of(event.visitor_id, named),
            None if session_id is None else self._named_after(session_id, after_user),
            None if user_id is None else self.user_id(user_id),
            event.received_at_us,
            _cleaned(event.channel),
            _cleaned(event.device),
            _cleaned(event.source),
            _cleaned(event.campaign),
            properties,
        )

    def _named_after(self, said: str, user: str | None) -> str:
        return self.user_id(said) if user is not None and said.startswith(user) else self.visitor_id(said)

    def may_quarantine(self, payload: str) -> bool:
        """Whether a payload that cannot be used may be kept: as an event, by what it says of consent."""
        try:
            said = msgspec.json.decode(payload)
        except (msgspec.DecodeError, RecursionError):
            said = None
        if not isinstance(said, dict):
            return self._has_consent(None)
        told = (object_at(said, name).get("consent") for name in sorted(_PROPERTIES))
        consent = next((one for one in told if one is not None), None)
        return self._has_consent(consent_of(object_at(said, "context")) if consent is None else consent)

    def _has_consent(self, said: object) -> bool:
        return said is True if self.consent_required else said is not False

    def quarantined(self, payload: str) -> str:
        """Return what may be kept of a payload that cannot be used: of JSON, no more than of an event."""
        try:
            said = msgspec.json.decode(payload)
        except (msgspec.DecodeError, RecursionError):
            # In what cannot be read, nothing tells what is about people.
            return f"[{len(payload):,} characters that are no JSON]"
        if not isinstance(said, dict):
            return f"[JSON, but no object: {len(payload):,} characters]"
        kept = {name: value for name, value in said.items() if _explains(name, value)}
        for name in _PROPERTIES & kept.keys():
            kept[name] = self.properties(kept[name]) if isinstance(kept[name], dict) else None
        users = {said[name] for name in _USERS & kept.keys() if isinstance(said[name], str)}
        for name in _USERS & kept.keys():
            kept[name] = self.user_id(kept[name]) if isinstance(kept[name], str) else None
        for name in _VISITORS & kept.keys():
            if isinstance(kept[name], str):
                kept[name] = self.user_id(kept[name]) if kept[name] in users else self.visitor_id(kept[name])
        return msgspec.json.encode(cleaned(kept)).decode()

    def properties(self, said: Mapping[str, Any], visitor_id: str | None = None) -> dict[str, Any]:
        """Return the properties that may be kept, without what names somebody.

        A previous id is taken for a user's, unless it is the event's own ``visitor_id``.
        """
        allowed = dict(said) if self.allowed is None else allowed_only(said, self.allowed)
        kept: dict[str, Any] = cleaned(allowed)
        if isinstance(previous := said.get(PREVIOUS_ID), str) and PREVIOUS_ID in kept:
            kept[PREVIOUS_ID] = self.visitor_id(previous) if previous == visitor_id else self.user_id(previous)
        return kept

    def user_id(self, said: str) -> str:
        """Return the id under which a user is kept."""
        # A placeholder stays readable, so that it is known for one.
        if is_placeholder(said):
            return said
        return hashed_id(self.key, said) if self.hash_user_ids or names_somebody(said) else said

    def every_id(self, said: str) -> tuple[str, ...]:
        """Return all ids under which a visitor or a user may be kept, also from when user ids were hashed, or not."""
        return tuple(sorted({self.visitor_id(said), self.user_id(said), hashed_id(self.key, said)}))

    def visitor_of(self, said: str, named: str | None) -> str:
        """Return the id under which a visitor is kept; where nothing but the user ``named`` it, that is the user's."""
        return self.user_id(said) if said == named else self.visitor_id(said)

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


def _explains(name: str, value: object) -> bool:
    return name in _PROPERTIES or (name in _MEMBERS and not isinstance(value, dict | list))


def _cleaned(text: str | None) -> str | None:
    return None if text is None else word_without_contact(text)
