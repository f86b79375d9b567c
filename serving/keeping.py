"""How an imported log is kept, by the rules that the service of a journey keeps events by."""

from collections.abc import Callable
from typing import Any

import msgspec

from features.claims import PREVIOUS_ID
from features.keeping import Keeping
from features.names import PropertyNames
from features.personal import without_contact
from journeys.journey import Journey
from serving.configuration import Configuration
from serving.privacy import Privacy, privacy_of


def keeping_of(
    configuration: Configuration, journey: Journey, widened: Callable[[Privacy], Privacy] = lambda privacy: privacy
) -> Keeping:
    """Return the rules that the settings and the journey make, ``widened`` where more is kept.

    Raises ``storage.secrets.SecretUnreadable``.
    """
    privacy = widened(privacy_of(configuration, journey))
    texts = dict.fromkeys(("name", "channel", "device", "source", "campaign"), without_contact)
    ids = dict.fromkeys(("event_id", "session_id", "visitor_id"), privacy.visitor_id)
    return Keeping(
        names=journey.names,
        rules={
            **texts,
            **ids,
            "user_id": privacy.user_id,
            "content": privacy.quarantined,
        },
        properties=lambda name, text: _properties(privacy, journey.property_names, name, text),
        own_properties=(lambda name, text: _properties(privacy, journey.property_names, name, text, own=True))
        if privacy.hash_user_ids
        else None,
        consent_required=privacy.consent_required,
    )


def _properties(privacy: Privacy, names: PropertyNames, event: str, text: str, *, own: bool = False) -> str:
    try:
        said: dict[str, Any] = msgspec.json.decode(text, type=dict)
    except (msgspec.DecodeError, RecursionError):
        # The row is refused for this; nothing of it may come along meanwhile.
        return "{}"
    entities = said.get("contexts")
    if isinstance(entities, list) and all(isinstance(one, dict) and one.keys() >= {"name", "data"} for one in entities):
        # Aliases find Snowplow's entities by their names.
        by_name: dict[str, list[Any]] = {}
        for one in entities:
            by_name.setdefault(one["name"], []).append(one["data"])
        filled = said | {"contexts": by_name}
        names.fill(event, filled)
        said = filled | {"contexts": entities}
    else:
        names.fill(event, said)
    return msgspec.json.encode(privacy.properties(said, said.get(PREVIOUS_ID) if own else None)).decode()
