"""Events that a client's clock could not tell apart, in the order in which the client sent them."""

from collections.abc import Sequence
from dataclasses import replace

from features.events import Event

_MOST_US = 999
"""Clients tell times in milliseconds: more would say something that their clock did not."""


def keep_order(events: Sequence[Event]) -> list[Event]:
    """Return the events of one request, those of a visitor that have one time a microsecond apart, the last unchanged.

    The log orders events by time and then by id, which a client draws at random.
    """
    later: dict[tuple[str, int], int] = {}
    kept: list[Event] = []
    for event in reversed(events):
        at = (event.visitor_id, event.occurred_at_us)
        count = later.get(at, 0)
        later[at] = count + 1
        kept.append(replace(event, occurred_at_us=event.occurred_at_us - min(count, _MOST_US)) if count else event)
    return kept[::-1]
