"""Events that a client's clock could not tell apart, in the order in which the client sent them."""

from collections import Counter
from collections.abc import Sequence

from msgspec.structs import replace

from features.events import Event

_MOST_US = 999
"""Clients tell times in milliseconds: more would say something that their clock did not."""


def keep_order(events: Sequence[Event]) -> list[Event]:
    """Return the events of one request, those of a visitor that have one time a microsecond apart.

    The log orders events by time and then by id, which a client draws at random. None is moved past its arrival.
    """
    together = Counter((event.visitor_id, event.occurred_at_us) for event in events)
    if len(together) == len(events):
        return list(events)
    earlier: Counter[tuple[str, int]] = Counter()
    kept: list[Event] = []
    for event in events:
        at = (event.visitor_id, event.occurred_at_us)
        last_us = min(together[at] - 1, _MOST_US)
        room_us = last_us if event.received_at_us is None else event.received_at_us - event.occurred_at_us
        moved_us = min(earlier[at], _MOST_US) - max(last_us - max(room_us, 0), 0)
        earlier[at] += 1
        kept.append(replace(event, occurred_at_us=event.occurred_at_us + moved_us) if moved_us else event)
    return kept
