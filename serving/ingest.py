"""Events in, of whatever protocol: put into their sessions, and kept before anybody is told so."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection

from decisions.rewards import goal_value
from features.events import US_PER_SECOND, Event
from features.identity import Link
from features.personal import without_contact
from serving.errors import ClientError
from serving.persons import learn_links
from serving.privacy import Privacy
from serving.runtime import Runtime
from serving.segment import CALLS, Arrival
from serving.session_store import Placements
from serving.spans import span, tell
from serving.visitor import Placed


@dataclass(frozen=True, slots=True)
class Refused:
    """What cannot be used: the reason, what was sent, and whom it is about, so that erasing a visitor erases it too.

    ``user_id`` is the user that it names, who may be all that names the visitor.
    """

    reason: str
    payload: str
    visitor_id: str | None = None
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of events: those in their sessions, of which some were known; those refused or withheld."""

    placed: Sequence[Placed]
    duplicates: int
    refused: Sequence[Refused]
    withheld: int

    @property
    def new(self) -> int:
        """How many events are in the log that were not before."""
        return len(self.placed) - self.duplicates


def arrival(runtime: Runtime) -> Arrival:
    """Return what the server knows about a request that has just come."""
    now_us = runtime.now_us()
    return Arrival(now_us, now_us + int(runtime.configuration.future_tolerance_seconds * US_PER_SECOND))


async def keep_event(runtime: Runtime, event: Event) -> Placed | None:
    """Keep one event and return it in its session, or None where its visitor has not consented.

    Raises ClientError for one that cannot be used.
    """
    admitted = runtime.privacy.admit(event)
    if admitted is None:
        runtime.metrics.events.labels("withheld").inc()
        return None
    kept = await _keep(runtime, [admitted], [], keep_full=False)
    if kept.full:
        raise ClientError(422, "visitor_too_long", _too_long(runtime), "anonymousId")
    return kept.placed[0]


async def keep_events(runtime: Runtime, events: Sequence[Event], refused: Sequence[Refused] = ()) -> Kept:
    """Keep events, of which no two have one id, and the refused ones with their reasons.

    All is in the log, or nothing, when this returns or raises.
    """
    privacy = runtime.privacy
    bad = [_without_people(privacy, one) for one in refused]
    admitted = [one for one in map(privacy.admit, events) if one is not None]
    # What cannot be used is told of, but not kept either where the visitor has not consented.
    consented = [one for one, sent in zip(bad, refused, strict=True) if privacy.may_quarantine(sent.payload)]
    kept = await _keep(runtime, sorted(admitted, key=_order), consented, keep_full=True)
    withheld = len(events) - len(admitted)
    runtime.metrics.events.labels("withheld").inc(withheld)
    return Kept(kept.placed, kept.duplicates, [*bad, *_refused(runtime, kept)], withheld)


def _without_people(privacy: Privacy, refused: Refused) -> Refused:
    """Return what may be kept of what cannot be used."""
    named = refused.visitor_id
    return Refused(
        without_contact(refused.reason),
        privacy.quarantined(refused.payload),
        None if named is None else privacy.visitor_of(named, refused.user_id),
    )


def _order(event: Event) -> tuple[int, bytes]:
    return event.occurred_at_us, event.event_id.encode()


async def _keep(
    runtime: Runtime, events: Sequence[Event], refused: Sequence[Refused], *, keep_full: bool
) -> Placements:
    """Keep events and what is refused; ``keep_full`` says whether that goes for the events of full visitors too."""
    received_at_us = runtime.now_us()
    links: list[Link] = []

    def write_beside(connection: Connection, placements: Placements) -> None:
        # A write may be repeated.
        links.clear()
        for bad in (*refused, *(_refused(runtime, placements) if keep_full else ())):
            runtime.log.refuse(connection, received_at_us, bad.visitor_id, bad.reason, bad.payload)
        new = [one.event for one in placements.placed if one.is_new]
        links.extend(runtime.identity.record(connection, new))
        runtime.touchpoints.learn_clicks(connection, new)
        for one in placements.placed:
            if one.is_new and one.event.name in runtime.goals:
                value = goal_value(one.event.properties, runtime.journey.revenue)
                runtime.ledger.record_conversion(connection, str(one.event.session_id), one.event.occurred_at_us, value)

    with span("log write"):
        kept = await runtime.sessions.keep(events, write_beside)
    tell(events_new=len(kept.placed) - kept.duplicates, events_duplicate=kept.duplicates)
    learn_links(runtime, links)
    runtime.metrics.events.labels("new").inc(len(kept.placed) - kept.duplicates)
    runtime.metrics.events.labels("duplicate").inc(kept.duplicates)
    known = runtime.journey.events
    unknown = sum(one.is_new and one.event.name not in known and one.event.name not in CALLS for one in kept.placed)
    runtime.metrics.unknown_events.inc(unknown)
    runtime.metrics.events.labels("quarantined").inc(len(refused) + len(kept.full) * keep_full)
    return kept


def _refused(runtime: Runtime, placements: Placements) -> list[Refused]:
    return [
        Refused(_too_long(runtime), msgspec.json.encode(event).decode(), event.visitor_id) for event in placements.full
    ]


def _too_long(runtime: Runtime) -> str:
    return f"The visitor has {runtime.configuration.max_visitor_events:,} events already, the most that are kept."
