"""How an imported log is kept, by the rules that the service of a journey keeps events by."""

import msgspec

from features.keeping import Keeping
from features.personal import without_contact
from journeys.journey import Journey
from serving.configuration import Configuration
from serving.privacy import Privacy, privacy_of


def keeping_of(configuration: Configuration, journey: Journey) -> Keeping:
    """Return the rules that the settings and the journey make; raises ``storage.secrets.SecretUnreadable``."""
    privacy = privacy_of(configuration, journey)
    texts = dict.fromkeys(("name", "channel", "device", "source", "campaign"), without_contact)
    ids = dict.fromkeys(("event_id", "session_id", "visitor_id"), privacy.visitor_id)
    return Keeping(
        names=journey.names,
        rules={
            **texts,
            **ids,
            "user_id": privacy.user_id,
            "properties": lambda text: _properties(privacy, text),
            "content": privacy.quarantined,
        },
        consent_required=privacy.consent_required,
    )


def _properties(privacy: Privacy, text: str) -> str:
    try:
        said = msgspec.json.decode(text, type=dict)
    except (msgspec.DecodeError, RecursionError):
        # The row is refused for this; nothing of it may come along meanwhile.
        return "{}"
    return msgspec.json.encode(privacy.properties(said)).decode()
