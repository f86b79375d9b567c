"""What an event must satisfy to be kept, whatever protocol told of it."""

import re
from collections.abc import Mapping

from features.events import Event
from serving.errors import ClientError

# What reading the log again would refuse is refused at once; derived session ids need some room.
_LONGEST = {"event_id": 240, "name": 200, "visitor_id": 240, "user_id": 240, "session_id": 240}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NUL_ESCAPE = rb"\u0000"
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def require_no_nul(content: bytes) -> None:
    """Raise :class:`ClientError` for JSON with a NUL character in it."""
    # The plain search is many times as fast, and finds nothing in nearly all content.
    if _NUL_ESCAPE in content and _NUL.search(content):
        raise ClientError(422, "nul_character", "The event contains a NUL character, which no database keeps.")


def require_usable(event: Event, members: Mapping[str, str]) -> None:
    """Raise :class:`ClientError` for ids and names that are too long, or hold control characters.

    ``members`` says how the client calls each of an event's ids and its name.
    """
    for field, longest in _LONGEST.items():
        text = getattr(event, field)
        if text is None:
            continue
        if len(text) > longest:
            said = members[field]
            raise ClientError(422, "too_long", f"{said} is longer than {longest} characters.", said)
        # An address, which names sessions and visitors, cannot carry a line break.
        if not text.isprintable() and _CONTROL.search(text):
            said = members[field]
            raise ClientError(422, "control_character", f"{said} contains a control character.", said)
