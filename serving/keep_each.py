"""Many events in one request: read one by one, so that a bad one does not spoil the others, and kept together."""

from collections.abc import Callable, Iterable
from time import perf_counter
from typing import TypeVar

from features.events import Event
from serving.errors import ClientError
from serving.ingest import Refused, keep_events
from serving.messages import BatchAnswer
from serving.runtime import Runtime
from serving.ties import keep_order
from serving.turn import give_way

_T = TypeVar("_T")
_REASONS_SHOWN = 5


async def keep_each(
    runtime: Runtime,
    items: Iterable[_T],
    read: Callable[[_T], Event],
    refuse: Callable[[_T, ClientError], Refused],
    *,
    ordered: bool = False,
) -> BatchAnswer:
    """Keep what ``read`` makes of the items, and the others, as ``refuse`` puts them, in the quarantine.

    ``ordered`` says that those of one time keep their order, where times are estimated in any case. Raises
    ClientError where none of the items can be used.
    """
    events: dict[str, Event] = {}
    refused: list[Refused] = []
    duplicates = 0
    turn = perf_counter()
    for item in items:
        turn = await give_way(turn)
        try:
            event = read(item)
        except ClientError as error:
            refused.append(refuse(item, error))
            continue
        duplicates += event.event_id in events
        events.setdefault(event.event_id, event)
    usable = list(events.values())
    kept = await keep_events(runtime, keep_order(usable) if ordered else usable, refused)
    if kept.refused and not kept.placed and not kept.withheld:
        first = kept.refused[0].reason
        raise ClientError(422, "no_usable_event", f"None of the events can be used. The first: {first}")
    reasons = list(dict.fromkeys(one.reason for one in kept.refused))[:_REASONS_SHOWN]
    return BatchAnswer(kept.new, duplicates + kept.duplicates, len(kept.refused), reasons, kept.withheld)


def require_few(count: int, most: int, field: str) -> None:
    """Raise :class:`ClientError` for more events than a request may hold."""
    if count > most:
        raise ClientError(413, "batch_too_large", f"A batch holds at most {most:,} events.", field)
